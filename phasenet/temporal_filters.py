"""Filters in time that pass a band of frequencies, as sections for a stream or as one matrix."""

from __future__ import annotations

import cmath
import math

import torch
from torch import Tensor

_STOP_DB = 70.0  # of what the window's sidelobes let through


def iir_sections(low: float, high: float, fps: float) -> list[float]:
    """Second-order sections (b0, b1, b2, a1, a2 of each) of a Butterworth filter of order 3.

    Made from the analogue filter by the bilinear transform. A band has three sections, what passes
    from 0 or up to the Nyquist frequency two, what passes everything none.

    Args:
        low, high: edges of the band in Hz, where half of the power passes, 0 <= low < high and
            high <= fps / 2.
        fps: frames per second.
    """
    nyquist = fps / 2
    if low == 0 and high == nyquist:
        return []
    pole = cmath.exp(2j * math.pi / 3)  # the others are its conjugate and -1
    lower = 2 * math.tan(math.pi * low / fps)
    if high == nyquist:
        return [
            *_section(lower / pole, None, (1, -2, 1), 0.5),
            *_section(-lower, math.inf, (1, -1, 0), 0.5),
        ]
    upper = 2 * math.tan(math.pi * high / fps)
    if low == 0:
        return [
            *_section(pole * upper, None, (1, 2, 1), 0.0),
            *_section(-upper, math.inf, (1, 1, 0), 0.0),
        ]
    # s -> (s^2 + lower upper) / (s (upper - lower)): of each pole two.
    centre = math.atan(math.sqrt(lower * upper) / 2) / math.pi
    numbers = []
    for at in (pole, -1):
        half = at * (upper - lower) / 2
        root = cmath.sqrt(half * half - lower * upper)
        pairs = (
            [(half + root, half - root)] if at == -1 else [(half + root, None), (half - root, None)]
        )
        for one, other in pairs:
            numbers += _section(one, other, (1, 0, -1), centre)
    return numbers


def _section(
    one: complex, other: complex | None, zeros: tuple[int, int, int], at: float
) -> list[float]:
    """The section of two analogue poles, the second by default the first's conjugate.

    A pole at infinity stands for none. The gain is 1 `at` cycles a frame.
    """
    first = (2 + one) / (2 - one)
    if other == math.inf:
        second: complex = 0
    else:
        second = first.conjugate() if other is None else (2 + other) / (2 - other)
    a1, a2 = complex(-first - second).real, complex(first * second).real
    z = cmath.exp(-2j * math.pi * at)
    gain = abs((1 + a1 * z + a2 * z * z) / (zeros[0] + zeros[1] * z + zeros[2] * z * z))
    return [*(gain * b for b in zeros), a1, a2]


def fir_reach(low: float, high: float, fps: float) -> int:
    """How many frames before and after one its filtered value depends on, see `fir_taps`."""
    nyquist = fps / 2
    if low == 0 and high == nyquist:
        return 0
    edges = [high] if low == 0 else [low] if high == nyquist else [low, high - low]
    transition = min(edges) / 2 / fps  # cycles a frame
    return math.ceil((_STOP_DB - 7.95) / (2.285 * 2 * math.pi * transition) / 2)


def fir_taps(low: float, high: float, fps: float, most: int) -> Tensor:
    """An odd number of taps, at most ``2 most + 1``, of a filter without delay, float64.

    A sinc under Kaiser's window (Kaiser 1974): half of the amplitude passes at the edges, 1 in the
    middle of the band, and from half of ``min(low, high - low)`` beyond an edge on 3e-4, where
    there are taps enough; with fewer the filter is less sharp, and passes less. Constants pass as 0
    if `low` is above 0.
    """
    reach = min(fir_reach(low, high, fps), most)
    nyquist = fps / 2
    if reach == 0:
        return torch.full((1,), float(low == 0), dtype=torch.float64)
    n = torch.arange(-reach, reach + 1, dtype=torch.float64)
    beta = 0.1102 * (_STOP_DB - 8.7)
    window = torch.special.i0(beta * (1 - (n / reach) ** 2).clamp(min=0).sqrt())
    window = window / window.max()
    passes = [2 * edge / fps * torch.special.sinc(2 * edge / fps * n) for edge in (low, high)]
    taps = (passes[1] - passes[0]) * window
    if low > 0:  # exactly nothing of what stands still
        taps = taps - window * (taps.sum() / window.sum())
    middle = 0.0 if low == 0 else (0.5 if high == nyquist else (low + high) / 2 / fps)
    passed = float((taps * torch.cos(2 * math.pi * middle * n)).sum())
    return taps / max(
        passed, 0.5
    )  # too few taps let nothing through, and shall not make noise of it


def fir_matrix(taps: Tensor, length: int) -> Tensor:
    """The filter of `length` values as a matrix, float64 [length, length].

    Beyond the ends values go on point-symmetrically about the last one, so that what grows evenly
    goes on to.
    """
    reach = len(taps) // 2
    extended = torch.zeros(length + 2 * reach, length, dtype=torch.float64)
    extended[reach : reach + length] = torch.eye(length, dtype=torch.float64)
    for i in range(1, reach + 1):
        extended[reach - i] = 2 * extended[reach] - extended[reach + i]
        last = reach + length - 1
        extended[last + i] = 2 * extended[last] - extended[last - i]
    rows = torch.zeros(length, length + 2 * reach, dtype=torch.float64)
    for t in range(length):
        rows[t, t : t + len(taps)] = taps
    return rows @ extended


def filter_from_both_ends(matrix: Tensor, values: Tensor) -> None:
    """``values = matrix @ values``, ``[length, N]``, by half as many products.

    A filter without delay of a whole film is the same from both ends: what is even about the middle
    stays even, and what is odd stays odd.

    Args:
        matrix: of `fir_matrix`, all of it; it is its own turned by half a turn.
    """
    length = len(matrix)
    half = length // 2
    rest = length - half  # the middle one counts with the first
    back, turned = values[rest:].flip(0), matrix[:rest].flip(1)
    even, odd = values[:rest].clone(), values[:half] - back
    even[:half] += back
    even = (matrix[:rest, :rest] + turned[:, :rest]) / 2 @ even
    odd = (matrix[:rest, :half] - turned[:, :half]) / 2 @ odd
    torch.add(even, odd, out=values[:rest])
    values[rest:] = (even - odd)[:half].flip(0)
