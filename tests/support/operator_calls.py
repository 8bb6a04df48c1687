"""Calls of the operators themselves, past the Python that checks arguments before them.

    python -m support.operator_calls 5000 [--seed 7]

First the directed ones: each argument of each operator in turn is replaced by each thing that it
should not be, every call in a process of its own. Then as many random ones, with up to three such
arguments, in processes of 250, as many at a time as there are cores. A process that crashes, hangs
or lets another exception through than those of refusal is a failure; it is named with the number of
its first call, which with the seed gives the call again. It is meant for a build with sanitizers
(`sanitize.py`).
"""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

import phasenet
from support.wrong_arguments import FLOATS, REFUSALS, Change, changes

OPERATORS = torch.ops.phasenet
BLOCK, SECONDS = 250, 600
READ = (torch.uint8, torch.float16, torch.bfloat16, *FLOATS)
WRITTEN = (None, torch.float16, torch.bfloat16, *FLOATS)

Call = tuple[Callable[..., Any], list[Any], dict[str, Any]]
Random = random.Random


# --- Calls as they should be -----------------------------------------------------------------


def sensible(name: str, rng: Random) -> Call:
    """The operator, its arguments and its keyword arguments."""
    height, nbands = rng.choice([3, 3, 4]), rng.randint(2, 4)
    least = 2 ** (height - 1)
    size = [rng.randint(least, 20) for _ in range(2)]
    lead = [rng.randint(0, 3) for _ in range(rng.randint(0, 2))]
    real = rng.choice(FLOATS)
    levels = rng.sample(range(1, height - 1), rng.randint(1, height - 2))
    num_phase = rng.randint(1, 5)
    modes = [rng.choice(["full", "published"]), rng.choice(["replicate", "valid"])]
    name, _, overload = name.partition(".")
    function = getattr(getattr(OPERATORS, name), overload or "default")

    if name == "band_phase":
        return function, [torch.randn(*lead, *size, dtype=real.to_complex())], {}
    if name.startswith("turn_phase"):
        bands = torch.randn(*lead, *size, dtype=real.to_complex())
        smoothing = rng.choice([0.0, 0.3, 2.0, 64.0])
        if name == "turn_phase":
            return function, [bands, torch.randn(*lead, *size, dtype=real), smoothing], {}
        sections = rng.randint(0, 3)
        state = torch.zeros(2 + 2 * sections, *bands.shape, dtype=real)
        numbers = [rng.uniform(-1, 1) for _ in range(5 * sections)]
        limit = rng.choice([0.0, 1.5])
        return function, [bands, state, rng.randint(0, 2), numbers, 2.0, True, smoothing, limit], {}
    if name.startswith("pyramid"):
        images = torch.randn(*lead, *size, dtype=real)
        some = [] if overload else rng.sample(range(nbands), rng.randint(0, nbands))
        parts = rng.choice([[], [0, 1], [height - 2]])
        octave = rng.choice([[1, 1.0], [1, 0.3], [2, 0.5], [3, 0.2], [4, 0.25]])
        if name == "pyramid_inverse_backward":
            return function, [images, height, nbands, *octave, parts, some], {}
        coeffs = OPERATORS.pyramid(images, height, nbands, *octave, orientations=some)
        if name == "pyramid":
            given = [_read(images, rng), height, nbands, *octave]
            if overload:
                return function, given, {"out": OPERATORS.pyramid(*given)}
            return function, [*given, parts, some], {}
        given = [coeffs[0], coeffs[1:-1], coeffs[-1]]
        if overload:
            return function, [*given, *octave], {"out": torch.full_like(images, math.nan)}
        return function, [*given, *octave, parts, nbands, some], {}
    frames = _read(torch.rand(*lead, num_phase + rng.randint(1, 4), *size, dtype=real), rng)
    options = [num_phase, height, nbands, levels, *modes]
    if name == "phase_difference_windows":
        dtype = rng.choice(WRITTEN)
        out = (
            {"out": OPERATORS.phase_difference_windows(frames, *options, dtype)} if overload else {}
        )
        return function, [frames, *options, dtype], out
    if name == "phase_difference_windows_backward":
        frames = frames.to(real)
        planes = OPERATORS.phase_difference_windows(frames, *options)
        return function, [[torch.randn_like(x) for x in planes], frames, *options], {}
    pushed = _read(torch.rand(rng.randint(0, 2), *size, dtype=real), rng)
    state = OPERATORS.phase_stream_state(pushed, *options[:4], rng.choice(WRITTEN))
    if name == "phase_stream_state":
        return function, [pushed, *options[:4], rng.choice(WRITTEN)], {}
    t = rng.randint(0, 4)
    for earlier in range(t):
        OPERATORS.phase_stream_push(pushed, state, earlier, *options)
    return function, [pushed, state, t, *options], {}


NAMES = (
    "band_phase",
    "pyramid",
    "pyramid.out",
    "pyramid_backward",
    "pyramid_inverse",
    "pyramid_inverse.out",
    "pyramid_inverse_backward",
    "phase_difference_windows",
    "phase_difference_windows.out",
    "phase_difference_windows_backward",
    "phase_stream_state",
    "phase_stream_push",
    "turn_phase",
    "turn_phase_push",
)


def _read(x: Tensor, rng: Random) -> Tensor:
    dtype = rng.choice(READ)
    return (255 * x.clamp(0, 1)).to(dtype) if dtype == torch.uint8 else x.to(dtype)


# --- Memory that is shared, and noise ---------------------------------------------------------


