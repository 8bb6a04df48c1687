"""Phase differences and pyramids on a GPU: all that `benchmarks.gpu` measures, as one result."""

from __future__ import annotations

from itertools import chain

from benchmarks import device_timing
from benchmarks.gpu.measure import TASKS
from benchmarks.gpu.tasks import measured
from benchmarks.rows import Row
from benchmarks.settings import Settings, SuiteRun


def run(settings: Settings) -> SuiteRun:
    """Time every row. Elsewhere than on a GPU only `--quick` measures anything, to see it work."""
    if settings.device != "cuda" and not settings.quick:
        gap = "needs a GPU; not run on one yet"
        row = Row("cuda/all", "all of this suite", "its peers", "any", settings.threads, gap=gap)
        return SuiteRun([row])
    tasks = chain.from_iterable(group(settings) for group in TASKS.values())
    rows = list(measured(tasks, settings))
    return SuiteRun(rows, inputs(settings.device))


def inputs(device: str) -> dict[str, object]:
    return {
        "copy bandwidth, bytes read and written per second": device_timing.bandwidth(device),
        "L2 cache, bytes": device_timing.cache_bytes(device),
        "clips": "moving textures", "images": "uniform noise",
    }  # fmt: skip
