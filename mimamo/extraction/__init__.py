"""From a data set on disk to a packed cache: what ``mimamo extract`` does."""

from mimamo.extraction.extract import ExtractResult, extract, open_dataset
from mimamo.extraction.video import extract_video

__all__ = ["ExtractResult", "extract", "extract_video", "open_dataset"]
