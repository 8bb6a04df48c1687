"""A generated face whose valence and arousal are known: a photograph, warped."""

from mimamo.demo.synth.expression import Expression
from mimamo.demo.synth.photo_set import UNSEEN, RenderedClip, write_dataset
from mimamo.demo.synth.render import Camera, Light, Rendered, render
from mimamo.demo.synth.video import VideoTruth, write_truth, write_video

__all__ = [
    "UNSEEN",
    "Camera",
    "Expression",
    "Light",
    "Rendered",
    "RenderedClip",
    "VideoTruth",
    "render",
    "write_dataset",
    "write_truth",
    "write_video",
]
