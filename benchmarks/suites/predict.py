"""`mimamo predict` on a video: frames per second, where the time goes, and what bfloat16 costs."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.paired_timing import Budget, Outcome, Parity, Side, compared, paired_timing
from benchmarks.rows import Row
from benchmarks.suites import Settings, SuiteRun, reading
from benchmarks.suites.pipeline import plain_spatial, predict_plainly
from benchmarks.suites.reading import OpenCVFilm
from mimamo.demo.synth.video import write_video
from mimamo.device import choose_precision
from mimamo.faces import CenterFace, observe_faces
from mimamo.faces.batched_centerface import centerface
from mimamo.model import MIMAMONet, ResNet50
from mimamo.model.checkpoint import Checkpoint
from mimamo.model.features import SpatialFeatures
from mimamo.predict import PredictSettings, predict_video
from mimamo.predict.networks import joined
from mimamo.predict.pipeline import Models, observe
from mimamo.predict.stage_times import STAGES, StageTimes
from mimamo.predict.table import NO_FACE
from mimamo.threads import workers
from mimamo.video import VideoReader
from phasenet.parity import relative_error

WORK = "mimamo predict, one video"
PLAIN = "plain sequential pipeline, float32"
BEFORE = "the same, ResNet50 in channels_last (the command before its stages overlapped)"
FLOAT32 = "the same features in float32"
SHARE = "the whole of mimamo predict"
TARGETS = {"phase": 0.03}
SPEEDUP, COSINE = 2.5, 0.999
OFTEN = 5  # of --search-every, where it is not 1
RARELY = (2, 3, 5)  # of --features-every
EVERY = "the same, features of every frame"
PYAV = "mimamo predict without its files, the film read by PyAV"
OPENCV = "the same, the film read by OpenCV"
FACES = 64  # whose features are compared
ERROR = "error: of the predictions, against the plain ones"


def run(settings: Settings) -> SuiteRun:
    """Time the command, its stages, and the plain pipeline; compare features."""
    cv2.setNumThreads(settings.threads)
    with tempfile.TemporaryDirectory() as folder:
        video = settings.video or _rendered(Path(folder), settings)
        reader = VideoReader(video)
        frames = sum(1 for _ in reader)
        origin = "rendered" if settings.video is None else "given"
        inputs = {
            "video": f"{origin}, {reader.size[0]}x{reader.size[1]}, {frames} frames",
            "weights": "random with a seed, BatchNorm calibrated on the video's faces",
        }
        if gap := settings.operator_gap:
            size, threads = f"{frames} frames", settings.threads
            row = Row("predict/ours/plain", WORK, PLAIN, size, threads, target=SPEEDUP, gap=gap)
            return [row], inputs
        settings.tell("predict: the features in both precisions")
        suite = _Suite(settings, video, Path(folder), frames)
        cosine = suite.cosine()
        settings.tell("predict: the command and the plain pipeline")
        budget = Budget(1 if settings.quick else 3, 0.01)
        found = paired_timing(suite.sides(), settings.threads, budget)
        read = reading.rows(settings, video, frames)
    return [*suite.speed(found), *suite.shares(found["ours"]), *read, cosine], inputs


class _Suite:
    """The models, and the rows made with them."""

    def __init__(self, settings: Settings, video: Path, folder: Path, frames: int) -> None:
        self.settings, self.video, self.folder, self.frames = settings, video, folder, frames
        self.runs: list[StageTimes] = []  # of the command
        observed = observe_faces(VideoReader(video), CenterFace())
        crops = [face.crop for face in observed if face.crop is not None]
        chosen = np.linspace(0, len(crops) - 1, min(FACES, len(crops))).round().astype(int)
        self.crops = np.stack([crops[index] for index in chosen])
        self.backbone = ResNet50(image_size=64 if settings.quick else 224, seed=0)
        self.backbone.calibrate(torch.from_numpy(self.crops))
        self.backbone.eval()
        torch.manual_seed(0)
        self.network = MIMAMONet().eval().to(settings.device)
        self.size = f"{frames} frames, ResNet50 at {self.backbone.image_size}"

    def sides(self) -> dict[str, Side]:
        """The command in several settings, and the plain pipeline in two."""
        expected: list[np.ndarray] = []

        def agreement(values: np.ndarray) -> Parity:
            seen = expected[0] != NO_FACE  # frames before the first face would hide the others
            got, want = (torch.from_numpy(array[seen]) for array in (values, expected[0]))
            return Parity(relative_error(got, want))

        return {
            "plain": Side(self._plain(torch.contiguous_format), expected.append),
            "before": Side(self._plain(torch.channels_last), agreement),
            "ours": Side(self._command(), agreement),
            "float32": Side(self._command(precision="float32"), agreement),
            "often": Side(self._command(search_every=OFTEN), agreement),
            "opencv": Side(self._pipeline(OpenCVFilm), agreement),
            "pyav": Side(self._pipeline(VideoReader), agreement),
            **{
                f"features{every}": Side(self._command(features_every=every), agreement)
                for every in RARELY
            },
        }

    def speed(self, found: dict[str, Outcome]) -> list[Row]:
        """The command beside the plain pipeline."""
        precision = str(choose_precision("auto", self.settings.device)).removeprefix("torch.")
        settings = {
            "ours": ("", f"; ResNet50 in {precision}"),
            "float32": (", --precision float32", ""),
            "often": (f", --search-every {OFTEN}", f"; ResNet50 in {precision}; other landmarks"),
        }
        rows = []
        for name, (options, remark) in settings.items():
            work, target = WORK + options, SPEEDUP if name == "ours" else None
            speed = f"{self.frames / found[name].measured.median:.1f} frames/s"
            common = {"work": work, "size": self.size, "note": f"{work}: {speed}{remark}; {ERROR}"}
            for peer, against in (("plain", PLAIN), ("before", BEFORE)):
                common |= {"id": f"predict/{name}/{peer}", "against": against, "target": target}
                rows.append(compared(found[name], found[peer], **common))
        ours, before = found["pyav"], found["opencv"]
        speeds = [f"{self.frames / x.measured.median:.1f}" for x in (ours, before)]
        note = "{} frames/s, before {}".format(*speeds)
        rows.append(
            compared(
                ours, before, id="predict/pyav", work=PYAV, against=OPENCV, size=self.size,
                note=f"{PYAV}: {note}; {ERROR}",
            )
        )  # fmt: skip
        for every in RARELY:
            ours, work = found[f"features{every}"], f"{WORK}, --features-every {every}"
            speed = f"{self.frames / ours.measured.median:.1f} frames/s"
            common = {"work": work, "size": self.size, "note": f"{work}: {speed}; {ERROR}"}
            common |= {"id": f"predict/features-every-{every}", "against": EVERY}
            rows.append(compared(ours, found["ours"], **common))
        return rows

    def shares(self, whole: Outcome) -> list[Row]:
        """What the command says of its own stages; its first run warmed up and does not count."""
        note = (
            "stages overlap: seconds at work, waiting for a core included; their shares add up to "
            "more than 100 %"
        )
        rows = []
        for stage in STAGES:
            seconds = [times.seconds[stage] for times in self.runs[1:]]
            rows.append(
                compared(
                    Outcome.of(seconds, self.settings.threads), whole, id=f"predict/stage/{stage}",
                    work=f"mimamo predict, {stage}", against=SHARE, size=self.size, kind="share",
                    target=TARGETS.get(stage), note=note,
                )
            )  # fmt: skip
        return rows

    def cosine(self) -> Row:
        """How far bfloat16 moves the features: the least cosine of a face's, and the time."""
        device = self.settings.device
        exact = SpatialFeatures(self.backbone, device)
        rough = SpatialFeatures(self.backbone, device, dtype=torch.bfloat16)
        want, got = exact(self.crops), rough(self.crops)
        cosine = torch.cosine_similarity(got, want).min().item()
        mean = want.mean(dim=0)
        centred = torch.cosine_similarity(got - mean, want - mean).min().item()
        few = self.crops[:8]
        sides = {"bfloat16": Side(lambda: rough(few)), "float32": Side(lambda: exact(few))}
        found = paired_timing(sides, self.settings.threads, self.settings.slow_budget)
        return Row(
            id="predict/bfloat16", work="ResNet50 in bfloat16, 8 faces", against=FLOAT32,
            size=f"{len(want)} faces, at {self.backbone.image_size}",
            threads=self.settings.threads, kind="cosine",
            ours=replace(found["bfloat16"].measured, error=relative_error(got, want)),
            peer=found["float32"].measured,
            ratio=cosine, ratio_low=cosine, ratio_high=cosine, target=COSINE,
            note=f"ResNet50 in bfloat16: least cosine of a face's features; {centred:.5f} without "
            "the mean all faces share. Random weights: not evaluated with trained ones",
        )  # fmt: skip

    def _command(self, **options: object) -> Callable[[], np.ndarray]:
        settings = PredictSettings(device=self.settings.device, overwrite=True, **options)
        network = copy.deepcopy(self.network)  # it is put into channels_last

        def call() -> np.ndarray:
            checkpoint = Checkpoint(network, self.backbone)
            result = predict_video(self.video, checkpoint, self.folder, settings)
            if not options:
                self.runs.append(result.times)
            return result.predictions.values

        return call

    def _pipeline(self, film: Callable[[Path], Any]) -> Callable[[], np.ndarray]:
        device = self.settings.device
        dtype = choose_precision("auto", device)
        spatial, members = joined(Checkpoint(self.network, self.backbone), device, dtype=dtype)
        models = Models(centerface(device), spatial, members)

        def call() -> np.ndarray:
            with workers(device) as pool:
                return observe(film(self.video), models, pool, StageTimes()).predictions.values

        return call

    def _plain(self, memory_format: torch.memory_format) -> Callable[[], np.ndarray]:
        backbone = copy.deepcopy(self.backbone)
        spatial = plain_spatial(backbone, self.settings.device, memory_format)
        return lambda: predict_plainly(self.video, self.network, spatial, self.folder)


def _rendered(folder: Path, settings: Settings) -> Path:
    settings.tell("predict: rendering a video")
    path = folder / "rendered.mp4"
    # At 8 frames/s the camera finds the face within the few frames of a quick run.
    write_video(path, frames=12 if settings.quick else 150, fps=8 if settings.quick else 30)
    return path
