"""Commands that train: ``train`` and ``crossval``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mimamo.cli.common import CacheFolder, Device, Overwrite, ProgressBar, say

if TYPE_CHECKING:
    from mimamo.training import TrainingConfig

Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", show_default=False, help="Settings (TOML), such as an earlier run's."
    ),
]
Epochs = Annotated[int | None, typer.Option(show_default=False, help="Epochs, at most.")]
Rate = Annotated[float | None, typer.Option(show_default=False, help="Learning rate.")]
BatchSize = Annotated[
    int | None, typer.Option(show_default=False, help="Clips per step, in all processes together.")
]
Unwrap = Annotated[
    Literal["reference", "full"] | None,
    typer.Option(
        show_default=False,
        help="How phases are unwrapped: as the published code does, or fully.",
    ),
]
Streams = Annotated[
    Literal["spatial", "temporal", "both"] | None,
    typer.Option(show_default=False, help="What the network sees."),
]
Precision = Annotated[
    Literal["float32", "bfloat16"] | None,
    typer.Option(show_default=False, help="Of the networks."),
]
Small = Annotated[
    bool,
    typer.Option(
        "--small-backbone", help="Train a small backbone instead of using cached features."
    ),
]
Finetune = Annotated[
    bool,
    typer.Option(
        "--finetune-backbone",
        help="Train the ResNet50 too; reads the images the cache was made from.",
    ),
]
Seed = Annotated[int | None, typer.Option(show_default=False, help="Of all that is random.")]
Resident = Annotated[
    bool, typer.Option("--resident", help="Keep the training videos on the device.")
]


def register_training(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(train)
    app.command()(crossval)


def train(
    cache: CacheFolder,
    out: Annotated[
        Path, typer.Option(metavar="RUN", show_default=False, help="Folder for the run.")
    ],
    config: Config = None,
    fold: Annotated[
        str | None,
        typer.Option(
            metavar="I/K",
            show_default=False,
            help="Validate on the i-th of k folds instead of on Validation_Set.",
        ),
    ] = None,
    streams: Streams = None,
    unwrap: Unwrap = None,
    epochs: Epochs = None,
    lr: Rate = None,
    batch_size: BatchSize = None,
    seed: Seed = None,
    precision: Precision = None,
    small_backbone: Small = False,
    finetune_backbone: Finetune = False,
    backbone: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=False, help="Weights the cache has to be from; checked."
        ),
    ] = None,
    resident: Resident = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in RUN, or begin it.")
    ] = False,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Train on Train_Set and print CCC on Validation_Set after every epoch.

    What no option says is as in --config, or else as in the technical report. Several processes
    share the batches: torchrun --nproc-per-node 2 -m mimamo train ...
    """
    from mimamo.predict import choose_device
    from mimamo.training import train as run

    spatial = _spatial(small_backbone, finetune_backbone)
    given: dict[str, Any] = {
        "epochs": epochs, "learning_rate": lr, "batch_size": batch_size, "seed": seed,
        "precision": precision, "fold": fold, "spatial": spatial,
    }  # fmt: skip
    settings = settings_of(config, given, {"streams": streams, "unwrap": unwrap})
    nothing = config is None and not any(
        value is not None for value in (*given.values(), streams, unwrap)
    )
    with ProgressBar() as bar:
        run(
            cache,
            out,
            config=None if resume and nothing else settings,
            backbone=backbone,
            device=choose_device(device),
            resident=resident,
            overwrite=overwrite,
            resume=resume,
            report=say,
            progress=bar.show,
        )


def crossval(
    cache: CacheFolder,
    out: Annotated[
        Path, typer.Option(metavar="DIR", show_default=False, help="Folder for all folds.")
    ],
    folds: Annotated[int, typer.Option(min=2, help="How many.")] = 5,
    fold: Annotated[
        list[int] | None,
        typer.Option(
            show_default=False,
            help="Train this fold only (may be repeated); the last job joins them.",
        ),
    ] = None,
    join: Annotated[
        bool, typer.Option("--join", help="Train nothing; join the folds that are there.")
    ] = False,
    config: Config = None,
    streams: Streams = None,
    unwrap: Unwrap = None,
    epochs: Epochs = None,
    lr: Rate = None,
    batch_size: BatchSize = None,
    seed: Seed = None,
    precision: Precision = None,
    small_backbone: Small = False,
    finetune_backbone: Finetune = False,
    resident: Resident = False,
    device: Device = "auto",
) -> None:
    """Train every fold of the annotated videos, and score each video by who has not seen it.

    Train_Set and Validation_Set are merged and split by subject. Goes on where it was stopped.
    """
    from mimamo.evaluation import crossval as run
    from mimamo.evaluation import join as run_join
    from mimamo.predict import choose_device

    if join:
        run_join(cache, out, folds, say)
        return
    spatial = _spatial(small_backbone, finetune_backbone)
    given: dict[str, Any] = {
        "epochs": epochs, "learning_rate": lr, "batch_size": batch_size, "seed": seed,
        "precision": precision, "spatial": spatial,
    }  # fmt: skip
    with ProgressBar() as bar:
        run(
            cache,
            out,
            folds=folds,
            only=fold or None,
            config=settings_of(config, given, {"streams": streams, "unwrap": unwrap}),
            device=choose_device(device),
            resident=resident,
            report=say,
            progress=bar.show,
        )


def settings_of(
    config: Path | None, given: dict[str, Any], network: dict[str, Any]
) -> TrainingConfig:
    """The settings of a file, or the report's, with what the options give instead."""
    from mimamo.training import TrainingConfig

    settings = TrainingConfig() if config is None else TrainingConfig.load(config)
    own = {name: value for name, value in network.items() if value is not None}
    settings = replace(settings, network=replace(settings.network, **own))
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


def _spatial(small: bool, finetune: bool) -> str | None:
    if small and finetune:
        raise typer.BadParameter("--small-backbone and --finetune-backbone exclude each other")
    return "small" if small else "finetune" if finetune else None
