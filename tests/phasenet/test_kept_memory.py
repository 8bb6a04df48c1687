"""Memory of large results is kept for the next, offered to the system, and never shared."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import phasenet

LINUX = sys.platform == "linux"
KEEPS = LINUX and tuple(int(x) for x in torch.__version__.split(".")[:2]) >= (2, 11)
keeping = pytest.mark.skipif(not KEEPS, reason="needs Linux and torch 2.11 or later")

PREPARE = """
import torch, phasenet

MIB = 1 << 20

def images(mib):  # whose finest level's coefficients take so many MiB
    return torch.rand(mib // 2, 256, 256)  # 4 bands of complex64

def bands(x):
    return phasenet.SteerablePyramid(3, 4)(x).bands[0]

def lazily_freed():
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(x.split()[1]) << 10 for x in lines if x.startswith("LazyFree:"))
"""


def run(code: str, keep: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PHASENET_KEEP_MB"}
    if keep is not None:
        environment["PHASENET_KEEP_MB"] = keep
    return subprocess.run(
        [sys.executable, "-c", PREPARE + textwrap.dedent(code)],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def printed(code: str, keep: str | None = None) -> list[str]:
    done = run(code, keep)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@keeping
def test_the_next_result_has_the_memory_of_the_last():
    found = printed("""
        x = images(48)
        first = bands(x)
        place, wanted = first.data_ptr(), first.clone()
        other = bands(x)  # while the first lives it is not shared
        print(other.data_ptr() != place)
        first.fill_(complex("nan"))
        view = first[3:]
        del first
        print(bands(x).data_ptr() != place)  # a view still lives
        del view
        again = bands(x)
        print(again.data_ptr() == place, torch.equal(again, wanted), torch.equal(other, wanted))
    """)
    assert found == ["True"] * 5


@keeping
def test_what_is_kept_is_offered_to_the_system_and_limited():
    code = """
        results = [bands(images(48)) for _ in range(4)]
        print(lazily_freed() // MIB)
        del results
        print(lazily_freed() // MIB)
    """
    assert [int(x) for x in printed(code, "100")] == [0, 96]  # the latest two
    assert [int(x) for x in printed(code)] == [0, 192]
    assert [int(x) for x in printed(code, "0")] == [0, 0]


@keeping
def test_a_much_smaller_result_does_not_take_it():
    found = printed("""
        large = bands(images(96))
        place = large.data_ptr()
        del large
        small = bands(images(48))
        print(small.data_ptr() == place)
    """)
    assert found == ["False"]


@pytest.mark.skipif(not LINUX, reason="only Linux keeps memory")
@pytest.mark.parametrize("asked", ["much", "-1", "1.5", "512 MB", "9999999999"])
def test_what_is_no_limit_is_refused(asked):
    done = run("bands(images(48))", asked)
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1] == (
        f"RuntimeError: phasenet: PHASENET_KEEP_MB: expected a whole number of MiB, got '{asked}'"
    )


def test_threads_do_not_share_results():
    videos = [torch.rand(160, 48, 48) for _ in range(4)]  # 35 MiB of the finest level's windows
    wanted = [phasenet.phase_difference_windows(x, 12) for x in videos]

    def repeatedly(i: int) -> bool:
        good = True
        for _ in range(4):
            found = phasenet.phase_difference_windows(videos[i], 12)
            good &= all(torch.equal(a, b) for a, b in zip(found, wanted[i], strict=True))
            for plane in found:
                plane.fill_(float("nan"))
        return good

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(repeatedly, range(4)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_its_own():
    found = printed("""
        import os
        torch.set_num_threads(1)
        x = images(48)
        wanted = bands(x).clone()
        child = os.fork()
        found = bands(x)
        good = torch.equal(found, wanted)
        found.fill_(0)
        del found
        if child == 0:
            os._exit(0 if good else 1)
        print(good, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert found == ["True", "0"]


def test_large_results_are_usual_tensors(tmp_path):
    """Saved, sent to another process's memory, changed in place, differentiated."""
    frames = torch.rand(160, 48, 48, requires_grad=True)
    finest = phasenet.phase_difference_windows(frames, 12)[0]
    assert finest.numel() * 4 > 32 << 20
    finest.square().mean().backward()
    assert torch.isfinite(frames.grad).all()
    kept = finest.detach()
    assert kept.is_contiguous()
    assert kept.untyped_storage().nbytes() == kept.numel() * 4
    torch.save(kept, tmp_path / "kept.pt")
    assert torch.equal(torch.load(tmp_path / "kept.pt", weights_only=True), kept)
    shared = kept.clone().share_memory_()
    assert torch.equal(shared, kept)
    assert torch.equal(kept.share_memory_(), shared)
    assert (kept.numpy() == shared.numpy()).all()
