"""The command ``mimamo live``."""

from __future__ import annotations

import itertools
import signal
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
from mimamo.signals import Ended
from mimamo.terminal import print_line

if TYPE_CHECKING:
    from mimamo.predict.live import LivePrediction
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
    with ExitStack() as stack:
        video = _open(source)
        stack.callback(video.close)
        # Only what is in order waits for torch.
        from mimamo.device import choose_device, choose_precision, slow_precision
        from mimamo.faces.batched_centerface import centerface
        from mimamo.predict.given_weights import load_checkpoints
        from mimamo.predict.live import LivePredictor, LiveSpeed, live_table
        from mimamo.predict.notices import far_rate, no_face, no_rows, others_there, too_slow
        from mimamo.video.gaps import LostFrames

        chosen = choose_device(device)
        if slow := slow_precision(precision, chosen):
            warn(slow)
        if features_every is None and headless and not source.isdecimal():
            features_every = 1  # nobody waits for it
        predictor = LivePredictor(
            load_checkpoints(weights, untold.given, warn),
            centerface(chosen),
            chosen,
            dtype=choose_precision(precision, chosen),
            search_every=search_every,
            faces=faces,
            features_every=features_every,
            fps=video.fps,
        )
        for note in predictor.notes:
            warn(note)
        window = None
        if not headless:
            window = stack.enter_context(LiveWindow(paced=not source.isdecimal()))
        write = None if out is None else stack.enter_context(live_table(out))
        speed, ended, every = LiveSpeed(), None, predictor.features_every
        lost = LostFrames(video)
        adapted = False

        def count(predictions: list[LivePrediction]) -> None:
            for prediction in predictions:
                speed.add(prediction)
                if write is not None:
                    write(prediction)

        try:
            for frame in itertools.islice(video, frames):
                predictions = predictor.push(frame, lost.before(frame.time))
                count(predictions)
                if every != predictor.features_every:
                    every, adapted = predictor.features_every, True
                    warn(
                        f"spatial features of 1 frame in {every} from here on, by the speed so far"
                    )
                if window is not None:
                    window.show(frame, predictor.boxes, predictions, speed)
                    if window.ended:
                        break
        except (KeyboardInterrupt, Ended) as by:  # how a camera without a screen is ended
            ended = by if isinstance(by, Ended) and by.number != signal.SIGINT else None
            print_line("mimamo: ended", error=True)
        count(predictor.finish())
    if ended is not None:  # the table is there; the terminal may be gone
        raise ended
    say(f"{video.name}: {speed.summary()}")
    if missed := getattr(video, "missed", 0):
        say(f"left out {counted(missed, 'frame')} that came while others were worked on")
    if out is not None:
        say(f"{out}: {counted(speed.frames, 'frame')}")
    name = video.name if source.isdecimal() else source
    warnings = [*getattr(video, "warnings", ()), far_rate(name, video.fps)]
    if adapted and not source.isdecimal():  # of a camera, frames were left out instead
        warnings.append(too_slow(name, speed.frames / speed.seconds, video.fps))
    if speed.frames and not speed.found:
        warnings.append(no_face(name))
    if predictor.others and faces == "main":
        warnings.append(others_there(name, predictor.others, speed.frames))
    for warning in filter(None, warnings):
        warn(warning)
    if missing := getattr(video, "missing", None):
        return fail(no_rows(missing, out), FAILED)
    return OK


def _open(source: str) -> Camera | VideoReader:
    from mimamo.video import VideoReader
    from mimamo.video.camera import HIGHEST, Camera

    if not (source.isascii() and source.isdecimal()):
        return VideoReader(source)
    if len(source) > len(str(HIGHEST)):  # Python reads no number of thousands of digits
        got = source if len(source) <= 20 else f"{source:.20}…"
        raise InputError(f"camera: expected a number from 0 to {HIGHEST}, got {got}")
    return Camera(int(source))
