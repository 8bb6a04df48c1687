"""Pages to look at: films with their predictions, or predictions beside the truth, in one file."""

from mimamo.page.html import Curves, PageVideo, write_page

__all__ = ["Curves", "PageVideo", "write_page"]
