"""One or several trained networks that predict the videos of a cache together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mimamo.data.cache import Cache
from mimamo.data.cached_video import CachedVideo
from mimamo.data.clips import VideoSequence
from mimamo.errors import InputError
from mimamo.evaluate.rules import spread_in
from mimamo.model.checkpoint import Backbone, Checkpoint, weights_hash
from mimamo.model.config import STREAMS
from mimamo.model.given_features import GivenFeatures
from mimamo.model.network import MIMAMONet
from mimamo.model.onnx_backbone import OnnxBackbone
from mimamo.model.resnet50 import ResNet50
from mimamo.model.small_backbone import SmallBackbone
from mimamo.predict.clips import OVERLAPPING, Cut, predict_sequence
from mimamo.predict.given_weights import Foreign, fold_of, load_checkpoints
from mimamo.predict.networks import averaged, checked_cut
from mimamo.progress import Progress, Report, silent
from mimamo.settings import shown
from mimamo.train.recipe import TrainingConfig
from mimamo.train.trained_model import FaceImages, TrainedModel, video_features

_FACES = 32  # of each video, whose mean features a blind stream sees


@dataclass(frozen=True, eq=False)
class EnsembleMember:
    """One network of an ensemble.

    Attributes:
        path: its checkpoint.
        network: in evaluation mode.
        backbone: that was trained with it; None where the cache holds its features.
        clip_length: frames of its clips.
        fold: "i/k" where it was trained on the others of k folds, else "".
        info: what its checkpoint notes.
    """

    path: Path
    network: MIMAMONet
    backbone: Backbone | None
    clip_length: int
    fold: str
    info: dict[str, Any]


class Ensemble:
    """Networks whose predictions are averaged.

    Args:
        paths: checkpoints, folders of runs (their best epoch), or folders of cross-validations (all
            folds); see `mimamo.load_checkpoints`.
        cache: what they are to predict.
        device: where they run.
        streams: "spatial" or "temporal" blinds the other stream of networks that have both: it
            sees the mean of the cache's features (of up to 32 faces a video), or a face that does
            not move. "both" leaves them as they are.
        report: called with each warning.
        cut: over which frames the GRU runs.
        foreign: what weights by others do not tell.

    Raises:
        InputError: there is no checkpoint, one cannot be read or lacks the stream, the cache is
            from another backbone's weights, or the stride is longer than a network's clips.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        cache: Cache,
        device: torch.device | str = "cpu",
        streams: str = "both",
        report: Report = silent,
        cut: Cut = OVERLAPPING,
        foreign: Foreign | None = None,
    ) -> None:
        if streams not in STREAMS:
            raise InputError(f"streams: expected {', '.join(STREAMS)}, got {streams!r}")
        self.cache, self.streams, self.cut = cache, streams, cut
        checkpoints = load_checkpoints(paths, foreign, lambda line: report(f"warning: {line}"))
        checked_cut(cut, checkpoints)
        # Of several, backbones that are alike are one object: each is hashed once.
        hashes = {id(own.backbone): weights_hash(own.backbone) for own in checkpoints}
        member = partial(_member, cache=cache, device=torch.device(device), streams=streams)
        self.members = [member(own, hashes[id(own.backbone)]) for own in checkpoints]
        self._means: dict[Path, Tensor] = {}

    @property
    def notes(self) -> list[tuple[Path, dict[str, Any]]]:
        """Each member's checkpoint, and what it notes."""
        return [(member.path, member.info) for member in self.members]

    @property
    def trained_on(self) -> set[str]:
        """Names of the videos that any member was trained on."""
        return {name for member in self.members for name in member.info.get("trained_on", [])}

    def predict(
        self,
        videos: Sequence[CachedVideo],
        members: Sequence[EnsembleMember] | None = None,
        progress: Progress = silent,
    ) -> dict[str, np.ndarray]:
        """Predict all faces of some videos: float32 ``[T, 2]`` by name.

        Raises InputError if a prediction is not finite, or a ResNet50 that was trained needs
        images that are no longer there.
        """
        members = self.members if members is None else members
        images = self._images(members, videos)
        values: dict[str, np.ndarray] = {}
        for done, video in enumerate(videos, start=1):
            predictions = [self._predict(member, video.sequence, images) for member in members]
            mean = averaged([member.network for member in members], predictions)
            values[video.name] = mean.astype(np.float32)
            if not np.isfinite(values[video.name]).all():
                raise InputError(f"{members[0].path}: gives predictions that are not finite")
            progress("predicting", done, len(videos))
        return values

    def _predict(
        self, member: EnsembleMember, video: VideoSequence, images: FaceImages | None
    ) -> np.ndarray:
        if self.streams == "temporal":
            features = self._mean_features(member).expand(len(video), -1)
        else:
            features = video_features(member.backbone, video, images)
        frames = video.frames[:]
        if self.streams == "spatial":
            still = frames.float().mean(dim=0).round().to(torch.uint8)
            frames = still.expand_as(frames).contiguous()
        length, cut = member.clip_length, self.cut
        return predict_sequence(
            member.network, features, frames, length, cut.stride, whole=cut.whole
        )

    def _mean_features(self, member: EnsembleMember) -> Tensor:
        """What a blind spatial stream sees of every face: float32 ``[D]``."""
        if member.path not in self._means:
            images = self._images([member], self.cache.videos)
            means = []
            for video in self.cache.videos:
                some = np.unique(np.linspace(0, len(video) - 1, _FACES).round().astype(np.int64))
                features = video_features(member.backbone, video.sequence, images, some)
                means.append(features.float().mean(dim=0))
            self._means[member.path] = torch.stack(means).mean(dim=0)
        return self._means[member.path]

    @staticmethod
    def _images(
        members: Sequence[EnsembleMember], videos: Sequence[CachedVideo]
    ) -> FaceImages | None:
        """The videos' images, if any member's backbone sees them."""
        if any(isinstance(member.backbone, ResNet50) for member in members):
            return FaceImages(videos)
        return None


