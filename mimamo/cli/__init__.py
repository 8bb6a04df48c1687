"""The command ``mimamo``: what is typed, what is printed, what is returned.

What a command needs is imported when it runs, so that ``mimamo --help`` does not wait for torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mimamo import check_phasenet
from mimamo.cli.common import (
    FAILED,
    INTERRUPTED,
    OK,
    UNUSABLE,
    DetectorFile,
    Device,
    Faces,
    Overwrite,
    Passes,
    Precision,
    ProgressBar,
    SearchEvery,
    Seed,
    Untold,
    Weights,
    argument,
    fail,
    features_every_option,
    flag,
    option,
    say,
    warn,
    with_options,
)
from mimamo.cli.data import data, extract, synth
from mimamo.cli.evaluation import check, evaluate, submit
from mimamo.cli.live import live
from mimamo.cli.magnify import magnify
from mimamo.cli.training import crossval, train
from mimamo.errors import OUT_OF_MEMORY, InputError, NothingFoundError, is_out_of_memory
from mimamo.progress import counted
from mimamo.terminal import print_line, warnings_as_lines

if TYPE_CHECKING:
    from mimamo.predict import VideoResult
    from mimamo.shards import Shard

app = typer.Typer(
    name="mimamo",
    help="Valence and arousal of a face, frame by frame, from video.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (`sys.argv` if None) and return its exit code.

    0: all went well. 1: a video failed, or frames of it are missing; others may be fine; or there
    are not all folds to join; or a check found something; or there is nothing to extract. 2: an
    argument, or a file that all depends on, is unusable. 130: interrupted.
    """
    try:
        check_phasenet()
        with warnings_as_lines():
            code = app(args=arguments, prog_name="mimamo", standalone_mode=False) or OK
    except typer.TyperException as error:
        return fail(error.format_message(), UNUSABLE)
    except InputError as error:
        nothing = isinstance(error, NothingFoundError)
        return fail(str(error), FAILED if nothing else UNUSABLE)
    except OSError as error:  # such as a full disk
        return fail(str(error), FAILED)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return fail(OUT_OF_MEMORY, FAILED)
    if code == INTERRUPTED:  # where this function is called by another program
        print_line("mimamo: interrupted", error=True)
    return code


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, flag("--version", "Show the version and exit.")] = False,
) -> None:
    if version:
        from mimamo import __version__

        print_line(f"mimamo {__version__}")
        raise typer.Exit(OK)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UNUSABLE)


@with_options(Untold)
@with_options(Passes)
def predict(
    videos: Annotated[
        list[Path],
        argument(
            "Video files, folders of pictures (aligned faces, whole frames), or folders of these.",
            "VIDEO",
        ),
    ],
    weights: Weights,
    out: Annotated[Path, option("Folder for the results.", "DIR")],
    untold: Untold,
    passes: Passes,
    render: Annotated[
        bool, flag("--render", "Also write a video with the predictions drawn in.")
    ] = False,
    page: Annotated[
        bool, flag("--page", "Also write a page with the film and its curves, for a browser.")
    ] = False,
    no_plot: Annotated[bool, flag("--no-plot", "Do not write the plot.")] = False,
    device: Device = "auto",
    detector: DetectorFile = None,
    precision: Precision = "auto",
    search_every: SearchEvery = 1,
    features_every: Annotated[int, features_every_option()] = 1,
    faces: Faces = "main",
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="8 on a CPU, 32 on a GPU",
            help="Faces per pass; changes the result by rounding only.",
        ),
    ] = None,
    folders: Annotated[
        Literal["auto", "aligned", "frames"],
        typer.Option(help="What a folder's pictures are; auto takes them for what they look like."),
    ] = "auto",
    folder_fps: Annotated[
        float,
        typer.Option(min=0.1, max=1000, help="Frame rate of such folders."),
    ] = 30.0,
    thin: Annotated[
        float | None,
        option("Take at most R frames a second.", "R", min=0.1, max=1000),
    ] = None,
    depth: Annotated[
        int, typer.Option(min=1, metavar="N", help="Search folders N deep for videos.")
    ] = 1,
    overwrite: Overwrite = False,
) -> int:
    """Predict valence and arousal of every frame.

    Writes <name>.csv and <name>.png for each video; with --render <name>.mp4, with --page
    <name>.html.

    Prints frames per second, and the share of the time for which each stage was at work. Several
    processes share the videos: torchrun --nproc-per-node 4 -m mimamo predict ...
    """
    from mimamo.device import choose_device, slow_precision
    from mimamo.faces import YuNet
    from mimamo.predict import PredictSettings, predict_many
    from mimamo.predict.given_weights import load_checkpoints
    from mimamo.predict.smoothing import AUTO, reach_of, smooth_line
    from mimamo.shards import Shard, ending_together

    settings = PredictSettings(
        detector=None if detector is None else YuNet(detector),
        device=choose_device(device),
        precision=precision,
        batch_size=batch_size,
        search_every=search_every,
        features_every=features_every,
        **passes.given,
        folders=folders,
        folder_fps=folder_fps,
        thin=thin,
        depth=depth,
        faces=faces,
        plot=not no_plot,
        render=render,
        page=page,
        overwrite=overwrite,
    )
    if slow := slow_precision(precision, settings.device):
        warn(slow)
    checkpoints = load_checkpoints(weights, untold.given, warn)
    if settings.smooth == AUTO:
        say(smooth_line(reach_of(AUTO, [(own.path, own.info) for own in checkpoints])))
    shard = Shard.from_environment()
    with ending_together():
        with ProgressBar() as bar:
            results = predict_many(
                videos, checkpoints, out, settings,
                shard=shard, progress=bar.show, warn=warn, finish=_say_found,
            )  # fmt: skip
        return _account(results, shard)


def _account(results: list[VideoResult], shard: Shard) -> int:
    """Say how fast it was and what failed, and return the exit code."""
    from mimamo.predict.stage_times import speed_lines

    times = {result.outputs.table.stem: result.times for result in results if result.times}
    for line in speed_lines(times, shard.name):
        say(line)
    failures = [result.error for result in results if result.error is not None]
    for error in failures:
        fail(error, FAILED)
    return FAILED if failures else OK


def demo(
    out: Annotated[Path, option("Folder for all it makes.", "DIR")],
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Show the whole path on a rendered face: data, training, prediction. Takes minutes."""
    from mimamo.demo.run import run_demo

    with ProgressBar() as bar:
        run_demo(out, device=device, seed=seed, report=say, progress=bar.show)


def _say_found(result: VideoResult) -> None:
    if result.predictions is not None:
        seen = result.predictions.seen_frames
        frames = counted(result.predictions.frame_count, "frame")
        count = len(result.predictions.numbers)
        faces = f", {counted(count, 'face')}" if count > 1 else ""
        read_as = f" ({result.read_as})" if result.read_as else ""
        say(f"{result.outputs.table}: face found in {seen} of {frames}{faces}{read_as}")


_DATA, _MODELS = (data, extract, synth), (train, crossval, evaluate, submit, check)
for command in (predict, demo, live, magnify, *_DATA, *_MODELS):
    app.command()(command)
