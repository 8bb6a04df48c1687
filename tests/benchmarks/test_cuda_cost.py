"""The cost model of the CUDA kernels: machine code read, run and counted."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from support.sass_texts import STRIDED, TEXTS, TRIPS

from benchmarks import cuda_cost
from benchmarks.cost import operands, report, toolchain
from benchmarks.cost.execute import COUNTS, Launched, Machine, MachineLaunch
from benchmarks.cost.model import Cost, Device, cost, resident_blocks, together
from benchmarks.cost.sass import STEP, parse, parse_constants
from benchmarks.cost.toolchain import Kernel
from benchmarks.cost.work import bytes_of_cufft, level_sizes


def kernel_of(text: str, registers: int = 16) -> Kernel:
    [function] = parse(text)
    return Kernel(function.name, function, 0x210, [], registers, 1024, 0)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    kernels = [kernel_of(text) for text in TEXTS]
    return Machine({kernel.name: kernel for kernel in kernels}, tmp_path_factory.mktemp("machine"))


def run(
    machine: Machine, name: str, parameters: bytes, *, blocks=1, threads=32, shared=0, l2=None
) -> Launched:
    values = ctypes.create_string_buffer(parameters, len(parameters))
    at = ctypes.addressof(values)
    grid, block = (ctypes.c_uint32 * 3)(blocks, 1, 1), (ctypes.c_uint32 * 3)(threads, 1, 1)
    launch = MachineLaunch(grid, block, shared, at, len(parameters), sectors=l2)
    return Launched(name, blocks, threads, shared, machine.run(name, launch))


def pointer(array: np.ndarray) -> bytes:
    return array.ctypes.data.to_bytes(8, "little")


def aligned(elements: int) -> np.ndarray:
    """uint32 zeros that begin a page."""
    memory = np.zeros(elements + 1024, np.uint32)
    return memory[-memory.ctypes.data % 4096 // 4 :][:elements]


def test_code_blocks_and_loops_are_found():
    [function] = parse(TRIPS)
    assert function.name == "trips"
    assert [i.address for i in function.code] == [n * STEP for n in range(13)]
    branch = function.code[6]
    assert (branch.guard, branch.opcode, branch.target) == ("P0", "BRA", 0x40)
    assert function.code[4].operands == ["R2", "R2", "0x1", "RZ"]
    assert function.code[0].lines == (
        ("/x/csrc/cuda/blur.cuh", 7), ("/x/csrc/cuda/denoise.cuh", 9)
    )  # fmt: skip
    assert function.code[4].lines == (("/x/csrc/cuda/blur.cuh", 8),)
    assert function.leaders() == [0, 4, 7, 8, 12]
    assert function.successors() == {0: [4], 4: [4, 7], 7: [8], 8: [], 12: [12]}
    [loop, _at_the_end] = function.loops()
    assert (loop.header, loop.back, loop.body) == (4, [6], [4, 5, 6])


def test_constants_are_those_that_bank_4_points_to():
    text = """
	.section	.nv.constant4,"a",@progbits
        /*0000*/ 	.dword	elsewhere
        /*0008*/ 	.dword	table
	.section	.nv.global.init,"aw",@progbits
first:
        /*0000*/ 	.byte	0x01, 0x02
table:
        /*0002*/ 	.byte	0xff
