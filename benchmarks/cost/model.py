"""What counted kernels take on a device, as the largest of what its parts take."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.cost.execute import SECTOR, Launched
from benchmarks.cost.toolchain import Kernel

LOADS, STORES = {"LDG", "LD"}, {"STG", "ST"}  # of global memory
SHARED = {"LDS", "STS"}
# The unit that an instruction takes besides its issue; what is in none takes the issue alone.
UNITS = {
    "fma": {"FADD", "FMUL", "FFMA", "HFMA2", "HMUL2", "HADD2", "IMAD"},
    "imad": {"IMAD"},
    "alu": {
        "IADD3", "VIADD", "LOP3", "SHF", "ISETP", "FSETP", "SEL", "FSEL", "LEA", "PRMT", "MOV",
        "IABS", "VIMNMX", "VIMNMX3", "VIADDMNMX", "FMNMX", "PLOP3", "P2R", "R2P", "FSET", "FCHK",
        "F2FP", "I2FP",
    },
    "special": {"MUFU", "I2F", "F2I", "F2F", "FRND", "POPC", "FLO", "BREV"},
    "tensor": {"HMMA"},
    "fp64": {"DADD", "DMUL", "DFMA", "DSETP"},
}  # fmt: skip


@dataclass(frozen=True)
class Device:
    """An H100 SXM.

    Attributes:
        clock: Hz.
        issue: warp instructions a clock that a multiprocessor issues at best, and as expected.
        memory, l2: bytes a second.
        l2_bytes: what its L2 holds.
        alignment: bytes of which addresses are multiples that torch's allocator gives.
        rates: warp instructions a clock of a multiprocessor's units.
    """

    name: str = "H100 SXM"
    multiprocessors: int = 132
    clock: float = 1.755e9
    issue: tuple[float, float] = (4.0, 2.25)
    memory: float = 3.0e12
    l2: float = 5.5e12
    l2_bytes: int = 50 << 20
    alignment: int = 512
    rates: dict[str, float] = field(
        default_factory=lambda: {
            "fma": 4.0,
            "imad": 2.0,
            "alu": 2.0,
            "special": 0.5,
            "tensor": 0.6,
            "fp64": 2.0,
        }
    )
    registers: int = 65536
    shared_bytes: int = 228 << 10
    reserved_bytes: int = 1 << 10
    warps: int = 64
    blocks: int = 32


@dataclass
class Cost:
    """Of one kernel's launches in a call.

    Attributes:
        instructions, barriers, wavefronts, conflicts: of warps; wavefronts of shared memory.
        read, written: bytes that threads ask of global memory; sectors: what that takes.
        device_read, device_written: bytes, each sector once a launch.
        terms: seconds of each part at best, by its name; "issue" as expected.
        floor: seconds, of the largest term at perfect issue; predicted: as expected.
    """

    kernel: str
    launches: int = 0
    instructions: float = 0
    read: float = 0
    written: float = 0
    sectors: float = 0
    device_read: float = 0
    device_written: float = 0
    wavefronts: float = 0
    conflicts: float = 0
    barriers: float = 0
    registers: int = 0
    stack: int = 0
    shared_bytes: int = 0
    blocks_resident: int = 0
    terms: dict[str, float] = field(default_factory=dict)
    floor: float = 0
    predicted: float = 0

    @property
    def bound(self) -> str:
        """The term that predicts the time."""
        return max(self.terms, key=lambda name: self.terms[name])


def resident_blocks(device: Device, kernel: Kernel, threads: int, dynamic_bytes: int) -> int:
    """Blocks of a kernel that a multiprocessor holds at once."""
    warps = math.ceil(threads / 32)
    a_warp = math.ceil(kernel.registers * 32 / 256) * 256
    # A warp's registers lie in one of four parts.
    by_registers = device.registers // 4 // a_warp * 4 // warps
    # What the compiler names includes the system's share.
    shared = max(kernel.shared, device.reserved_bytes) + math.ceil(dynamic_bytes / 128) * 128
    return min(by_registers, device.shared_bytes // shared, device.warps // warps, device.blocks)


def cost(
    device: Device, kernel: Kernel, launched: Launched, blocks: float, scale: float = 1
) -> Cost:
    """Of one launch that would have `blocks`, and `scale` times its counts."""
    names = [instruction.name for instruction in kernel.function.code]

    def total(column: str, of: set[str] | None = None) -> float:
        values = launched.column(column)
        return scale * float(
            values.sum()
            if of is None
            else sum(v for v, n in zip(values, names, strict=True) if n in of)
        )

    result = Cost(kernel.name, 1, total("issued"))
    result.read, result.written = total("bytes", LOADS), total("bytes", STORES)
    result.sectors = total("sectors")
    result.device_read = total("device_sectors", LOADS) * SECTOR
    result.device_written = total("device_sectors", STORES) * SECTOR
    result.wavefronts, result.conflicts = total("wavefronts", SHARED), total("conflicts", SHARED)
    result.barriers = total("issued", {"BAR"})
    result.registers, result.stack = kernel.registers, kernel.stack
    result.shared_bytes = launched.shared_bytes
    result.blocks_resident = resident_blocks(
        device, kernel, launched.threads, launched.shared_bytes
    )
    # Blocks do not divide evenly among the multiprocessors.
    shares = min(blocks, device.multiprocessors)
    busiest = math.ceil(blocks / device.multiprocessors) * shares / blocks
    clocks = shares * device.clock / busiest
    result.terms = {
        unit: total("issued", of) / device.rates[unit] / clocks for unit, of in UNITS.items()
    }
    result.terms["load/store"] = (total("wavefronts") + total("issued", {"SHFL"})) / clocks
    result.terms["L2"] = total("l2_sectors") * SECTOR / device.l2
    result.terms["memory"] = (result.device_read + result.device_written) / device.memory
    best, expected = (result.instructions / rate / clocks for rate in device.issue)
    result.floor = max(best, *result.terms.values())
    result.terms["issue"] = expected
    result.predicted = max(result.terms.values())
    return result


def together(costs: Iterable[Cost], name: str) -> Cost:
    """The sum of costs: of a kernel's launches, or of a call."""
    result = Cost(name)
    sums = (
        "launches", "instructions", "read", "written", "sectors", "device_read",
        "device_written", "wavefronts", "conflicts", "barriers", "floor", "predicted",
    )  # fmt: skip
    largest = ("registers", "stack", "shared_bytes")
    for part in costs:
        for field_name in sums:
            setattr(result, field_name, getattr(result, field_name) + getattr(part, field_name))
        for field_name in largest:
            values = getattr(result, field_name), getattr(part, field_name)
            setattr(result, field_name, max(values))
        for term, seconds in part.terms.items():
            result.terms[term] = result.terms.get(term, 0) + seconds
        held = [n for n in (result.blocks_resident, part.blocks_resident) if n]
        result.blocks_resident = min(held, default=0)
    return result
