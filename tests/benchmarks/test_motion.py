"""The suite of motion: exact fields, what the weight promises on them, and the rows."""

from __future__ import annotations

import pytest
import torch

from benchmarks.moving_fields import FIELDS, KINDS, AnalyticPicture, grey_levels, translation
from benchmarks.suites import Settings
from benchmarks.suites.motion import FieldComparison, by_dis, from_coarse_to_fine
from phasenet import local_motion

SETTINGS = Settings(threads=1, quick=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_moves_as_the_field_says(kind):
    picture = AnalyticPicture(kind, (40, 48), seed=3)
    frames, motion = picture.pair(lambda y, x: (torch.full_like(x, 3), torch.full_like(y, -2)))
    torch.testing.assert_close(frames[0, 2:, :-3], frames[1, :-2, 3:])
    assert motion[:, 7, 9].tolist() == [3, -2]
    assert grey_levels(frames).double().std() == pytest.approx(255 * 0.12, rel=0.2)
    frames, motion = picture.pair(FIELDS["zoom by 5 %"])
    assert motion[0, 0].tolist() == pytest.approx([0.05 * (x - 23.5) for x in range(48)])
    middle = frames[:, 18:22, 22:26]
    assert float((middle[0] - middle[1]).abs().max()) < 0.1


@pytest.mark.parametrize(
    ("field", "least"),
    [
        ("translation of 1.5 px", 0.3), ("zoom by 1 %", 0.3), ("rotation by 0.02 rad", 0.2),
        ("sine of 0.3 px, period 60 px", 0.03),
    ],
)  # fmt: skip
def test_a_high_weight_promises_a_small_error(field, least):
    """Below 0.05 pixels for 95 % of the pixels with more than 0.9, borders too; nearer than DIS."""
    beside = FieldComparison(SETTINGS, field, (112, 120), seed=5)
    motion, weight = from_coarse_to_fine(beside.inputs, return_weight=True)
    trusted = weight > 0.9
    off = (motion - beside.truth).norm(dim=1)[trusted]
    assert float(off.quantile(0.95)) < 0.05
    assert float(trusted.double().mean()) > least
    assert beside.relative(motion) < beside.relative(by_dis(beside.inputs))


def test_a_high_weight_of_one_look_promises_a_small_error():
    """Of each picture by itself: once 0.2 pixels from aliasing, smoothing, edges and the prior."""
    fields = [*FIELDS, *(f"translation of {d:g} px" for d in (0.3, 1.0, 2.0))]
    trusted = {}
    for field in fields:
        motion_of = FIELDS.get(field) or translation(float(field.split()[2]))
        for kind in KINDS:
            frames, truth = AnalyticPicture(kind, (75, 90), seed=6).pair(motion_of)
            motion, weight = local_motion(grey_levels(frames), return_weight=True)
            off = (motion[0] - truth).norm(dim=0)[weight[0] > 0.9]
            trusted[kind, field] = len(off) / truth[0].numel()
            if len(off) > 20:
                assert float(off.quantile(0.95)) < 0.05, (kind, field)
    assert trusted["fractal", "translation of 0.1 px"] > 0.9
    assert trusted["crisp", "translation of 0.1 px"] > 0.3
    assert trusted["fractal", "translation of 0.5 px"] > 0.3
    assert max(trusted[kind, f"translation of {d} px"] for kind in KINDS for d in (2, 3, 8)) < 0.01


@pytest.mark.slow
def test_rows():
    rows = {row.id: row for row in FieldComparison(SETTINGS, "zoom by 1 %", (48, 56)).rows()}
    assert list(rows) == [
        f"motion/zoom-by-1/{peer}" for peer in ("dis", "farneback", "ilk", "tvl1", "one-look")
    ]
    for row in rows.values():
        assert row.ratio > 0
        assert 0 < row.ours.error < 1
        assert 0 < row.peer.error < 1
    assert "px off (root mean square)" in rows["motion/zoom-by-1/dis"].note
