"""Videos in and out: frames from files, aligned faces from folders, frames into files."""

from mimamo.video.folder import AlignedFolder, is_numbered_image
from mimamo.video.reader import VideoFrame, VideoReader, is_video
from mimamo.video.writer import VideoWriter

__all__ = [
    "AlignedFolder",
    "VideoFrame",
    "VideoReader",
    "VideoWriter",
    "is_numbered_image",
    "is_video",
]