def _member(
    checkpoint: Checkpoint, found: str, cache: Cache, device: torch.device, streams: str
) -> EnsembleMember:
    """A checkpoint, whose backbone has the hash `found`, if it fits the cache."""
    path, network, info = checkpoint.path, checkpoint.network, checkpoint.info
    if "training" in info and not _of_training(info):
        raise InputError(f"{path}: expected a checkpoint of `mimamo train`, got another one")
    own = network.config.streams
    if streams != "both" and own not in ("both", streams):
        raise InputError(f"{path}: has only the {own} stream, not the {streams} one")
    if network.config.phase_size != cache.manifest.phase_size:
        raise InputError(
            f"{path}: sees frames of {network.config.phase_size} pixels, but {cache.root} holds "
            f"{cache.manifest.phase_size}"
        )
    try:
        config = TrainingConfig.from_dict(info["training"]) if "training" in info else None
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    trained: Backbone | None = None
    source, made = checkpoint.backbone, cache.manifest
    if isinstance(source, SmallBackbone):
        trained = source
    elif found != made.weights_sha256:
        if isinstance(source, OnnxBackbone):
            raise InputError(
                f"{path}: these weights take features of {source.label}, but {cache.root} was made "
                f"with {shown(made.backbone.get('given'))}; extract with --backbone {source.file} "
                "and the same options"
            )
        if isinstance(source, GivenFeatures):
            raise InputError(
                f"{path}: these weights take features of {source.label}, but {cache.root} was made "
                f"with {shown(made.backbone.get('given'))} ({made.feature_dim}); extract with "
                "--features"
            )
        trained = source
        if config is None or config.spatial != "finetune":
            raise InputError(
                f"{path}: its backbone (SHA-256 {found[:12]}…) is not the one {cache.root} was "
                f"made with ({cache.manifest.weights_sha256[:12] or 'none'}…); extract with "
                f"{'the same --backbone' if config is None else f'--backbone {path}'}"
            )
    model = TrainedModel(network, trained).to(device).eval()
    return EnsembleMember(
        path, model.network, model.backbone, checkpoint.clip_length, fold_of(info), info
    )


def _of_training(info: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's notes are those of `mimamo train`."""
    names = info.get("trained_on", [])
    return (
        "training" in info
        and spread_in(info) is not None
        and isinstance(names, list)
        and all(isinstance(name, str) for name in names)
    )
