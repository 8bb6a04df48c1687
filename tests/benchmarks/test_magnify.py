"""The suite of magnified motion: its peers compute one thing."""

from __future__ import annotations

import pytest
import torch

from benchmarks.suites import Settings
from benchmarks.suites.magnify import (
    FilmShape,
    MagnifyComparison,
    Turned,
    by_convolution,
    by_shifted_sums,
)


def test_both_blurs_are_one():
    planes = torch.randn(2, 13, 9)
    torch.testing.assert_close(by_shifted_sums(planes), by_convolution(planes))
    frames = torch.randn(3, 2, 8, 11, dtype=torch.complex64)
    turned = [
        [turn(0, x) for x in frames] for turn in map(Turned, (by_convolution, by_shifted_sums))
    ]
    for one, other in zip(*turned, strict=True):
        torch.testing.assert_close(one, other)


def test_the_peers_are_named_by_what_they_do():
    beside = MagnifyComparison(Settings(threads=1, quick=True), FilmShape(24, 32, 2))
    peers = {name: (against, make) for name, against, make in beside.peers(1)}
    assert list(peers) == ["plenoptic", "plenoptic-sums", "by-hand"]
    assert "conv2d" in peers["plenoptic"][0]
    assert all("shifted sums" in peers[name][0] for name in ("plenoptic-sums", "by-hand"))
    pytest.importorskip("plenoptic")
    for _, make in peers.values():
        sides = make()
        assert sides["peer"].call().shape[-2:] == sides["ours"].call().shape[-2:] == (24, 32)
