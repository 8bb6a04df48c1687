"""An ONNX file as a backbone at work: its pictures, its output, and onnxruntime that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from mimamo.errors import OUT_OF_MEMORY, InputError, is_out_of_memory
from mimamo.model.config import MOST_WIDTH
from mimamo.model.onnx_file import expect_alone
from mimamo.progress import counted
from mimamo.settings import Settings, is_real, is_whole, shown

COLOURS = ("rgb", "bgr")
WHITES = (1, 255)
MOST_SIDE = 2048  # pixels
_MOST_PIXELS = 1 << 26  # of all the pictures that a file takes at a time
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True)
class OnnxSettings(Settings):
    """How an ONNX file is used as a backbone, which it does not tell.

    A face is resized to the input's size, and each of its channels becomes
    ``(pixel · white / 255 - mean) / std``.

    Args:
        mean, std: a number for each channel, in the order of `colours`; the default is that of most
            networks that were trained on ImageNet, such as torchvision's.
        white: what the brightest pixel is before that, 1 or 255.
        colours: order of the channels, "rgb" or "bgr".
        output: which of the outputs is taken; empty where there is one.

    Raises InputError for values that cannot be.
    """

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    white: int = 1
    colours: str = "rgb"
    output: str = ""

    def __post_init__(self) -> None:
        for name, lowest in (("mean", -1e6), ("std", 1e-6)):
            values = getattr(self, name)
            three = isinstance(values, tuple) and len(values) == 3
            if not three or not all(is_real(value, lowest, 1e6) for value in values):
                raise InputError(
                    f"onnx-{name}: expected three numbers from {lowest:g} to 1e6, got "
                    f"{shown(values)}"
                )
        for name, known in (("white", WHITES), ("colours", COLOURS)):
            value = getattr(self, name)
            if isinstance(value, bool) or value not in known:
                choice = " or ".join(map(str, known))
                raise InputError(f"onnx-{name}: expected {choice}, got {shown(value)}")
        if not isinstance(self.output, str):
            raise InputError(f"onnx-output: expected a name, got {shown(self.output)}")


class OnnxSession:
    """Aligned faces → features, computed by onnxruntime.

    It has as many threads as torch has where it is made, and may be called by several at once.

    Args:
        name: of the file, for messages.
        content: a model that names no other file (`mimamo.model.onnx_file.read_onnx`).
        use: how it is used.
        image_size: side of the pictures it is given, where the file does not fix it.
        device: where it runs; on a GPU only if this onnxruntime can.

    Attributes:
        image_size: side of the pictures.
        batch: how many the file takes at a time; None for any number.
        feature_dim: D.
        output: the name of the output that is taken.
        note: says that it runs on the CPU though the device is a GPU; else empty.

    Raises:
        InputError: onnxruntime is not installed or cannot run the file, or the file names another
            one, or does not take pictures or give a row of features for each.
    """

    def __init__(
        self,
        name: str,
        content: bytes,
        use: OnnxSettings,
        image_size: int,
        device: torch.device | str = "cpu",
    ) -> None:
        expect_alone(name, content)
        self.name, self._use = name, use
        self._session = _opened(name, content, torch.device(device))
        on_gpu = _CUDA in self._session.get_providers()
        self.note = ""
        if torch.device(device).type != "cpu" and not on_gpu:
            self.note = (
                f"{name}: runs on the CPU, because this onnxruntime has no {_CUDA}, as that of "
                "onnxruntime-gpu has"
            )
        self._read_input(image_size)
        self._choose_output()
        self.feature_dim = self._width()

    def preprocess(self, crops: Tensor) -> Tensor:
        """Bring faces to what the file takes.

        Args:
            crops: uint8 ``[N, H, W, 3]``, RGB.

        Returns:
            float32 ``[N, 3, S, S]``, S the `image_size`, on the CPU.

        Raises ValueError for another dtype or shape.
        """
        if crops.dtype != torch.uint8 or crops.ndim != 4 or crops.shape[3] != 3:
            raise ValueError(
                f"crops: expected uint8 [N, H, W, 3], got {crops.dtype} {list(crops.shape)}"
            )
        images = rearrange(crops.cpu(), "n h w c -> n c h w").float().contiguous()
        size = (self.image_size, self.image_size)
        images = F.interpolate(
            images, size=size, mode="bilinear", align_corners=False, antialias=True
        )
        if self._use.colours == "bgr":
            images = images.flip(1)
        mean, std = (
            torch.tensor(values, dtype=torch.float32).view(3, 1, 1)
            for values in (self._use.mean, self._use.std)
        )
        return (images * (self._use.white / 255) - mean) / std

    def __call__(self, images: Tensor) -> Tensor:
        """The features, float32 ``[N, D]`` on the CPU, of prepared faces ``[N, 3, S, S]``.

        Raises InputError if onnxruntime cannot run the file on them.
        """
        if not len(images):
            return torch.empty(0, self.feature_dim)
        step = self.batch or len(images)
        return torch.cat([self._run(images[at : at + step]) for at in range(0, len(images), step)])

    def _run(self, images: Tensor) -> Tensor:
        count = len(images)
        if self.batch is not None and count < self.batch:  # repeated faces fill it up
            images = images[torch.arange(self.batch) % count]
        values = images.numpy()
        if self._channels_last:
            values = values.transpose(0, 2, 3, 1)
        values = np.ascontiguousarray(values, self._type)
        try:
            (found,) = self._session.run([self.output], {self._input: values})
        except Exception as error:  # onnxruntime's have nothing in common
            raise _failed(self.name, "cannot be run", error) from error
        if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
            kind = getattr(found, "dtype", type(found).__name__)
            raise InputError(f"{self._gives}: expected numbers, got {kind}")
        wide = found.shape[1] if found.ndim > 1 else 0
        if found.shape[2:] not in ((), (1, 1)) or len(found) != len(values) or not wide:
            raise InputError(
                f"{self._gives}: expected [{len(values)}, D] of "
                f"{counted(len(values), 'face')}, got {list(found.shape)}"
            )
        return torch.from_numpy(found.reshape(len(found), wide)[:count].astype(np.float32))

    def _read_input(self, image_size: int) -> None:
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise InputError(
                f"{self.name}: expected one input, pictures, got {len(inputs)}: {_names(inputs)}"
            )
        (own,) = inputs
        self._input, shape = own.name, list(own.shape)
        where = f"{self.name}: input {shown(own.name)}"
        shown_shape = [side if isinstance(side, int) else "any" for side in shape]
        got = f"got {own.type.removeprefix('tensor')} {shown_shape}".replace("'", "")
        if own.type not in _TYPES or len(shape) != 4:
            raise InputError(f"{where}: expected real numbers [N, 3, H, W] or [N, H, W, 3], {got}")
        self._type = _TYPES[own.type]
        fixed = [side if is_whole(side, 1) else None for side in shape]
        self._channels_last = fixed[1] != 3 and fixed[3] == 3
        channels, *sides = (fixed[i] for i in ((3, 1, 2) if self._channels_last else (1, 2, 3)))
        if channels not in (3, None):
            raise InputError(f"{where}: expected 3 channels, {got}")
        known = {side for side in sides if side is not None} or {image_size}
        self.image_size = max(known)
        if len(known) > 1 or not is_whole(self.image_size, 1, MOST_SIDE):
            raise InputError(
                f"{where}: expected pictures as high as wide, of at most {MOST_SIDE} pixels, {got}"
            )
        self.batch = fixed[0]
        most = _MOST_PIXELS // self.image_size**2
        if self.batch is not None and self.batch > most:
            raise InputError(
                f"{where}: expected at most {counted(most, 'picture')} at a time, {got}"
            )

    @property
    def _gives(self) -> str:
        """The output, for messages."""
        return f"{self.name}: output {shown(self.output)}"

    def _choose_output(self) -> None:
        names = [output.name for output in self._session.get_outputs()]
        wanted = self._use.output or (names[0] if len(names) == 1 else "")
        if wanted not in names:
            asked = f"no output {shown(wanted)}" if wanted else counted(len(names), "output")
            raise InputError(
                f"{self.name}: has {asked}; --onnx-output says which of "
                f"{_names(self._session.get_outputs())}"
            )
        self.output = wanted

    def _width(self) -> int:
        """How many features a face has, of black ones."""
        count = self.batch or 2  # two show whether it takes any number
        width = self._run(torch.zeros(count, 3, self.image_size, self.image_size)).shape[1]
        if width > MOST_WIDTH:
            raise InputError(f"{self._gives}: expected at most {MOST_WIDTH} features, got {width}")
        return width


def _opened(name: str, content: bytes, device: torch.device) -> Any:
    """onnxruntime's session, which opens no file."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{name}: needs the package onnxruntime; install it by `pip install onnxruntime`"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what is wrong is raised
    # Threads that wait are not to keep others from the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    providers: list[Any] = [_CPU]
    if device.type == "cuda" and _CUDA in onnxruntime.get_available_providers():
        providers.insert(0, (_CUDA, {"device_id": device.index or 0}))
    try:
        return onnxruntime.InferenceSession(
            content, options, providers, enable_fallback=0, read_config_from_model=0
        )
    except Exception as error:  # onnxruntime's have nothing in common
        raise _failed(name, "expected an ONNX file that onnxruntime can run", error) from error


def _failed(name: str, what: str, error: Exception) -> Exception:
    if is_out_of_memory(error):
        return MemoryError(OUT_OF_MEMORY)
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return InputError(f"{name}: {what}: {reason}")


def _names(values: Any) -> str:
    return f"{', '.join(shown(value.name) for value in values):.200}"
