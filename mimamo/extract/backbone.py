"""What a cache is made with, as it was asked for, and the backbone that comes of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from mimamo.data.dataset import DatasetVideo
from mimamo.errors import InputError
from mimamo.extract.feature_files import FeatureFolders
from mimamo.faces import CenterFace, Detector, observe_faces
from mimamo.faces.batched_centerface import centerface
from mimamo.files import MOST_MODEL, file_hash
from mimamo.model.checkpoint import Extractor, FeatureSource, load_backbone
from mimamo.model.given_features import GivenFeatures
from mimamo.model.onnx_session import OnnxSettings
from mimamo.model.resnet50 import ResNet50
from mimamo.model.small_backbone import SmallBackbone
from mimamo.video import AlignedFolder, VideoReader

RANDOM, SMALL = "random", "small"


@dataclass(frozen=True)
class CacheSettings:
    """What features and small faces are computed with.

    Attributes:
        backbone: a file of weights, "random", "small", or a backbone; or folders of features.
        image_size: of the backbone's input, where its file does not say.
        seed: of random weights.
        phase_size: height and width of the small grey faces.
        device: where the backbone runs.
        dtype: in which it computes.
        detector: finds faces in videos; None for the default.
        onnx: how an ONNX file is used, which only such a backbone may have; None for the default.
    """

    backbone: str | Extractor | FeatureFolders
    image_size: int
    seed: int
    phase_size: int
    device: torch.device
    dtype: torch.dtype
    detector: Detector | None
    onnx: OnnxSettings | None = None

    @property
    def detector_name(self) -> str:
        """Which detector it is, and of a user's model which file."""
        if self.detector is None:
            return CenterFace.__name__
        name, model = type(self.detector).__name__, getattr(self.detector, "model", None)
        if model is None:
            return name
        return f"{name} {file_hash(model, MOST_MODEL)[:12]}"

    @property
    def given(self) -> str:
        """How a manifest calls the backbone that was asked for."""
        if self.backbone == RANDOM:
            return f"random, seed {self.seed}, {self.image_size} pixels"
        if isinstance(self.backbone, FeatureFolders):
            return ", ".join(map(str, self.backbone.folders))
        return self.backbone if isinstance(self.backbone, str) else "a model"


def choose_backbone(settings: CacheSettings, videos: Sequence[DatasetVideo]) -> FeatureSource:
    """Load or make the backbone; random weights are calibrated on faces of `videos`.

    Of folders of features it is what says which these are.
    """
    backbone, seed = settings.backbone, settings.seed
    is_file = isinstance(backbone, str) and backbone not in (RANDOM, SMALL)
    if settings.onnx is not None and not is_file:
        raise InputError("backbone: expected an ONNX file for what the options --onnx-… say")
    if backbone == RANDOM:
        model = ResNet50(image_size=settings.image_size, seed=seed).to(settings.device)
        generator = torch.Generator().manual_seed(seed)
        crops = sample_crops(videos, generator, settings.detector, settings.device)
        if len(crops) < 2:
            raise InputError(
                f"{videos[0].source.parent}: expected two faces or more for random weights, got one"
            )
        model.calibrate(crops)
        return model
    if backbone == SMALL:
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            return SmallBackbone(settings.phase_size)
    if isinstance(backbone, FeatureFolders):
        return backbone.describe(videos)
    if not isinstance(backbone, str):
        return backbone
    loaded = load_backbone(backbone, settings.image_size, settings.onnx)
    if isinstance(loaded, GivenFeatures):
        raise InputError(
            f"{backbone}: expected weights of a backbone, got a note on features of {loaded.label}"
        )
    return loaded


def sample_crops(
    videos: Sequence[DatasetVideo],
    generator: torch.Generator,
    detector: Detector | None = None,
    device: torch.device | str = "cpu",
    count: int = 256,
) -> Tensor:
    """Pick faces at random, in random order: uint8 ``[N, 112, 112, 3]``, RGB.

    N is `count`, or all faces if there are not so many. At most 32 of the videos are read; images
    that cannot be read are passed over.

    Raises InputError if no face can be read.
    """

    @functools.cache
    def found_by() -> Detector:  # once a film needs it
        return detector or centerface(device)

    some = torch.randperm(len(videos), generator=generator)[:32].tolist()
    picked: list[np.ndarray] = []
    # Reservoir sampling: every face has the same chance, and only `count` are ever held.
    for seen, crop in enumerate(chain.from_iterable(_crops(videos[i], found_by) for i in some)):
        place = int(torch.randint(seen + 1, (), generator=generator))
        if seen < count:
            picked.insert(place, crop)
        elif place < count:
            picked[place] = crop
    if not picked:
        raise InputError(f"{videos[0].source.parent}: expected faces that can be read, found none")
    return torch.from_numpy(np.stack(picked))


def _crops(video: DatasetVideo, detector: Callable[[], Detector]) -> Iterator[np.ndarray]:
    try:
        if not video.source.is_dir():
            reader = VideoReader(video.source)
            seen = observe_faces(reader, detector(), video.side or "main")
            crops = (face.crop for face in seen if face.crop is not None)
            yield from (torch.as_tensor(crop).cpu().numpy() for crop in crops)
            return
        folder = AlignedFolder(video.source, crop=video.crop)
    except InputError:
        return  # extraction reports it
    for number in folder.images:
        try:
            yield folder.read(number)
        except InputError:
            continue
