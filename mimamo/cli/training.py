"""Commands that train: ``train`` and ``crossval``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mimamo.cli.common import (
    FAILED,
    OK,
    CacheFolder,
    Device,
    Overwrite,
    Written,
    computing_on,
    fail,
    flag,
    option,
    say,
    with_options,
)

if TYPE_CHECKING:
    from mimamo.train import TrainingConfig

Resident = Annotated[bool, flag("--resident", "Keep the training videos on the device.")]


@dataclass(frozen=True)
class Recipe:
    """Options that say how to train, in all commands that do."""

    config: Annotated[Path | None, option("Settings (TOML), such as an earlier run's.", "FILE")] = (
        None
    )
    recipe: Annotated[
        Literal["published", "strong"] | None,
        option(
            "Settings where no other option says any: the published code's, or usual ones today."
        ),
    ] = None
    streams: Annotated[
        Literal["spatial", "temporal", "both"] | None, option("What the network sees.")
    ] = None
    unwrap: Annotated[
        Literal["published", "full"] | None,
        option("How phases are unwrapped: as the published code does, or fully."),
    ] = None
    temporal: Annotated[
        Literal["gru", "tcn", "transformer"] | None,
        option("What follows the frames: the GRU, or convolutions or a transformer in its place."),
    ] = None
    clip_length: Annotated[
        int | None,
        option(
            "Frames of a clip, over which the GRU runs. A batch keeps its number of frames, and so "
            "the memory: 3 clips of 300 for 16 of 64."
        ),
    ] = None
    epochs: Annotated[int | None, option("Epochs, at most.")] = None
    lr: Annotated[float | None, option("Learning rate.")] = None
    batch_size: Annotated[int | None, option("Clips per step, in all processes together.")] = None
    optimizer: Annotated[Literal["sgd", "adamw"] | None, option("How a step is taken.")] = None
    schedule: Annotated[
        Literal["steps", "cosine"] | None,
        option("How the learning rate falls: after some epochs, or all along."),
    ] = None
    ema: Annotated[
        float | None,
        option("Decay of an average of the weights, which is validated and kept; 0 for none."),
    ] = None
    feature_dropout: Annotated[
        float | None,
        option("Probability that a spatial feature is left out of all frames of a clip."),
    ] = None
    pool: Annotated[
        int | None, option("Batches whose frames the loss is over: a step's and those before.")
    ] = None
    mixed_stride: Annotated[
        bool | None,
        typer.Option(
            "--mixed-stride/--no-mixed-stride",
            show_default=False,
            help="Whether clips begin elsewhere in each epoch, up to half a stride away.",
        ),
    ] = None
    seed: Annotated[int | None, option("Of all that is random.")] = None
    precision: Annotated[Literal["float32", "bfloat16"] | None, option("Of the networks.")] = None
    init: Annotated[
        str | None,
        option(
            "Weights to begin with, and their network's settings where no option says others: a "
            "run, checkpoint, hf:owner/name, or the authors' file.",
            "FILE",
        ),
    ] = None
    init_outputs: Annotated[
        str | None,
        option("valence,arousal or arousal,valence, where --init does not tell.", "A,B"),
    ] = None
    small_backbone: Annotated[
        bool, flag("--small-backbone", "Train a small backbone instead of using cached features.")
    ] = False
    finetune_backbone: Annotated[
        bool,
        flag(
            "--finetune-backbone",
            "Train the ResNet50 too; reads the images the cache was made from.",
        ),
    ] = False

    def settings(
        self, fold: str | None = None, base: TrainingConfig | None = None
    ) -> TrainingConfig:
        """The file's settings, or those of `base`, or the recipe's, with what is given."""
        from mimamo.train import TrainingConfig
        from mimamo.train.initial_weights import network_of

        settings = base or TrainingConfig()
        if self.config is not None and self.recipe is not None:
            raise typer.BadParameter(
                "--recipe and --config exclude each other; in a file it is called recipe"
            )
        if self.config is not None:
            settings = TrainingConfig.load(self.config)
        elif self.init is not None and base is None:
            settings = TrainingConfig(network=network_of(self.init, self.init_outputs or ""))
        if self.recipe is not None:
            settings = settings.with_recipe(self.recipe)
        if self.clip_length is not None:
            settings = settings.with_clips(self.clip_length)
        network = _chosen(
            streams=self.streams, unwrap=self.unwrap, temporal=self.temporal,
            feature_dropout=self.feature_dropout,
        )  # fmt: skip
        own = _chosen(
            epochs=self.epochs, learning_rate=self.lr, batch_size=self.batch_size, seed=self.seed,
            optimizer=self.optimizer, schedule=self.schedule, ema=self.ema, pool=self.pool,
            mixed_stride=self.mixed_stride, precision=self.precision, spatial=self._spatial(),
            fold=fold, init=self.init, init_outputs=self.init_outputs,
        )  # fmt: skip
        return replace(settings, network=replace(settings.network, **network), **own)

    def _spatial(self) -> str | None:
        if self.small_backbone and self.finetune_backbone:
            raise typer.BadParameter("--small-backbone and --finetune-backbone exclude each other")
        return "small" if self.small_backbone else "finetune" if self.finetune_backbone else None


@with_options(Recipe)
def train(
    cache: CacheFolder,
    out: Annotated[Path, option("Folder for the run.", "RUN")],
    recipe: Recipe,
    fold: Annotated[
        str | None, option("Validate on the i-th of k folds instead of on Validation_Set.", "I/K")
    ] = None,
    backbone: Annotated[
        Path | None, option("Weights the cache has to be from; checked.", "FILE")
    ] = None,
    resident: Resident = False,
    resume: Annotated[bool, flag("--resume", "Go on with the run in RUN, or begin it.")] = False,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Train on Train_Set and print CCC on Validation_Set after every epoch.

    What no option says is as in --config, or as in the run that is resumed, or else as in the
    published code. A run is resumed with its own settings; more --epochs extend it. Several
    processes share the batches: torchrun --nproc-per-node 2 -m mimamo train ...
    """
    from mimamo.train import train as run
    from mimamo.train.run_folder import saved_config

    settings = recipe.settings(fold, saved_config(out) if resume else None)
    nothing = recipe == Recipe() and fold is None
    with computing_on(device) as told:
        run(
            cache,
            out,
            config=None if resume and nothing else settings,
            backbone=backbone,
            resident=resident,
            overwrite=overwrite,
            resume=resume,
            **told,
        )


