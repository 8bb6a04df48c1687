"""What the CUDA kernels cost, counted without a GPU: `python -m benchmarks.cuda_cost`.

Compiles them for one architecture, runs their machine code on the CPU for a small part of the
standard work, counts instructions and memory accesses, and predicts times on an H100. NOTES.md
tells the method. Needs nvcc and what `pip install '.[benchmark,test]'` brings; ends
with 2 without the CUDA tools.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

from benchmarks.cost import report
from benchmarks.cost.execute import Machine
from benchmarks.cost.model import Device
from benchmarks.cost.toolchain import Missing, compile_kernels, find_tools
from benchmarks.cost.work import WORKS, count, pyramids

ROOT = Path(__file__).parents[1].resolve()
FOLDER = ROOT / "build" / "cost"
ARCHITECTURES = (90,)  # others lay out parameters and constants in other ways


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda_cost", description=__doc__)
    parser.add_argument("--arch", type=int, choices=ARCHITECTURES, default=90, help="of sm_ARCH")
    parser.add_argument("--json", type=Path, help="where to write all that is counted")
    parser.add_argument("--work", choices=WORKS, nargs="*", default=list(WORKS), help="which calls")
    parser.add_argument(
        "--images", type=int, nargs=3, metavar=("N", "H", "W"), help="instead: pyramids of these"
    )
    parser.add_argument("--height", type=int, default=5, help="of the pyramids of --images")
    parser.add_argument("--bands", type=int, default=4, help="of each of their levels")
    parser.add_argument("--loops", type=int, default=0, help="show so many loops of each kernel")
    asked = parser.parse_args(arguments)
    try:
        tools = find_tools()
    except Missing as missing:
        print(f"cuda_cost: {missing}", file=sys.stderr)
        return 2
    sources = sorted((ROOT / "csrc" / "cuda").glob("*.cu"))
    kernels = compile_kernels(sources, FOLDER, asked.arch, tools)
    machine, device = Machine(kernels, FOLDER), Device()
    module = emulation().load()
    works = {name: WORKS[name] for name in asked.work}
    if asked.images:
        images, *size = asked.images
        works = pyramids(images, (size[0], size[1]), asked.height, asked.bands)
    records = {}
    for name, work in works.items():
        costs, ran = count(device, module, machine, work)
        how = f"sm_{asked.arch}; counted, not measured; {work.run} of {work.units} run"
        print(f"\n{work.name} ({how})\n\n{report.table(costs)}")
        if work.cufft_bytes:
            print(f"\n{report.beside_cufft(device, costs, work.cufft_bytes)}")
        for cost in costs if asked.loops else []:
            launched = [launch for launch in ran if launch.kernel == cost.kernel]
            function = kernels[cost.kernel].function
            shown = report.loops(function, launched, asked.loops)
            print(f"\n{report.short_name(cost.kernel)}\n\n{shown}")
        records[name] = report.record(costs)
    print(f"\n{report.assumptions(device)}")
    if asked.json:
        told = {"arch": asked.arch, "assumptions": report.assumptions(device), "calls": records}
        asked.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0


def emulation() -> ModuleType:
    """The tests' module that builds the CUDA sources for the CPU."""
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        return importlib.import_module("emulation.build")
    finally:
        sys.path.remove(str(ROOT / "tests"))


if __name__ == "__main__":
    sys.exit(main())
