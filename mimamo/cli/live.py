"""The command ``mimamo live``."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mimamo.cli.common import Device, Overwrite, say, warn
from mimamo.errors import InputError

if TYPE_CHECKING:
    from mimamo.video import VideoFrame

HEADER = "frame,time,face_found,valence,arousal,latency_ms"
_WINDOW = "mimamo live (q ends)"
_NO_WINDOW = "no window can be opened here{}; use --headless --out FILE instead"
_PROBE = "import cv2; cv2.namedWindow('mimamo')"


def register_live(app: typer.Typer) -> None:
    app.command()(live)


def live(
    weights: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="A run or checkpoint of `mimamo train`, or the authors' model_weights.pth.tar.",
        ),
    ],
    source: Annotated[
        str, typer.Argument(metavar="[SOURCE]", help="A camera's number or a video file.")
    ] = "0",
    backbone: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=False, help="ResNet50 weights, if --weights holds none."
        ),
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Show nothing; --out says where it is written.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="Write predictions as CSV."),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default=False, help="End after so many frames."),
    ] = None,
    device: Device = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(help="Of the ResNet50; auto takes bfloat16 on a CPU that computes in it."),
    ] = "auto",
    search_every: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Search the whole picture in every Nth frame only."),
    ] = 3,
    overwrite: Overwrite = False,
) -> None:
    """Show running valence and arousal of a camera or video; q, Ctrl-C or its end ends it.

    On screen are latency (from a frame to its prediction) and frames per second; --out writes them
    with the predictions.
    """
    from mimamo.device import choose_device, choose_precision, slow_precision
    from mimamo.faces import CenterFace
    from mimamo.model import load_checkpoint
    from mimamo.predict.live import LivePredictor, LiveSpeed

    if headless and out is None:
        raise InputError("--headless: expected --out FILE as well, else nothing would be seen")
    if out is not None and out.exists() and not (overwrite and out.is_file()):
        raise InputError(f"{out}: exists; give another --out, or --overwrite for a file")
    if not headless:
        _check_display()
    chosen = choose_device(device)
    if slow := slow_precision(precision, chosen):
        warn(slow)
    predictor = LivePredictor(
        load_checkpoint(weights, backbone),
        CenterFace(),
        chosen,
        dtype=choose_precision(precision, chosen),
        search_every=search_every,
    )
    speed = LiveSpeed()
    with ExitStack() as stack:
        video = stack.enter_context(_open(source))
        show = None if headless else stack.enter_context(_Screen(predictor, speed, source))
        write = stack.enter_context(_Table(out)) if out is not None else None
        try:
            for frame in itertools.islice(video, frames):
                _deliver(predictor.push(frame), frame, speed, write, show)
                if show is not None and show.ended:
                    break
        except KeyboardInterrupt:  # how a camera without a screen is ended
            print("mimamo: ended", file=sys.stderr)
        _deliver(predictor.finish(), None, speed, write, None)
    say(f"{getattr(video, 'name', source)}: {speed.summary()}")
    if missed := getattr(video, "missed", 0):
        say(f"{missed} frames came while others were worked on, and were left out")
    if out is not None:
        say(f"{out}: {speed.frames} frames")


def _open(source: str) -> Any:
    from mimamo.video import VideoReader
    from mimamo.video.camera import Camera

    return Camera(int(source)) if source.isdecimal() else VideoReader(source)


def _check_display() -> None:
    """Refuse where a window cannot be opened.

    OpenCV's toolkit ends the process there and raises nothing, so another process tries first: it
    also finds a display that does not answer.
    """
    if sys.platform != "linux":
        return
    if not any(os.environ.get(x) for x in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        raise InputError(_NO_WINDOW.format(" (DISPLAY is not set)"))
    try:
        subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(_NO_WINDOW.format("")) from error


def _deliver(
    predictions: list[Any], frame: VideoFrame | None, speed: Any, write: Any, show: Any
) -> None:
    for prediction in predictions:
        speed.add(prediction)
        if write is not None:
            write(prediction)
    if show is not None and frame is not None:
        show(frame, predictions)


class _Table:
    """A CSV file that appears under its name when the block ends."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _Table:
        from mimamo.files import replacing

        self._stack = ExitStack()
        temporary = self._stack.enter_context(replacing(self._path))
        self._file = self._stack.enter_context(temporary.open("w", encoding="ascii", newline="\n"))
        self._file.write(f"{HEADER}\n")
        return self

    def __call__(self, x: Any) -> None:
        values = f"{x.valence:.6f},{x.arousal:.6f},{1000 * x.latency:.1f}"
        self._file.write(f"{x.index + 1},{x.time:.6f},{int(x.found)},{values}\n")

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)


class _Screen:
    """The window; a file is shown at its own speed, if predicting is faster."""

    def __init__(self, predictor: Any, speed: Any, source: str) -> None:
        from mimamo.predict.render.live import LivePicture

        self._picture = LivePicture()
        self._predictor, self._speed = predictor, speed
        self._paced = not source.isdecimal()
        self._start: float | None = None
        self.ended = False

    def __enter__(self) -> _Screen:
        import cv2

        try:
            cv2.namedWindow(_WINDOW)
        except cv2.error as error:
            raise InputError(_NO_WINDOW.format("")) from error
        return self

    def __call__(self, frame: VideoFrame, predictions: list[Any]) -> None:
        import cv2

        box = self._predictor.box
        picture = self._picture.draw(frame.image, box, predictions, self._speed)
        cv2.imshow(_WINDOW, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self._start = time.perf_counter() - frame.time if self._start is None else self._start
        ahead = self._start + frame.time - time.perf_counter() if self._paced else 0.0
        key = cv2.waitKey(max(1, round(1000 * ahead)))
        closed = cv2.getWindowProperty(_WINDOW, cv2.WND_PROP_VISIBLE) < 1
        self.ended = key & 0xFF in (ord("q"), 27) or closed

    def __exit__(self, *_: object) -> None:
        import cv2

        cv2.destroyAllWindows()
