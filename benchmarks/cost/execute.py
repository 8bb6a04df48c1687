"""Runs operators with their kernels' machine code in place of the emulated kernels, and counts."""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.cost.toolchain import Kernel, plain_name, run
from benchmarks.cost.translate import translate

SECTOR = 32  # bytes
HERE = Path(__file__).parent.resolve()
TENSOR_CORES = HERE.parents[1] / "tests" / "emulation" / "tensor_cores.h"
COUNTS = (
    "issued", "threads", "taken", "bytes", "wavefronts", "conflicts", "sectors", "l2_sectors",
    "device_sectors",
)  # fmt: skip
FLAGS = [
    "-std=c++20", "-O1", "-frounding-math", "-fPIC", "-shared", f"-I{HERE}",
    "-w",  # what is computed into the register that is zero is not used
]  # fmt: skip
BRIDGE = """
extern "C" int run_kernel(const Launch* launch, Count* counts, char* problem) {
  try {
    run(blocks, *launch, counts);
    return 0;
  } catch (const std::exception& error) {
    std::snprintf(problem, 200, "%s", error.what());
    return 1;
  }
}
extern "C" Sectors* make_sectors(u64 capacity) { return new Sectors(capacity); }
extern "C" void delete_sectors(Sectors* sectors) { delete sectors; }
"""


class _Record(ctypes.Structure):
    """emulation::LaunchRecord."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("grid", ctypes.c_uint32 * 3),
        ("threads", ctypes.c_uint32 * 3),
        ("shared_bytes", ctypes.c_uint64),
        ("parameters", ctypes.c_void_p),
        ("parameter_bytes", ctypes.c_uint64),
    )


class MachineLaunch(ctypes.Structure):
    """Launch of machine.h."""

    _fields_ = (
        *_Record._fields_[1:],
        ("parameter_base", ctypes.c_uint64),
        ("addresses", ctypes.c_void_p),
        ("address_count", ctypes.c_uint64),
        ("sectors", ctypes.c_void_p),
    )


@dataclass
class Launched:
    """One launch.

    Attributes:
        kernel: its name as `plain_name` gives it.
        blocks, threads: of the grid; of a block.
        shared_bytes: dynamic, of a block.
        counts: int64 [instructions, len(COUNTS)], or None where nothing ran.
    """

    kernel: str
    blocks: int
    threads: int
    shared_bytes: int
    counts: np.ndarray | None = None

    def column(self, name: str) -> np.ndarray:
        assert self.counts is not None
        return self.counts[:, COUNTS.index(name)]


class Machine:
    """Kernels' machine code as libraries of this computer, made when first run.

    Args:
        kernels: by name.
        folder: where the libraries are built.
    """

    def __init__(self, kernels: dict[str, Kernel], folder: Path) -> None:
        self.kernels = kernels
        self._folder = folder
        self._libraries: dict[str, ctypes.CDLL] = {}

    def _library(self, name: str) -> ctypes.CDLL:
        if name not in self._libraries:
            headers = "".join(
                path.read_text() for path in [*sorted(HERE.glob("*.h")), TENSOR_CORES]
            )
            text = f'#include "machine.h"\n{translate(self.kernels[name].function)}\n{BRIDGE}'
            digest = hashlib.sha256((headers + text).encode()).hexdigest()[:16]
            library = self._folder / f"{digest}.so"
            if not library.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                own = f".{os.getpid()}"  # another process may compile it too
                source, made = library.with_suffix(f"{own}.cpp"), library.with_suffix(f"{own}.part")
                source.write_text(text)
                run(["c++", *FLAGS, str(source), "-o", str(made)])
                made.replace(library)
            self._libraries[name] = ctypes.CDLL(str(library))
        return self._libraries[name]

    @contextmanager
    def l2(self, size: int) -> Iterator[ctypes.c_void_p]:
        """An L2 of `size` bytes for launches one after another: their `sectors`."""
        library = self._library(next(iter(self.kernels)))
        library.make_sectors.restype = ctypes.c_void_p
        sectors = ctypes.c_void_p(library.make_sectors(ctypes.c_uint64(size // SECTOR)))
        try:
            yield sectors
        finally:
            library.delete_sectors(sectors)

    def run(self, name: str, launch: MachineLaunch) -> np.ndarray:
        """Counts of one launch, int64 [instructions, len(COUNTS)].

        Raises:
            RuntimeError: the code did what is not known or not allowed.
        """
        kernel = self.kernels[name]
        launch.parameter_base = kernel.parameter_base
        addresses = (ctypes.c_uint64 * len(kernel.constants))(
            *(ctypes.addressof(value) if value else 0 for value in kernel.constants)
        )
        launch.addresses, launch.address_count = ctypes.addressof(addresses), len(addresses)
        counts = np.zeros((len(kernel.function.code), len(COUNTS)), np.int64)
        problem = ctypes.create_string_buffer(200)
        failed = self._library(name).run_kernel(
            ctypes.byref(launch), ctypes.c_void_p(counts.ctypes.data), problem
        )
        if failed:
            raise RuntimeError(f"{name}: {problem.value.decode()}")
        return counts


def launches(
    module: ModuleType,
    machine: Machine | None,
    call: Callable[[], object],
    l2: ctypes.c_void_p | None = None,
) -> tuple[list[Launched], object]:
    """The launches of `call()`, which uses operators of the emulated `module`, and its result.

    With a machine they run there; without one nothing runs, and the result means nothing. `l2`:
    what the launches leave to each other, of the machine, or nothing.
    """
    names = _function_names(Path(module.__file__ or ""))
    found: list[Launched] = []
    problems: list[BaseException] = []

    @ctypes.CFUNCTYPE(None, ctypes.POINTER(_Record))
    def instead(record: Any) -> None:
        try:
            given = record.contents
            launched = Launched(
                names[given.kernel], int(np.prod(given.grid)), int(np.prod(given.threads)),
                given.shared_bytes,
            )  # fmt: skip
            if machine is not None and not problems:
                rest = [getattr(given, name) for name, _ in _Record._fields_[1:]]
                launched.counts = machine.run(launched.kernel, MachineLaunch(*rest, sectors=l2))
            found.append(launched)
        except BaseException as problem:  # none may pass through C++
            problems.append(problem)

    module.instead_of_kernels(ctypes.cast(instead, ctypes.c_void_p).value)
    try:
        result = call()
    finally:
        module.instead_of_kernels(0)
    if problems:
        raise problems[0]
    return found, result


def _function_names(library: Path) -> dict[int, str]:
    """Names of a loaded library's functions by their addresses."""
    listed = run(["nm", "--demangle", str(library)])
    with open("/proc/self/maps") as maps:
        base = next(
            int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(str(library))
        )
    names = {}
    for line in listed.splitlines():
        address, kind, name = line.split(" ", 2) if line[0] != " " else ("", "", "")
        if kind in ("t", "T", "W", "w"):
            names[base + int(address, 16)] = plain_name(name)
    return names
