"""An ONNX file as the backbone that features are from, as caches, runs and checkpoints hold it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mimamo.errors import InputError
from mimamo.files import MOST_WEIGHTS
from mimamo.model.config import MOST_WIDTH
from mimamo.model.onnx_file import OnnxFile
from mimamo.model.onnx_session import MOST_SIDE, OnnxSession, OnnxSettings
from mimamo.progress import counted
from mimamo.settings import is_whole, shown

KIND = "onnx"


class OnnxBackbone(nn.Module):
    """Holds an ONNX file and how it is used; `opened` computes with it. It is never trained.

    Its tensors are the file's bytes, and as text what is said of it, so that a hash tells two
    apart as it does weights.

    Args:
        file: its name, for messages.
        size: its bytes.
        sha256: of these, hexadecimal.
        feature_dim: how many features a face has.
        image_size: side of the pictures it takes.
        kind: "onnx"; there is no other, but a checkpoint says so.
        use: what `OnnxSettings` has.

    Raises InputError for values that cannot be.
    """

    def __init__(
        self,
        file: str,
        size: int,
        sha256: str,
        feature_dim: int,
        image_size: int,
        kind: str = KIND,
        **use: Any,
    ) -> None:
        super().__init__()
        if kind != KIND:
            raise InputError(f"kind: expected {KIND!r}, got {shown(kind)}")
        if not isinstance(file, str) or not file.isprintable():
            raise InputError(f"file: expected a name, got {shown(file)}")
        if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
            raise InputError(f"sha256: expected 64 digits, got {shown(sha256)}")
        for name, number, most in (
            ("size", size, MOST_WEIGHTS),
            ("feature_dim", feature_dim, MOST_WIDTH),
            ("image_size", image_size, MOST_SIDE),
        ):
            if not is_whole(number, 1, most):
                raise InputError(f"{name}: expected 1 to {most}, got {shown(number)}")
        self.file, self.size, self.sha256 = file, size, sha256
        self.feature_dim, self.image_size = feature_dim, image_size
        self.use = OnnxSettings.from_dict(use)
        self.identity, self.model = nn.Module(), nn.Module()
        text = json.dumps(self.settings, sort_keys=True).encode()
        self.identity.register_buffer("text", torch.tensor(list(text), dtype=torch.uint8))
        self.model.register_buffer("content", torch.zeros(size, dtype=torch.uint8))

    @classmethod
    def of(cls, file: OnnxFile, image_size: int, use: OnnxSettings) -> OnnxBackbone:
        """The backbone that a file is, after a look at what it takes and gives.

        `image_size` is that of its pictures where it does not say. Raises InputError as
        `OnnxSession`, naming the file.
        """
        session = OnnxSession(str(file.path), file.content, use, image_size)
        backbone = cls(
            file="".join(x if x.isprintable() else "?" for x in file.path.name),
            size=len(file.content),
            sha256=file.sha256,
            feature_dim=session.feature_dim,
            image_size=session.image_size,
            **use.to_dict() | {"output": session.output},
        )
        content = torch.frombuffer(bytearray(file.content), dtype=torch.uint8)
        backbone.model.register_buffer("content", content)
        return backbone.eval()

    @property
    def settings(self) -> dict[str, Any]:
        """What a checkpoint has to say of it."""
        own = {name: getattr(self, name) for name in ("file", "size", "sha256")}
        dims = {"feature_dim": self.feature_dim, "image_size": self.image_size}
        return {"kind": KIND, **own, **dims, **self.use.to_dict()}

    @property
    def label(self) -> str:
        """How messages tell it from others."""
        return f"{self.file} (SHA-256 {self.sha256[:12]}…)"

    @property
    def summary(self) -> str:
        """What it takes and gives, in a line."""
        mean, std = (" ".join(f"{x:g}" for x in values) for values in (self.use.mean, self.use.std))
        return (
            f"{self.label}: pictures of {self.image_size} pixels, {self.use.colours} from 0 to "
            f"{self.use.white}, less {mean}, over {std}; its output {shown(self.use.output)} has "
            f"{counted(self.feature_dim, 'feature')}"
        )

    def opened(self, device: torch.device | str = "cpu") -> OnnxSession:
        """What computes the features on a device.

        Raises InputError as `OnnxSession`, or if it does not give what was said of it.
        """
        content = self.get_buffer("model.content").cpu().numpy().tobytes()
        if OnnxFile(Path(self.file), content).sha256 != self.sha256:
            raise InputError(f"{self.label}: expected a file of this sum, got another one")
        session = OnnxSession(self.file, content, self.use, self.image_size, device)
        found = session.image_size, session.feature_dim
        if found != (self.image_size, self.feature_dim):
            raise InputError(
                f"{self.file}: expected {counted(self.feature_dim, 'feature')} of pictures of "
                f"{self.image_size} pixels, got {found[1]} of {found[0]}"
            )
        return session

    def expect_same(self, file: OnnxFile) -> None:
        """InputError if this is not of that file."""
        if file.sha256 != self.sha256:
            raise InputError(
                f"{file.path}: expected {self.label}, got another file, SHA-256 {file.sha256[:12]}…"
            )
