"""Flipped bits and zeroed pages, of every kind of file that is read.

Ours, and archives of PyTorch, have checksums: damage is named, or harms nothing. What others write
without (text, JPEG) may say something else then, but does nothing else. Cached videos and manifests
are in ``data/test_damage.py``, films in ``video/``.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from safetensors.torch import save_file
from support.damage import flipped, flips
from support.recipes import TINY

from mimamo import InputError
from mimamo.array_file import read_arrays
from mimamo.data import Problems
from mimamo.data.annotations import read_annotations, read_two
from mimamo.data.lists import Sample, read_names
from mimamo.evaluate.cross_validation import PREDICTIONS_KEY, read_predictions
from mimamo.model import MIMAMONet, SmallBackbone, load_weights, save_checkpoint
from mimamo.model.checkpoint import load_checkpoint
from mimamo.model.weights import read_weights
from mimamo.tensor_file import save_tensors
from mimamo.train import TrainingConfig
from mimamo.train.state import TrainingState, load_state, save_state
from mimamo.video.image import read_image

PAGE = 4096


class Kind(NamedTuple):
    """A kind of file: its name, what writes one, what reads it as something to compare, and whether
    nothing of it can change in silence."""

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    sealed: bool


def network() -> MIMAMONet:
    return MIMAMONet(TINY.network)


def numbers(tensors: dict[str, torch.Tensor]) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def write_state(path: Path) -> None:
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    sum(value.sum() for value in net.parameters()).backward()
    optimizer.step()
    save_state(path, net, optimizer, TrainingState())


def read_state(path: Path) -> object:
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    state = load_state(path, net, optimizer)
    momenta = [value["momentum_buffer"] for value in optimizer.state.values()]
    return state, numbers(net.state_dict()), [value.numpy().tobytes() for value in momenta]


def read_checkpoint(path: Path) -> object:
    checkpoint = load_checkpoint(path)
    return numbers(checkpoint.network.state_dict()), checkpoint.clip_length


def picture(format: str) -> Callable[[Path], object]:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return lambda path: Image.fromarray(pixels).save(path, format, exif=exif)


def write_annotations(path: Path) -> None:
    lines = (f"{x:.3f},{-x:.3f}" for x in np.linspace(-1, 1, 300))
    path.write_text("\n".join(["valence,arousal", *lines]))


ROWS = np.random.default_rng(0).normal(size=(50, 24)).astype(np.float32)


def read_features(path: Path) -> object:
    return {name: (x.dtype, x.shape, x.tobytes()) for name, x in read_arrays(path).items()}


KINDS = [
    Kind(
        "checkpoint.safetensors",
        lambda path: save_checkpoint(path, network(), SmallBackbone()),
        read_checkpoint,
        sealed=True,
    ),
    Kind("state.safetensors", write_state, read_state, sealed=True),
    Kind(
        "weights.pth",
        lambda path: torch.save(network().state_dict(), path),
        lambda path: numbers(read_weights(path).tensors),
        sealed=True,
    ),
    Kind("picture.png", picture("png"), lambda path: read_image(path).tobytes(), sealed=True),
    Kind("picture.jpg", picture("jpeg"), lambda path: read_image(path).tobytes(), sealed=False),
    Kind("picture.webp", picture("webp"), lambda path: read_image(path).tobytes(), sealed=False),
    Kind("picture.bmp", picture("bmp"), lambda path: read_image(path).tobytes(), sealed=False),
    Kind("features.npy", lambda path: np.save(path, ROWS), read_features, sealed=False),
    Kind(
        "features.npz",
        lambda path: np.savez_compressed(path, features=ROWS, frames=np.arange(1, 51)),
        read_features,
        sealed=False,
    ),
    Kind(
        "features.safetensors",
        lambda path: save_file({"features": torch.from_numpy(ROWS)}, path),
        read_features,
        sealed=False,
    ),
    Kind(
        "annotations.txt",
        write_annotations,
        lambda path: read_annotations(path).tobytes(),
        sealed=False,
    ),
    Kind(
        "valence.txt",
        lambda path: path.write_text("".join(f"{x:.3f}\n" for x in np.linspace(-1, 1, 300))),
        lambda path: read_two(path, path, Problems()).tobytes(),
        sealed=False,
    ),
    Kind(
        "test_set.txt",
        lambda path: path.write_text("".join(f"{n}-30-1920x1080_left\n" for n in range(150))),
        read_names,
        sealed=False,
    ),
    Kind(
        "sample.txt",
        lambda path: path.write_text(
            "image_location,valence,arousal\n"
            + "".join(f"{n % 3}/{n:05d}.jpg,0,0\n" for n in range(1, 200))
        ),
        lambda path: Sample(path).locations,
        sealed=False,
    ),
    Kind(
        "config.json",
        lambda path: network().save_pretrained(path.parent, SmallBackbone(), overwrite=True),
        lambda path: read_checkpoint(path.parent),
        sealed=False,
    ),
    Kind(
        "settings.toml",
        replace(TINY, fold="1/3").save,
        lambda path: TrainingConfig.load(path).to_dict(),
        sealed=False,
    ),
]


def damages(whole: bytes, count: int) -> list[bytes]:
    bits = [flipped(whole, place, bit) for place, bit in flips(len(whole), count)]
    pages = np.random.default_rng(len(whole)).permutation(range(0, len(whole), PAGE))[: count // 4]
    return bits + [whole[:at] + bytes(len(whole[at : at + PAGE])) + whole[at + PAGE :]
                   for at in pages.tolist()]  # fmt: skip


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_damage_is_named_or_harmless(kind: Kind, count: int, tmp_path: Path) -> None:
    path = tmp_path / kind.name
    kind.write(path)
    whole, expected = path.read_bytes(), kind.read(path)
    for damaged in damages(whole, count):
        path.write_bytes(damaged)
        try:
            found = kind.read(path)
        except InputError as error:
            message = str(error)
            # Settings that are another network's are told of the weights beside them.
            beside = message.startswith(f"{path.parent / 'model.safetensors'}: does not fit ")
            assert message.startswith(str(path)) or (beside and kind.name == "config.json"), message
            assert "\n" not in message
        else:
            assert found == expected or not kind.sealed


def write_predictions(path: Path) -> None:
    note = {"fold": "1/2", "identity": {}, "checkpoint": "5ha"}
    save_tensors(path, {"a": torch.ones(3, 2)}, PREDICTIONS_KEY, note)


@pytest.mark.parametrize(
    ("write", "read", "key"),
    [
        (write_state, read_state, "mimamo_training"),
        (write_predictions, read_predictions, "mimamo_held_out"),
        (KINDS[0].write, read_checkpoint, "mimamo"),
        (KINDS[0].write, lambda path: load_weights(network(), path), "mimamo"),
    ],
)
def test_a_checksum_cannot_be_hidden(
    write: Callable[[Path], object], read: Callable[[Path], object], key: str, tmp_path: Path
) -> None:
    """By damage to its name, or to that of the note it is in."""
    path = tmp_path / "a.safetensors"
    write(path)
    whole = path.read_bytes()
    for name in (b"crc32", key.encode()):
        first = whole.index(b'"' + name if name != b"crc32" else name)
        for place in range(first, first + len(name)):
            path.write_bytes(flipped(whole, place, 0))
            with pytest.raises(InputError, match=r"a\.safetensors: [^\n]*$"):
                read(path)
    path.write_bytes(whole)
    read(path)


def test_an_archive_cut_short_or_empty_is_named(tmp_path: Path) -> None:
    content = io.BytesIO()
    torch.save({"a": torch.ones(1000)}, content)
    path = tmp_path / "weights.pth"
    for length in (1, 100, len(content.getvalue()) - 1):
        path.write_bytes(content.getvalue()[:length])
        with pytest.raises(InputError, match=r"weights\.pth: expected a PyTorch file"):
            read_weights(path)
