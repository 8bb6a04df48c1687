"""Commands that look at data and make some: ``data``, ``extract`` and ``synth``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mimamo.cli.common import (
    FAILED,
    OK,
    DetectorFile,
    Device,
    Precision,
    ProgressBar,
    Seed,
    Videos,
    argument,
    computing_on,
    fail,
    flag,
    option,
    say,
    with_options,
)
from mimamo.errors import InputError
from mimamo.settings import shown

if TYPE_CHECKING:
    from mimamo.model.onnx_session import OnnxSettings


@dataclass(frozen=True)
class Where:
    """Where things are in an archive that `mimamo` cannot tell by itself."""

    annotations: Annotated[
        Path | None, option("Folder of the annotations, searched with its folders.", "DIR")
    ] = None
    faces: Annotated[
        list[Path] | None,
        option("Folder of the faces, searched with its folders (may be repeated).", "DIR"),
    ] = None
    videos: Videos = None
    names: Annotated[
        Path | None,
        option("The test set: one name a line, or a sample of a submission.", "FILE"),
    ] = None
    crop: Annotated[
        Literal["centre", "refuse"],
        typer.Option(help="Of faces that are not square take the middle, or refuse them."),
    ] = "centre"


Archives = Annotated[
    list[Path],
    argument("Folders of Aff-Wild2 or Aff-Wild as unpacked, or one of OMG-Emotion.", "ARCHIVE"),
]


@with_options(Where)
def data(archives: Archives, where: Where) -> int:
    """Say what is in an archive: editions, sets, and how many videos have faces, films, labels.

    Reads no pictures, so it takes seconds. Returns 1 if nothing in it can be used.
    """
    from mimamo.data.overview import overview
    from mimamo.extract import open_dataset

    dataset = open_dataset(archives, **asdict(where))
    for line in overview(dataset):
        say(line)
    try:
        dataset.videos()
    finally:
        for line in (*dataset.remarks, *(unused.line for unused in dataset.unused)):
            say(line)
    return OK


@dataclass(frozen=True)
class OnnxOptions:
    """What an ONNX backbone takes and gives, and its file does not tell."""

    onnx_mean: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C",
            show_default="0.485,0.456,0.406",
            help="Of an ONNX file: is subtracted from its channels, whose white is --onnx-white.",
        ),
    ] = None
    onnx_std: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C",
            show_default="0.229,0.224,0.225",
            help="Of an ONNX file: what its channels are then divided by.",
        ),
    ] = None
    onnx_white: Annotated[
        Literal["1", "255"] | None,
        typer.Option(
            show_default="1", help="Of an ONNX file: its brightest pixel, before --onnx-mean."
        ),
    ] = None
    onnx_colours: Annotated[
        Literal["rgb", "bgr"] | None,
        typer.Option(show_default="rgb", help="Of an ONNX file: the order of its channels."),
    ] = None
    onnx_output: Annotated[
        str | None, option("Of an ONNX file with several outputs: which one is taken.", "NAME")
    ] = None

    @property
    def given(self) -> OnnxSettings | None:
        """As the functions take it; None where nothing is said."""
        from mimamo.model.onnx_session import OnnxSettings

        said: dict[str, Any] = {
            name.removeprefix("onnx_"): value
            for name, value in asdict(self).items()
            if value is not None
        }
        for name in ("mean", "std"):
            if name in said:
                said[name] = _numbers(f"onnx-{name}", said[name])
        if "white" in said:
            said["white"] = int(said["white"])
        return OnnxSettings(**said) if said else None


_AS_USUAL = OnnxOptions()


def _numbers(name: str, text: str) -> tuple[float, ...]:
    """Those of an option, with commas between them. Raises InputError if there are others."""
    try:
        return tuple(map(float, text.split(",")))
    except ValueError as error:
        raise InputError(
            f"{name}: expected numbers such as 0.5,0.5,0.5, got {shown(text)}"
        ) from error


@with_options(Where)
@with_options(OnnxOptions)
def extract(
    archives: Archives,
    out: Annotated[Path, option("Folder of the cache.", "CACHE")],
    where: Where,
    backbone: Annotated[
        str | None,
        option(
            "ResNet50 weights (FER+, VGGFace2 or torchvision), an ONNX file, 'random', or 'small' "
            "for a small backbone that is trained later.",
            "FILE",
        ),
    ] = None,
    features: Annotated[
        list[Path] | None,
        option(
            "In its place, folder of features by video or frame, .npy, .npz or .safetensors (may "
            "be repeated: side by side).",
            "DIR",
        ),
    ] = None,
    subset: Annotated[
        list[str] | None,
        option("Only Train_Set, Validation_Set or Test_Set (may be repeated).", "NAME"),
    ] = None,
    strict: Annotated[
        bool, flag("--strict", "End at the first thing that is wrong with the data.")
    ] = False,
    image_size: Annotated[
        int, typer.Option(min=1, help="Side of the backbone's input, where its file says none.")
    ] = 224,
    pictures: OnnxOptions = _AS_USUAL,
    precision: Precision = "float32",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, show_default="8 on a CPU, 32 on a GPU", help="Faces per pass."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random weights.")] = 0,
    detector: DetectorFile = None,
    device: Device = "auto",
) -> int:
    """Compute the features and grey faces of a data set once, into a packed cache.

    Says first what it found. Goes on where it was stopped. Returns 1 if nothing was extracted.
    Several processes share the videos: torchrun --nproc-per-node 4 -m mimamo extract ...
    """
    from mimamo.extract import extract as run
    from mimamo.faces import YuNet

    with computing_on(device) as told:
        result = run(
            archives,
            out,
            **asdict(where),
            backbone=backbone,
            features=features or None,
            image_size=image_size,
            onnx=pictures.given,
            subsets=subset or None,
            seed=seed,
            strict=strict,
            precision=precision,
            batch_size=batch_size,
            detector=None if detector is None else YuNet(detector),
            **told,
        )
    if result.skipped and not result.made + result.kept:
        return fail(f"{out}: nothing was extracted", FAILED)
    return OK


def synth(
    out: Annotated[Path, option("Folder of the data set.", "DATA")],
    identities: Annotated[int, typer.Option(min=3, help="How many different faces.")] = 12,
    takes: Annotated[int, typer.Option(min=1, help="Videos of each.")] = 6,
    frames: Annotated[int, typer.Option(min=16, help="Of each video, at 30 a second.")] = 192,
    seed: Seed = 0,
    edition: Annotated[
        Literal["2017", "2020", "2021", "2022", "2023", "2024", "2025"] | None,
        option(
            "In the layout of that year's competition, with films and the test set's list; 2017: "
            "of the first Aff-Wild, films of a photograph, as many as --identities times --takes."
        ),
    ] = None,
) -> None:
    """Render faces in the layout of Aff-Wild2 that teach what each stream is for.

    Valence shows in every still, arousal only in motion; light and other motion distract.
    """
    from mimamo.demo.synth.ablation_set import write_ablation_set
    from mimamo.demo.synth.first_edition import YEAR, write_first_edition

    with ProgressBar() as bar:

        def progress(done: int, total: int) -> None:
            bar.show("rendering videos", done, total)

        if edition == str(YEAR):
            films = identities * takes
            lines = write_first_edition(
                out, films=films, frames=frames, seed=seed, progress=progress
            )
        else:
            lines = write_ablation_set(
                out,
                identities=identities,
                takes=takes,
                frames=frames,
                seed=seed,
                edition=None if edition is None else int(edition),
                progress=progress,
            )
    for line in lines:
        say(line)
