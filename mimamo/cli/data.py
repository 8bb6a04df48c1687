"""Commands that make data: ``extract`` and ``synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mimamo.cli.common import (
    DetectorFile,
    Device,
    Precision,
    ProgressBar,
    Seed,
    Videos,
    argument,
    flag,
    option,
    say,
)


def extract(
    data: Annotated[
        Path, argument("A data set in the layout of Aff-Wild2 or OMG-Emotion.", "DATA")
    ],
    out: Annotated[Path, option("Folder of the cache.", "CACHE")],
    backbone: Annotated[
        str,
        option(
            "ResNet50 weights (FER+, VGGFace2 or torchvision), 'random', or 'small' for a "
            "small backbone that is trained later.",
            "FILE",
        ),
    ],
    videos: Videos = None,
    subset: Annotated[
        list[str] | None,
        option("Only Train_Set, Validation_Set or Test_Set (may be repeated).", "NAME"),
    ] = None,
    strict: Annotated[
        bool, flag("--strict", "End at the first thing that is wrong with the data.")
    ] = False,
    image_size: Annotated[
        int, typer.Option(min=1, help="Side of the ResNet50's input, where its file says none.")
    ] = 224,
    precision: Precision = "float32",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, show_default="8 on a CPU, 32 on a GPU", help="Faces per pass."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random weights.")] = 0,
    detector: DetectorFile = None,
    device: Device = "auto",
) -> None:
    """Compute the features and grey faces of a data set once, into a packed cache.

    Goes on where it was stopped. Several processes share the videos:
    torchrun --nproc-per-node 4 -m mimamo extract ...
    """
    from mimamo.device import choose_device
    from mimamo.extract import extract as run
    from mimamo.faces import YuNet

    with ProgressBar() as bar:
        run(
            data,
            out,
            backbone=backbone,
            image_size=image_size,
            videos=videos,
            subsets=subset or None,
            seed=seed,
            strict=strict,
            device=choose_device(device),
            precision=precision,
            batch_size=batch_size,
            detector=None if detector is None else YuNet(detector),
            report=say,
            progress=bar.show,
        )


def synth(
    out: Annotated[Path, option("Folder of the data set.", "DATA")],
    identities: Annotated[int, typer.Option(min=3, help="How many different faces.")] = 12,
    takes: Annotated[int, typer.Option(min=1, help="Videos of each.")] = 6,
    frames: Annotated[int, typer.Option(min=16, help="Of each video, at 30 a second.")] = 192,
    seed: Seed = 0,
) -> None:
    """Render faces in the layout of Aff-Wild2 that teach what each stream is for.

    Valence shows in every still, arousal only in motion; light and other motion distract.
    """
    from mimamo.demo.synth.ablation_set import write_ablation_set

    with ProgressBar() as bar:
        lines = write_ablation_set(
            out,
            identities=identities,
            takes=takes,
            frames=frames,
            seed=seed,
            progress=lambda done, total: bar.show("rendering videos", done, total),
        )
    for line in lines:
        say(line)
