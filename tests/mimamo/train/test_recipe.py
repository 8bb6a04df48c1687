"""The recipe: its defaults, its checks, and its file."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from mimamo import InputError, MIMAMOConfig
from mimamo.train import TrainingConfig
from mimamo.train.recipe import FEATURE_DROPOUT, STRONG

# Every setting, with a value that is not its default.
OTHER = {
    "epochs": 3,
    "patience": 2,
    "seed": 7,
    "clip_length": 16,
    "stride": 8,
    "batch_size": 4,
    "mixed_stride": True,
    "pool": 3,
    "optimizer": "adamw",
    "learning_rate": 0.5,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "clip_gradient": 2.0,
    "schedule": "cosine",
    "warmup": 0.5,
    "milestones": (),
    "decay": 0.5,
    "ema": 0.99,
    "flip": 0.0,
    "crop": 1.0,
    "spatial": "small",
    "backbone_rate": 0.5,
    "precision": "bfloat16",
    "fold": "2/5",
    "init": "run",
    "init_outputs": "arousal,valence",
    "network": MIMAMOConfig(unwrap="full", hidden=32),
}


class TestRecipe:
    def test_the_defaults_are_the_published_codes(self) -> None:
        config = TrainingConfig()
        assert (config.clip_length, config.stride, config.batch_size) == (64, 32, 16)
        assert (config.learning_rate, config.momentum, config.weight_decay) == (1e-3, 0.9, 5e-4)
        assert (config.milestones, config.decay) == ((10, 20), 0.1)
        assert (config.epochs, config.patience) == (25, 5)
        assert (config.flip, config.crop) == (0.5, 0.85)
        assert config.network == MIMAMOConfig()

    def test_every_setting_can_be_set(self) -> None:
        assert set(OTHER) == {field.name for field in fields(TrainingConfig)}
        config = TrainingConfig(**OTHER)
        for name, value in OTHER.items():
            assert getattr(config, name) == value != getattr(TrainingConfig(), name)


class TestFile:
    @pytest.mark.parametrize("config", [TrainingConfig(), TrainingConfig(**OTHER)])
    def test_what_was_saved_is_loaded(self, config: TrainingConfig, tmp_path: Path) -> None:
        config.save(tmp_path / "config.toml")
        assert TrainingConfig.load(tmp_path / "config.toml") == config

    def test_what_is_not_in_the_file_is_default(self, tmp_path: Path) -> None:
        path = tmp_path / "config.toml"
        path.write_text('epochs = 2\nlearning_rate = 1\n[network]\nunwrap = "full"\n')
        expected = TrainingConfig(
            epochs=2, learning_rate=1, network=replace(MIMAMOConfig(), unwrap="full")
        )
        assert TrainingConfig.load(path) == expected

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"epochs = 0", "config: epochs: expected a whole number from 1 to 1000000, got 0"),
            (
                b"epoch = 5",
                "config: unknown epoch; expected among backbone_rate, batch_size, clip_gradient",
            ),
            (b"network = 5", "config: expected a mapping"),
            (b"[network]\nunwrap = 'half'", "config: unwrap: expected"),
            (b"epochs: 5", "expected TOML, got something else"),
            (b"\xff\xfe\x00", "expected TOML, got something else"),
        ],
    )
    def test_a_bad_file_is_named(self, tmp_path: Path, content: bytes, message: str) -> None:
        path = tmp_path / "config.toml"
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            TrainingConfig.load(path)
        assert str(error.value).startswith(f"{path}: {message}")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file"):
            TrainingConfig.load(tmp_path / "none.toml")


class TestStrong:
    def test_it_sets_all_its_parts_and_nothing_else(self) -> None:
        published, own = TrainingConfig(seed=5, fold="1/5"), TrainingConfig(seed=5, fold="1/5")
        strong = own.with_recipe("strong")
        assert {name: getattr(strong, name) for name in STRONG} == STRONG
        assert replace(
            strong, network=own.network,
            **{name: getattr(published, name) for name in STRONG},
        ) == published  # fmt: skip
        assert strong.network == replace(own.network, feature_dropout=FEATURE_DROPOUT)
        assert strong.with_recipe("published") == published
        match = "^config: recipe: expected 'published', 'strong', got 'best'"
        for call in (own.with_recipe, lambda name: TrainingConfig.from_dict({"recipe": name})):
            with pytest.raises(InputError, match=match):
                call("best")

    def test_its_name_cannot_be_set_alone(self) -> None:
        with pytest.raises(TypeError, match="recipe"):
            TrainingConfig(recipe="strong")
        with pytest.raises(TypeError, match="recipe"):
            replace(TrainingConfig(), recipe="strong")

    def test_its_name_is_that_of_most_of_its_settings(self) -> None:
        published, strong = TrainingConfig(), TrainingConfig().with_recipe("strong")
        others = {"epochs": 3, "learning_rate": 0.5, "network": MIMAMOConfig(temporal="tcn")}
        for config in (published, replace(published, patience=25, optimizer="adamw", **others)):
            assert config.recipe == config.to_dict()["recipe"] == "published"
        for config in (strong, replace(strong, ema=0.0, pool=1, mixed_stride=False, **others)):
            assert config.recipe == config.to_dict()["recipe"] == "strong"
        assert list(published.to_dict())[:2] == ["recipe", "epochs"]

    def test_a_file_may_name_it_and_leave_parts_out(self, tmp_path: Path) -> None:
        path = tmp_path / "config.toml"
        path.write_text('recipe = "strong"\nema = 0.0\n[network]\nhidden = 64\n')
        strong = TrainingConfig().with_recipe("strong")
        expected = replace(strong, ema=0.0, network=replace(strong.network, hidden=64))
        assert TrainingConfig.load(path) == expected
        expected.save(path)
        assert TrainingConfig.load(path) == expected

    def test_what_was_stored_before_there_was_another_is_the_published_one(self) -> None:
        old = TrainingConfig(epochs=3).to_dict()
        for name in (
            "recipe", "mixed_stride", "pool", "optimizer", "clip_gradient", "schedule", "warmup",
            "ema",
        ):  # fmt: skip
            del old[name]
        del old["network"]["feature_dropout"], old["network"]["temporal"]
        assert TrainingConfig.from_dict(old) == TrainingConfig(epochs=3)


class TestLongerClips:
    def test_a_batch_keeps_its_frames_and_clips_their_overlap(self) -> None:
        longer = TrainingConfig(seed=3).with_clips(300)
        assert longer == TrainingConfig(clip_length=300, stride=150, batch_size=3, seed=3)
        assert longer.with_clips(300) == longer
        assert TrainingConfig().with_clips(64) == TrainingConfig()

    @pytest.mark.parametrize("length", [2, 3, 100_000])
    def test_there_is_always_a_clip_and_a_frame(self, length: int) -> None:
        config = TrainingConfig(stride=1).with_clips(length)
        assert min(config.batch_size, config.stride) >= 1

    @pytest.mark.parametrize("length", [1, 0, -3, 10**9, 2.5, "64"])
    def test_an_impossible_length_is_named(self, length: object) -> None:
        with pytest.raises(InputError, match=r"^config: clip_length: expected a whole number"):
            TrainingConfig().with_clips(length)


class TestChecks:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("epochs", 0),
            ("epochs", 2.0),
            ("epochs", True),
            ("patience", 0),
            ("clip_length", 1),
            ("seed", -1),
            ("batch_size", "16"),
            ("stride", 65),
            ("learning_rate", 0),
            ("learning_rate", True),
            ("learning_rate", float("nan")),
            ("learning_rate", float("inf")),
            ("momentum", 1.5),
            ("weight_decay", -1e-4),
            ("milestones", (0,)),
            ("milestones", 10),
            ("decay", 0),
            ("flip", 1.1),
            ("crop", 0),
            ("crop", 1.01),
            ("spatial", "large"),
            ("backbone_rate", 0),
            ("precision", "float16"),
            ("fold", "6/5"),
            ("fold", 1),
            ("optimizer", "adam"),
            ("schedule", None),
            ("warmup", -1),
            ("warmup", float("nan")),
            ("clip_gradient", -0.1),
            ("ema", 1),
            ("pool", 0),
            ("mixed_stride", 1),
            ("network", {}),
        ],
    )
    def test_an_impossible_value_is_named(self, name: str, value: object) -> None:
        with pytest.raises(InputError, match=rf"^config: {name}: expected .*, got "):
            TrainingConfig(**{name: value})
