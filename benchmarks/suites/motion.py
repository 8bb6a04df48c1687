"""`local_motion` from coarse to fine beside OpenCV's and scikit-image's optical flow.

Each row is one field of motion on a soft, a crisp and a fractal picture in 256 grey levels. The
errors are those of the motion, relative, away from the borders; notes tell them in pixels.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

import phasenet
from benchmarks.moving_fields import FIELDS, KINDS, AnalyticPicture, grey_levels
from benchmarks.paired_timing import Parity, Side
from benchmarks.rows import Row
from benchmarks.suites import Settings, SuiteRun
from benchmarks.suites.comparison import Comparison, measure

SIZE, QUICK_SIZE = (160, 192), (64, 72)
QUICK_FIELDS = ("translation of 1.5 px", "zoom by 1 %")
LARGEST = 8.0  # pixels a frame
MARGIN = 16  # pixels from the borders that the errors leave out
TRUSTED = 0.9

Flow = Callable[[Tensor], Tensor]  # uint8 pairs [N, 2, H, W] to motion [N, 2, H, W]


def run(settings: Settings) -> SuiteRun:
    """Time every row of the suite."""
    size, fields = (QUICK_SIZE, QUICK_FIELDS) if settings.quick else (SIZE, tuple(FIELDS))
    rows = [row for field in fields for row in FieldComparison(settings, field, size).rows()]
    return rows, {"frames": f"{', '.join(KINDS)}; uint8", "margin": f"{MARGIN} pixels"}


class FieldComparison(Comparison):
    """`local_motion` and its peers on pictures moved by one field."""

    def __init__(
        self, settings: Settings, field: str, size: tuple[int, int], seed: int = 0
    ) -> None:
        pictures = [AnalyticPicture(kind, size, seed) for kind in KINDS]
        pairs, truths = zip(*(picture.pair(FIELDS[field]) for picture in pictures), strict=True)
        name = re.sub(r"[^0-9a-z.]+", "-", field).strip("-")
        super().__init__(
            settings, grey_levels(torch.stack(pairs)), f"motion/{name}", f"motion, {field}",
            f"{len(KINDS)} pairs of {size[1]}x{size[0]} uint8",
        )  # fmt: skip
        self.truth = torch.stack(truths)

    def rows(self) -> Iterator[Row]:
        for name, against, kind, flow in (
            ("dis", "OpenCV DIS, medium", "speedup", by_dis),
            ("farneback", "OpenCV Farneback", "speedup", by_farneback),
            ("ilk", "scikit-image optical_flow_ilk", "speedup", partial(by_skimage, "ilk")),
            ("tvl1", "scikit-image optical_flow_tvl1", "speedup", partial(by_skimage, "tvl1")),
            ("one-look", "itself without warping", "cost", one_look),
        ):
            note = self.note() if name == "dis" else None
            sides = partial(self._sides, flow)
            task = self.task(name, against, sides, kind=kind, note=note, slow=True)
            yield measure(task, self.settings)

    def note(self) -> str:
        """The errors in pixels, and those of the pixels with a high weight."""
        motion, weight = from_coarse_to_fine(self.on_device(), return_weight=True)
        off = self.off(motion)
        trusted = inside(weight.cpu()) > TRUSTED
        told = f"{self.work}: {float(off.square().mean().sqrt()):.3f} px off (root mean square)"
        if not trusted.any():
            return f"{told}; no weight above {TRUSTED}"
        within = float(off[trusted].quantile(0.95))
        share = float(trusted.double().mean())
        return f"{told}; {share:.0%} of the weights are above {TRUSTED}, 95 % of those {within:.3f}"

    def off(self, motion: Tensor) -> Tensor:
        """Pixels that each motion is off by, away from the borders."""
        return inside(motion.cpu().double() - self.truth).norm(dim=1)

    def relative(self, motion: Tensor) -> float:
        return float(self.off(motion).norm() / inside(self.truth).norm())

    def _sides(self, flow: Flow) -> dict[str, Side]:
        frames = self.on_device()
        given = self.inputs if flow is not one_look else frames
        return {
            "ours": Side(
                lambda: from_coarse_to_fine(frames),
                lambda motion: Parity(self.relative(motion)),
                gap=self.settings.operator_gap,
            ),
            "peer": Side(
                lambda: flow(given), lambda motion: Parity(self.relative(motion)), optional=True
            ),
        }


def inside(planes: Tensor) -> Tensor:
    return planes[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def from_coarse_to_fine(frames: Tensor, **options: Any) -> Any:
    found = phasenet.local_motion(frames, largest=LARGEST, **options)
    return tuple(x[:, 0] for x in found) if options else found[:, 0]


def one_look(frames: Tensor) -> Tensor:
    return phasenet.local_motion(frames)[:, 0]


def by_dis(frames: Tensor) -> Tensor:
    cv2 = importlib.import_module("cv2")
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return _each(frames, lambda first, second: dis.calc(first, second, None))


def by_farneback(frames: Tensor) -> Tensor:
    cv2 = importlib.import_module("cv2")
    # Pyramid scale and levels, window, iterations, neighbourhood and its Gaussian, flags.
    options = (0.5, 4, 15, 5, 7, 1.5, 0)
    return _each(frames, lambda a, b: cv2.calcOpticalFlowFarneback(a, b, None, *options))


def by_skimage(name: str, frames: Tensor) -> Tensor:
    """Along y and x; what it takes are floats."""
    flow = getattr(importlib.import_module("skimage.registration"), f"optical_flow_{name}")
    pairs = frames.float() / 255
    return _each(pairs, lambda a, b: np.moveaxis(flow(a, b), 0, -1)[..., ::-1])


def _each(frames: Tensor, flow: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Tensor:
    """Of pairs of arrays to ``[H, W, 2]`` along x and y."""
    flows = [flow(*(np.ascontiguousarray(x) for x in pair.numpy())) for pair in frames]
    return torch.from_numpy(np.stack(flows)).movedim(-1, 1)
