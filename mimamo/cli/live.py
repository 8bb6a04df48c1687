"""The command ``mimamo live``."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mimamo.cli.common import (
    FAILED,
    OK,
    Device,
    Faces,
    Overwrite,
    Precision,
    SearchEvery,
    Untold,
    Weights,
    fail,
    features_every_option,
    flag,
    option,
    say,
    warn,
    with_options,
)
from mimamo.errors import InputError
from mimamo.progress import counted
from mimamo.signals import Ended, ended_by
from mimamo.terminal import print_line

if TYPE_CHECKING:
    from mimamo.predict.live import LivePrediction, LivePredictor
    from mimamo.predict.render.live import LiveWindow
    from mimamo.video import VideoReader
    from mimamo.video.camera import Camera


@with_options(Untold)
def live(
    weights: Weights,
    untold: Untold,
    source: Annotated[
        str, typer.Argument(metavar="[SOURCE]", help="A camera's number or a video file.")
    ] = "0",
    headless: Annotated[
        bool, flag("--headless", "Show nothing; --out says where it is written.")
    ] = False,
    out: Annotated[Path | None, option("Write predictions as CSV.", "FILE")] = None,
    frames: Annotated[int | None, option("End after N frames.", "N", min=1)] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    search_every: SearchEvery = 3,
    features_every: Annotated[
        int | None, features_every_option("what keeps up; 1 with --headless and a file")
    ] = None,
    faces: Faces = "main",
    overwrite: Overwrite = False,
) -> int:
    """Show running valence and arousal of a camera or video; q, Ctrl-C or its end ends it.

    The GRU runs over a clip that ends with the frame, so no later clip is waited for or averaged.
    On screen are latency (from a frame to its prediction) and frames per second; --out writes them
    with the predictions.
    """
    if headless and out is None:
        raise InputError("--headless: expected --out FILE as well, else nothing would be seen")
    if out is not None and out.exists() and not (overwrite and out.is_file()):
        raise InputError(f"{out}: exists; give another --out, or --overwrite for a file")
    if not headless:
        from mimamo.predict.render.live import LiveWindow, check_display

        check_display()
    if features_every is None and headless and not _is_camera(source):
        features_every = 1  # nobody waits for it
    with ExitStack() as stack:
        video = _open(source)
        stack.callback(video.close)
        # Only what is in order waits for torch.
        from mimamo.predict.live import live_table

        predictor = _predictor(
            weights, untold, device, precision, search_every, features_every, faces, video.fps
        )
        window = None
        if not headless:
            window = stack.enter_context(LiveWindow(paced=not _is_camera(source)))
        write = None if out is None else stack.enter_context(live_table(out))
        run = _LiveRun(video, predictor, window, write)
        ended = run.until_ended(frames)
    if ended is not None:  # the table is there; the terminal may be gone
        raise ended
    run.say_how_it_went(out)
    for warning in run.warnings(source, faces):
        warn(warning)
    return run.code(out)


def _is_camera(source: str) -> bool:
    return source.isascii() and source.isdecimal()


def _open(source: str) -> Camera | VideoReader:
    from mimamo.video import VideoReader
    from mimamo.video.camera import HIGHEST, Camera

    if not _is_camera(source):
        return VideoReader(source)
    if len(source) > len(str(HIGHEST)):  # Python reads no number of thousands of digits
        got = source if len(source) <= 20 else f"{source:.20}…"
        raise InputError(f"camera: expected a number from 0 to {HIGHEST}, got {got}")
    return Camera(int(source))


def _predictor(
    weights: Sequence[Path],
    untold: Untold,
    device: Device,
    precision: Precision,
    search_every: int,
    features_every: int | None,
    faces: Faces,
    fps: float,
) -> LivePredictor:
    """What the options ask for; what is to be said of it is said."""
    from mimamo.device import choose_device, choose_precision, slow_precision
    from mimamo.faces.batched_centerface import centerface
    from mimamo.predict.given_weights import load_checkpoints
    from mimamo.predict.live import LivePredictor

    chosen = choose_device(device)
    if slow := slow_precision(precision, chosen):
        warn(slow)
    predictor = LivePredictor(
        load_checkpoints(weights, untold.given, warn),
        centerface(chosen),
        chosen,
        dtype=choose_precision(precision, chosen),
        search_every=search_every,
        faces=faces,
        features_every=features_every,
        fps=fps,
    )
    for note in predictor.notes:
        warn(note)
    return predictor


class _LiveRun:
    """A camera or film that is predicted frame by frame, shown and written where that is wanted."""

    def __init__(
        self,
        video: Camera | VideoReader,
        predictor: LivePredictor,
        window: LiveWindow | None,
        write: Callable[[LivePrediction], None] | None,
    ) -> None:
        from mimamo.predict.live import LiveSpeed
        from mimamo.video.gaps import LostFrames

        self._video, self._predictor = video, predictor
        self._window, self._write = window, write
        self._lost, self._speed = LostFrames(video), LiveSpeed()
        self._adapted = False  # whether features of fewer frames were computed on the way

    def until_ended(self, most: int | None) -> Ended | None:
        """Predict up to `most` frames; the signal by which it was ended, if it was another's."""
        ended = None
        try:
            for frame in itertools.islice(self._video, most):
                every = self._predictor.features_every
                predictions = self._predictor.push(frame, self._lost.before(frame.time))
                self._count(predictions)
                self._say_of_features(every)
                if self._window is not None:
                    self._window.show(frame, self._predictor.boxes, predictions, self._speed)
                    if self._window.ended:
                        break
        except BaseException as error:  # how a camera without a screen is ended
            by = ended_by(error)
            if by is None and not isinstance(error, KeyboardInterrupt):
                raise
            ended = None if by is None or by.number == signal.SIGINT else by
            print_line("mimamo: ended", error=True)
        self._count(self._predictor.finish())
        return ended

    def _count(self, predictions: Sequence[LivePrediction]) -> None:
        for prediction in predictions:
            self._speed.add(prediction)
            if self._write is not None:
                self._write(prediction)

    def _say_of_features(self, before: int) -> None:
        now = self._predictor.features_every
        if now != before:
            self._adapted = True
            warn(f"spatial features of 1 frame in {now} from here on, by the speed so far")

    def say_how_it_went(self, out: Path | None) -> None:
        say(f"{self._video.name}: {self._speed.summary()}")
        if missed := getattr(self._video, "missed", 0):
            say(f"left out {counted(missed, 'frame')} that came while others were worked on")
        if out is not None:
            say(f"{out}: {counted(self._speed.frames, 'frame')}")

    def warnings(self, source: str, faces: Faces) -> list[str]:
        """What a user should know of the source and its predictions, a line each."""
        from mimamo.predict.notices import far_rate, no_face, others_there, too_slow

        video, speed, is_camera = self._video, self._speed, _is_camera(source)
        name = video.name if is_camera else source
        warnings = [*getattr(video, "warnings", ()), far_rate(name, video.fps)]
        if self._adapted and not is_camera:  # of a camera, frames were left out instead
            warnings.append(too_slow(name, speed.frames / speed.seconds, video.fps))
        if speed.frames and not speed.found:
            warnings.append(no_face(name))
        if self._predictor.others and faces == "main":
            warnings.append(others_there(name, self._predictor.others, speed.frames))
        return [*filter(None, warnings)]

    def code(self, out: Path | None) -> int:
        """The command's exit code; where frames are missing, that is said as an error."""
        from mimamo.predict.notices import no_rows

        if missing := getattr(self._video, "missing", None):
            return fail(no_rows(missing, out), FAILED)
        return OK
