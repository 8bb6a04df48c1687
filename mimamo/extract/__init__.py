"""From a data set on disk to a packed cache: what ``mimamo extract`` does."""

from mimamo.extract.extraction import ExtractResult, extract, open_dataset
from mimamo.extract.video import extract_video

__all__ = ["ExtractResult", "extract", "extract_video", "open_dataset"]
