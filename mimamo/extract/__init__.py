"""From a data set on disk to a packed cache: what ``mimamo extract`` does."""

from mimamo.extract.extraction import ExtractResult as ExtractResult
from mimamo.extract.extraction import extract as extract
from mimamo.extract.extraction import open_dataset as open_dataset
from mimamo.extract.video import extract_video as extract_video
