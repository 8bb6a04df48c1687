"""The benchmarks' pictures that are moved exactly, which are found in the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)

from benchmarks.moved_pictures import KINDS, MovingPicture, psnr  # noqa: E402

__all__ = ["KINDS", "MovingPicture", "psnr"]