"""
    assert parse_constants(text) == [None, b"\xff"]


def test_lanes_that_leave_a_loop_early_wait_for_the_others(machine):
    out = np.zeros(64, np.uint32)
    launched = run(machine, "trips", pointer(out), threads=64)
    np.testing.assert_array_equal(out, np.arange(64) % 4 + 1)
    issued, threads = launched.column("issued"), launched.column("threads")
    # Of two warps: four passes each, by 32, 24, 16 and 8 lanes; then all 32 together.
    assert issued.tolist() == [2, 2, 2, 2, 8, 8, 8, 8, 2, 2, 2, 2, 0]
    assert threads[4] == 2 * (32 + 24 + 16 + 8)
    assert threads[6] == 2 * (24 + 16 + 8)  # branch back
    assert threads[10] == 64
    assert launched.column("taken")[6] == 2 * 3


@pytest.mark.parametrize(("stride", "sectors"), [(1, 4), (2, 8), (8, 32), (32, 32), (0, 1)])
def test_sectors_of_strided_reads(machine, stride, sectors):
    values, out = aligned(32 * 32), aligned(32)
    values[:] = np.arange(32 * 32)
    parameters = pointer(values) + pointer(out) + stride.to_bytes(4, "little")
    launched = run(machine, "strided", parameters, blocks=3)
    np.testing.assert_array_equal(out, np.arange(32) * stride)
    load, store = 9, 10
    assert launched.column("sectors")[[load, store]].tolist() == [3 * sectors, 3 * 4]
    assert launched.column("bytes")[[load, store]].tolist() == [3 * 128, 3 * 128]
    assert launched.column("l2_sectors")[[load, store]].tolist() == [3 * sectors, 3 * 4]
    assert launched.column("device_sectors")[[load, store]].tolist() == [sectors, 4]


def test_l2_keeps_what_was_accessed_last(machine):
    values, out = aligned(32 * 32), aligned(32)
    load, store = 9, 10

    def device_sectors(stride, l2):
        parameters = pointer(values) + pointer(out) + stride.to_bytes(4, "little")
        launched = run(machine, "strided", parameters, l2=l2)
        return launched.column("device_sectors")[[load, store]].tolist()

    with machine.l2(64 * 32) as l2:
        assert device_sectors(1, l2) == [4, 4]
        assert device_sectors(1, l2) == [0, 0]  # read before; written back once for both writes
        assert device_sectors(8, l2) == [28, 0]  # four of its sectors are those from before
    with machine.l2(8 * 32) as l2:
        assert device_sectors(8, l2) == [32, 4]
        assert device_sectors(8, l2) == [32, 4]  # given up meanwhile


def test_what_is_streamed_takes_no_place_in_l2(machine):
    values, others, out = aligned(32 * 32), aligned(32 * 32), aligned(32)
    load = 9

    def device_sectors(name, given, l2):
        parameters = pointer(given) + pointer(out) + (8).to_bytes(4, "little")
        launched = run(machine, name, parameters, blocks=2, l2=l2)
        return launched.column("device_sectors")[load]

    with machine.l2(40 * 32) as l2:
        assert device_sectors("strided", values, l2) == 32
        assert device_sectors("streamed", others, l2) == 32  # each once, by the first block
        assert device_sectors("streamed", values, l2) == 0  # kept meanwhile
        assert device_sectors("strided", others, l2) == 32  # not kept


@pytest.mark.parametrize(("stride", "wavefronts"), [(4, 1), (8, 2), (16, 4), (128, 32), (132, 1)])
def test_bank_conflicts_of_strided_accesses(machine, stride, wavefronts):
    out = np.zeros(64, np.uint32)
    parameters = pointer(out) + stride.to_bytes(4, "little")
    launched = run(machine, "banks", parameters, threads=64, shared=64 * stride)
    np.testing.assert_array_equal(out, np.arange(64) ^ 32)
    store, barrier, load, vector = 5, 6, 9, 11
    for access in (store, load):
        assert launched.column("wavefronts")[access] == 2 * wavefronts
        assert launched.column("conflicts")[access] == 2 * (wavefronts - 1)
    assert launched.column("issued")[barrier] == 2
    # Both warps come to it; eight lanes of the first read the same 16 bytes.
    assert launched.column("issued")[vector] == 2
    assert launched.column("threads")[vector] == 8
    assert launched.column("wavefronts")[vector] == 1
    assert launched.column("sectors")[load] == 0


def test_beyond_shared_memory_is_an_error(machine):
    out = np.zeros(64, np.uint32)
    parameters = pointer(out) + (4).to_bytes(4, "little")
    with pytest.raises(RuntimeError, match="banks: beyond shared memory"):
        run(machine, "banks", parameters, threads=64, shared=63 * 4)


def test_products_of_matrices_and_pairs_of_halves(machine):
    random = np.random.default_rng()
    left, right = (random.standard_normal(size).astype(np.float16) for size in ((16, 16), (16, 8)))
    lane = np.arange(32)
    r, q = lane // 4, lane % 4 * 2
    factors, out = np.zeros((32, 16), np.float16), np.zeros((32, 12), np.uint32)
    for word, (down, along) in enumerate([(0, 0), (8, 0), (0, 8), (8, 8)]):
        for half in (0, 1):
            factors[:, 2 * word + half] = left[r + down, q + along + half]
    for word, down in enumerate([0, 8]):
        for half in (0, 1):
            factors[:, 8 + 2 * word + half] = right[q + down + half, r]
    launched = run(machine, "matrix", pointer(factors) + pointer(out))
    wide_left, wide_right = left.astype(np.float64), right.astype(np.float64)
    expected = wide_left @ wide_right + wide_left[:, :8] @ wide_right[:8]
    got = np.zeros((16, 8))
    for i in range(4):
        got[r + i // 2 * 8, q + i % 2] = out[:, i].view(np.float32)
    np.testing.assert_allclose(got, expected, atol=1e-4)
    a, b, c = factors[:, 0:2], factors[:, 2:4], factors[:, 4:6]
    fused = (a.astype(np.float64) * b - c.astype(np.float64)).astype(np.float16)
    halves = out[:, 4:7].copy().view(np.float16).reshape(32, 3, 2)
    np.testing.assert_array_equal(halves, np.stack([fused, a * b[:, 1:], a - b], 1))
    np.testing.assert_array_equal(out[:, 7].view(np.float32), a[:, 1])
    assert (out[:, 8] == 31).all()
    np.testing.assert_array_equal(out[:, 9], np.minimum(lane, 7))
    assert launched.column("issued").tolist() == [1] * 20


def test_products_of_matrices_of_single_precision(machine):
    """Of numbers cut to 11 bits, as the factors' lanes have them."""
    random = np.random.default_rng()
    left, right = (random.standard_normal(size, np.float32) for size in ((16, 8), (8, 8)))
    lane = np.arange(32)
    r, q = lane // 4, lane % 4
    factors = np.zeros((32, 8), np.float32)
    for word in range(4):
        factors[:, word] = left[r + word % 2 * 8, q + word // 2 * 4]
    for word in range(2):
        factors[:, 4 + word] = right[q + word * 4, r]
    left, right = (
        (x.view(np.uint32) >> 13 << 13).view(np.float32).astype(np.float64) for x in (left, right)
    )
    for least in (1, 0):  # lane 0 does not agree; all do
        out = np.zeros((32, 4), np.float32)
        run(machine, "singles", pointer(factors) + pointer(out) + least.to_bytes(4, "little"))
        got = np.zeros((16, 8))
        for i in range(4):
            got[r + i // 2 * 8, q * 2 + i % 2] = out[:, i]
        np.testing.assert_allclose(got, left @ right if least == 0 else 0 * got, atol=1e-5)


def test_lanes_that_leave_a_barrier_are_not_waited_for(machine):
    out = np.zeros(32, np.uint32)
    run(machine, "leaving", pointer(out))
    np.testing.assert_array_equal(out, np.arange(32) + 100 * (np.arange(32) >= 8))


def test_an_unknown_instruction_is_an_error_where_it_is_reached(machine):
    assert (
        run(machine, "unknown", (0).to_bytes(4, "little")).column("issued").tolist()
        == [1] * 3 + [0] * 2
    )
    with pytest.raises(RuntimeError, match=r"FOO\.BAR: not known"):
        run(machine, "unknown", (1).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("operand", "of", "expression"),
    [
        ("-R3", operands.bits, "(0u - w.r[3][l])"),
        ("~UR4", operands.bits, "(~w.u[4])"),
        ("-0x1", operands.bits, "0xffffffffu"),
        ("|R5|", operands.number, "std::fabs(f32(w.r[5][l]))"),
        ("-0.125", operands.number, "float(-0.125)"),
        ("R2.64", operands.wide, "pair_of(w.r[2][l], w.r[3][l])"),
        ("!P2", operands.truth, "(!(w.p[2] >> l & 1))"),
    ],
)
def test_operands(operand, of, expression):
    assert of(operand) == expression


def test_blocks_that_a_multiprocessor_holds():
    device = Device()
    assert resident_blocks(device, kernel_of(TRIPS, 121), 256, 65552) == 2  # registers
    assert resident_blocks(device, kernel_of(TRIPS, 32), 256, 65552) == 3  # shared memory
    assert resident_blocks(device, kernel_of(TRIPS, 32), 256, 0) == 8  # warps
    assert resident_blocks(device, kernel_of(TRIPS, 16), 32, 0) == 32  # blocks


def test_the_largest_term_predicts():
    device, kernel = Device(), kernel_of(STRIDED)
    counts = np.zeros((len(kernel.function.code), len(COUNTS)), np.int64)
    launched = Launched(kernel.name, 132, 32, 0, counts)
    launched.column("issued")[:] = 1000 * 132
    part = cost(device, kernel, launched, blocks=264, scale=2)
    assert part.instructions == 12 * 1000 * 264
    clocks = 2 * 12 * 1000
    assert part.floor == pytest.approx(clocks / 4 / device.clock)
    assert part.predicted == pytest.approx(clocks / 2.25 / device.clock)
    assert part.bound == "issue"
    assert part.terms["imad"] == pytest.approx(2 * 1000 / 2 / device.clock)
    uneven = cost(device, kernel, launched, blocks=265, scale=265 / 132)  # one has three blocks
    assert uneven.predicted == pytest.approx(1.5 * part.predicted)

    launched.column("device_sectors")[9:11] = 10_000_000
    moved = cost(device, kernel, launched, blocks=132)
    assert moved.device_read == moved.device_written == 320e6
    assert moved.predicted == moved.floor == pytest.approx(640e6 / 3e12)
    assert moved.bound == "memory"
    both = together([part, moved], "sum")
    assert both.launches == 2
    assert both.predicted == pytest.approx(part.predicted + moved.predicted)
    assert report.table([part, moved]).count("\n") == 4


def test_what_cufft_would_move():
    """Bytes a pixel as NOTES.md has them."""
    assert bytes_of_cufft(16, (256, 256), 5, 4) / (16 * 256**2) == pytest.approx(208.4, abs=0.1)
    assert level_sizes((9, 31), 4) == [(9, 31), (5, 16), (3, 8)]
    device = Device()
    half = [Cost("a kernel", predicted=0.5 * 3e9 / device.memory)]
    text = report.beside_cufft(device, half, int(3e9))
    assert text.startswith("cuFFT's calls alone: 3000 MB, 1000 us; these kernels: 0.50 of that")


def test_loops_are_told_with_their_passes(machine):
    out = np.zeros(32, np.uint32)
    launched = run(machine, "trips", pointer(out))
    text = report.loops(machine.kernels["trips"].function, [launched], 3)
    row = text.splitlines()[-1]
    assert row.startswith("| blur.cuh:8 | 3 | 1.2e-05 | 4e-06 | 4 | alu 67 %, other 33 % |")


def test_without_nvcc_it_ends_with_one_line(monkeypatch, capsys):
    monkeypatch.setattr(toolchain.setup, "find_nvcc", lambda: None)
    assert cuda_cost.main([]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("cuda_cost: no nvcc")
    assert "benchmark" in line