@with_options(Recipe)
@with_options(Written)
def crossval(
    cache: CacheFolder,
    out: Annotated[Path, option("Folder for all folds.", "DIR")],
    recipe: Recipe,
    written: Written,
    folds: Annotated[int, typer.Option(min=2, help="How many.")] = 5,
    fold: Annotated[
        list[int] | None, option("Train this fold only (may be repeated); the last job joins them.")
    ] = None,
    join: Annotated[bool, flag("--join", "Train nothing; join the folds that are there.")] = False,
    resident: Resident = False,
    device: Device = "auto",
) -> int:
    """Train every fold of the annotated videos; score each by the network that has not seen it.

    Train_Set and Validation_Set are merged and split by subject. Goes on where it was stopped, with
    the settings of the folds that are there where no option says others. What is scored is what
    `submit` would write with the same options.
    """
    from mimamo.data.folds import expect_folds
    from mimamo.evaluate import crossval as run
    from mimamo.evaluate import join as run_join
    from mimamo.train.run_folder import saved_config

    if join:
        joined = run_join(cache, out, folds, say, **written.given)
        return fail(f"{out}: cannot be joined: {joined.waiting}", FAILED) if joined.missing else OK
    expect_folds(folds)
    begun = (saved_config(out / f"fold-{number}") for number in range(1, folds + 1))
    base = next((config for config in begun if config is not None), None)
    with computing_on(device) as told:
        run(
            cache,
            out,
            folds=folds,
            only=fold or None,
            config=recipe.settings(base=base),
            **written.given,
            resident=resident,
            **told,
        )
    return OK


def _chosen(**values: Any) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in values.items() if value is not None}
