from __future__ import annotations

import json

import pytest

from mimamo import InputError, MIMAMOConfig


def test_survives_json(tiny_config):
    assert MIMAMOConfig.from_dict(json.loads(json.dumps(tiny_config.to_dict()))) == tiny_config


def test_missing_settings_are_the_defaults():
    assert MIMAMOConfig.from_dict({"hidden": 64}) == MIMAMOConfig(hidden=64)
    assert MIMAMOConfig.from_dict({}) == MIMAMOConfig()


def test_unknown_settings_are_named():
    with pytest.raises(InputError, match="unknown depth, width; expected among channels"):
        MIMAMOConfig.from_dict({"width": 1, "hidden": 2, "depth": 3})


@pytest.mark.parametrize("settings", [None, [("hidden", 2)], "hidden"])
def test_only_mappings_are_settings(settings):
    with pytest.raises(InputError, match="expected a mapping"):
        MIMAMOConfig.from_dict(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", 0),
        ("hidden", 2.5),
        ("hidden", True),
        ("hidden", "256"),
        ("rnn_layers", None),
        ("head_dropout", 1.0),
        ("head_dropout", -0.1),
        ("head_dropout", float("nan")),
        ("head_dropout", "0.5"),
        ("channels", []),
        ("channels", [64, 0, 256]),
        ("channels", 64),
        ("nbands", 1),
        ("unwrap", "none"),
        ("unwrap", ["full"]),
        ("levels", [2]),
        ("levels", [1, 3]),
        ("levels", [2, 1]),
        ("levels", [1, 2, 3]),  # height 4 has two oriented levels
        ("phase_size", 50),
    ],
)
def test_bad_values_are_named(name, value):
    with pytest.raises(InputError, match=rf"config: {name}: expected .*, got "):
        MIMAMOConfig.from_dict({name: value})


def test_levels_are_bound_by_the_blocks():
    with pytest.raises(InputError, match="levels"):
        MIMAMOConfig(height=7, levels=(1, 2, 3), channels=(4, 4))
    assert MIMAMOConfig(height=7, levels=(1, 2, 3)).phase_channels == 24