def sharing(call: Call, rng: Random) -> None:
    """Memory that is written to lies in what is read, or in itself."""
    _, args, kwargs = call
    tensors = [x for x in args if isinstance(x, Tensor)]
    written = kwargs.get("out", args[1] if len(args) > 1 else None)
    if isinstance(written, list) and len(written) > 1 and isinstance(written[0], Tensor):
        i, j = rng.sample(range(len(written)), 2)
        if written[i].shape == written[j].shape:
            written[i] = written[j]
        elif written[j].numel() >= written[i].numel():
            flat = written[j].reshape(-1).view(torch.uint8) if written[j].numel() else None
            need = written[i].numel() * written[i].element_size()
            if flat is not None and need and need <= flat.numel():
                written[i] = flat[:need].view(written[i].dtype).view(written[i].shape)
    elif isinstance(written, Tensor) and tensors and "out" in kwargs:
        kwargs["out"] = tensors[0]


def noisy(call: Call, rng: Random) -> None:
    """Random bytes in what a stream remembers."""
    _, args, _ = call
    state = args[1] if len(args) > 1 and isinstance(args[1], list) else []
    for part in state:
        if (
            isinstance(part, Tensor)
            and part.is_contiguous()
            and part.numel()
            and rng.random() < 0.3
        ):
            raw = part.view(-1).view(torch.uint8)
            raw[rng.randrange(raw.numel())] = rng.randrange(256)
            if rng.random() < 0.3:
                raw.random_(0, 256)


# --- The two kinds ---------------------------------------------------------------------------


def directed() -> Iterator[tuple[str, int, int]]:
    """(operator, argument, change) of every single change."""
    for name in NAMES:
        _, args, kwargs = sensible(name, Random(f"directed {name}"))
        for argument, value in enumerate([*args, *kwargs.values()]):
            for change in range(len(changes(value))):
                yield name, argument, change


def run_directed(name: str, argument: int, change: int) -> str:
    """What became of it."""
    call = sensible(name, Random(f"directed {name}"))
    _change(call, argument, lambda x: changes(x)[change](x))
    return outcome(call)


def run_random(seed: int, number: int) -> str:
    rng = Random(f"{seed} {number}")
    torch.manual_seed(rng.getrandbits(60))
    call = sensible(rng.choice(NAMES), rng)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        kind = rng.random()
        if kind < 0.25:
            with suppress(*REFUSALS, AttributeError):  # not of arguments that are changed already
                (sharing if kind < 0.1 else noisy)(call, rng)
        else:
            argument = rng.randrange(len(call[1]) + len(call[2]))
            _change(call, argument, lambda x: rng.choice(changes(x))(x))
    return outcome(call)


def _change(call: Call, argument: int, change: Change) -> None:
    _, args, kwargs = call
    if argument < len(args):
        args[argument] = change(args[argument])
    else:
        name = [*kwargs][argument - len(args)]
        kwargs[name] = change(kwargs[name])


def outcome(call: Call) -> str:
    function, args, kwargs = call
    try:
        with torch.no_grad():
            function(*args, **kwargs)
    except REFUSALS:
        return "refused"
    return "answered"


# --- Processes -------------------------------------------------------------------------------


class Children:
    """Processes of work, as many at a time as there are cores.

    Attributes:
        total: what all of them counted.
        failures: how some failed, by what they did.
    """

    def __init__(self, folder: Path) -> None:
        self.total, self.failures = Counter[str](), list[str]()
        self._folder, self._running = folder, dict[int, str]()

    def start(self, what: str, work: Callable[[], Counter[str]]) -> None:
        if len(self._running) >= len(os.sched_getaffinity(0)):
            self._wait()
        if child := os.fork():
            self._running[child] = what
            return
        status = 1
        try:
            signal.alarm(SECONDS)
            counts = work()
            told = " ".join(f"{key}={count}" for key, count in counts.items())
            (self._folder / str(os.getpid())).write_text(told)
            status = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)

    def finish(self) -> None:
        while self._running:
            self._wait()

    def _wait(self) -> None:
        child, wait_status = os.wait()
        what = self._running.pop(child)
        if wait_status == 0:
            counts = (self._folder / str(child)).read_text().split()
            self.total.update({key: int(n) for key, n in (x.split("=") for x in counts)})
            return
        code = os.waitstatus_to_exitcode(wait_status)
        failure = "did not end" if code == -signal.SIGALRM else f"ended with {code}"
        self.failures.append(f"{what}: {failure}")
        print(self.failures[-1], flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of casts that are made here
    # Children are forked: what computes in this process would leave threads that they lack.
    torch.set_num_threads(1)
    print(f"seed {given.seed}", flush=True)
    begin = time.monotonic()
    with TemporaryDirectory() as folder:
        children = Children(Path(folder))
        single = [*directed()]
        for call in single:
            children.start(f"directed {call}", lambda call=call: Counter([run_directed(*call)]))
        children.finish()
        seconds = time.monotonic() - begin
        print(f"{len(single)} directed calls: {dict(children.total)}, {seconds:.0f} s", flush=True)
        for first in range(0, given.count, BLOCK):
            numbers = range(first, min(first + BLOCK, given.count))
            children.start(
                f"random, seed {given.seed}, from {first}",
                lambda numbers=numbers: Counter(run_random(given.seed, n) for n in numbers),
            )
        children.finish()
    sets, total = phasenet.build_info()["instruction_set"], dict(children.total)
    print(f"{len(single)} directed and {given.count} random calls on {sets}: {total}")
    print(f"{time.monotonic() - begin - seconds:.0f} s for the random ones")
    print(f"{len(children.failures)} failed; seed {given.seed}; {phasenet.__file__}")
    return 1 if children.failures else 0


if __name__ == "__main__":
    sys.exit(main())
