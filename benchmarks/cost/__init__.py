"""Counting what the CUDA kernels do, without a GPU."""

import os

# Before torch takes memory: its large blocks then begin pages, as CUDA's begin multiples of 512.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
