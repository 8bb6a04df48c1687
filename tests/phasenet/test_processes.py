"""Several threads, forked processes and inputs of 100 million numbers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from support.clip_dataset import Clips
from torch.utils.data import DataLoader

from phasenet import SteerablePyramid, phase_difference_windows


def test_threads_call_at_once():
    """Different sizes, so that plans are made and dropped meanwhile; results are bit for bit."""
    torch.manual_seed(0)
    videos = [torch.rand(8, 16 + i, 20 + i % 5, requires_grad=True) for i in range(24)]

    def work(video: torch.Tensor) -> list[torch.Tensor]:
        levels = phase_difference_windows(video, 3)
        (grad,) = torch.autograd.grad(sum(level.square().sum() for level in levels), video)
        coeffs = SteerablePyramid(4, 3)(video.detach())
        return [*levels, grad, *coeffs.bands, SteerablePyramid(4, 3).inverse(coeffs)]

    alone = [work(video) for video in videos]
    start = threading.Barrier(2)

    def all_of(order: list[int]) -> dict[int, list[torch.Tensor]]:
        start.wait(timeout=60)
        return {i: work(videos[i]) for i in order}

    with ThreadPoolExecutor(2) as pool:
        orders = list(range(24)), list(reversed(range(24)))
        both = [future.result(timeout=300) for future in [pool.submit(all_of, o) for o in orders]]
    for results in both:
        for i, expected in enumerate(alone):
            assert all(map(torch.equal, results[i], expected))


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.slow
def test_workers_of_a_data_loader(start):
    """Also forked ones, after the parent has used the operators on all its threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    expected = torch.stack([Clips()[i] for i in range(6)])
    torch.set_num_threads(threads)
    loader = DataLoader(Clips(), batch_size=3, num_workers=2, multiprocessing_context=start)
    # A child has one thread; results do not depend on that.
    assert torch.equal(torch.cat(list(loader)), expected)


FORKING = """
import os, signal, threading, warnings
import torch, phasenet

warnings.simplefilter("ignore")  # of forking while threads run
torch.set_num_threads(1)
images = [torch.rand(0, side, side) for side in range(8, 26)]  # more plans than are kept
stop = threading.Event()

def make_plans():
    for image in images:
        torch.ops.phasenet.pyramid(image, 3, 2)

def keep_making():
    while not stop.is_set():
        make_plans()

threads = [threading.Thread(target=keep_making) for _ in range(3)]
for thread in threads:
    thread.start()
hung = 0
for _ in range(40):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        make_plans()
        os._exit(0)
    hung += os.waitpid(child, 0)[1] != 0
    if hung:
        break
stop.set()
for thread in threads:
    thread.join()
print(hung)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_while_other_threads_make_plans():
    """None of the children waits for ever for a thread that it does not have."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.stdout.strip(), done.returncode) == ("0", 0), done.stderr


@pytest.mark.slow
def test_windows_of_100_million_pixels():
    """43,404 frames of 48 x 48; the last windows are those of the last frames alone."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (43_404, 48, 48), dtype=torch.uint8, generator=generator)
    assert frames.numel() > 100_000_000
    (level2,) = phase_difference_windows(frames, 2, levels=(2,), boundary="valid")
    (tail,) = phase_difference_windows(frames[-9:], 2, levels=(2,), boundary="valid")
    assert level2.shape == (43_402, 4, 24, 24)
    torch.testing.assert_close(level2[-7:], tail, rtol=0, atol=1e-4)
    assert bool(torch.isfinite(level2).all())


@pytest.mark.slow
def test_pyramids_of_100_million_pixels():
    images = torch.zeros(1_526, 256, 256)
    images[:, ::7, ::5] = 1
    images[-1, 3] = 2
    assert images.numel() > 100_000_000
    pyramid = SteerablePyramid(3, 2)
    restored = pyramid.inverse(pyramid(images))
    assert float((restored - images).norm() / images.norm()) < 1e-5
    assert float((restored[-1] - images[-1]).norm() / images[-1].norm()) < 1e-5


@pytest.mark.nightly
def test_pyramid_of_an_image_of_100_million_pixels():
    """One image of 10,000 x 10,000 is restored, so no index overflowed on the way."""
    image = torch.zeros(10_000, 10_000)
    image[::97, ::89] = 1
    image[-1, -1] = 2
    pyramid = SteerablePyramid(3, 2)
    restored = pyramid.inverse(pyramid(image))
    assert float((restored - image).norm() / image.norm()) < 1e-5
