"""Whether files are what was written: what ``mimamo check`` does."""

from mimamo.check.folder import check_folder as check_folder
