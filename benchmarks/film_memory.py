"""`python -m benchmarks.film_memory`: what a longer film adds to the memory of `mimamo predict`.

Renders a film of a minute and repeats it as it is encoded; predicts both, each in a fresh process
that tells the most that was resident in it (VmHWM, Linux). The networks have random weights.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import torch

from benchmarks.suites.memory import STATUS, in_a_process, resident
from benchmarks.suites.reading import repeated
from mimamo.cli import main as mimamo
from mimamo.demo.synth.video import write_video
from mimamo.model import MIMAMOConfig, MIMAMONet, ResNet50, SmallBackbone, save_checkpoint

FPS, SECONDS, SIZE = 25, 60, (640, 360)
BAR = 50 << 20  # bytes that a film `TIMES` as long may take more
TIMES = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both peaks and their difference; 1 if that is above the bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.film_memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a second and five; a small network")
    parser.add_argument("--rounds", type=int, default=1, help="of both films, one after the other")
    asked, options = parser.parse_known_args(arguments)  # the rest is for the command
    seconds = 1 if asked.quick else SECONDS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short, long = folder / "short.mp4", folder / "long.mp4"
        write_video(short, frames=FPS * seconds, fps=FPS, size=SIZE)
        repeated(short, long, TIMES)
        weights = folder / "weights.safetensors"
        torch.manual_seed(0)
        backbone = SmallBackbone() if asked.quick else ResNet50(seed=0)
        network = MIMAMONet(MIMAMOConfig(feature_dim=backbone.feature_dim))
        save_checkpoint(weights, network, backbone)
        more = []
        for _ in range(asked.rounds):
            command = ["--weights", str(weights), "--out", str(folder / "out"), *options]
            peaks = [in_a_process(_peak, str(film), *command) for film in (short, long)]
            more.append(peaks[1] - peaks[0])
            told = [f"{peak / 2**20:.0f} MiB" for peak in (*peaks, more[-1])]
            print(f"{seconds} s: {told[0]}; {TIMES * seconds} s: {told[1]}; more: {told[2]}")
    return int(max(more) > BAR)


def _peak(*arguments: str) -> int:
    """The most bytes that were resident in this process once it has predicted a film."""
    with redirect_stdout(StringIO()):
        if status := mimamo(["predict", *arguments]):
            raise RuntimeError(f"mimamo predict ended with status {status}")
    return resident("VmHWM")


if __name__ == "__main__":
    if not STATUS.exists():
        sys.exit(f"needs {STATUS}, which Linux has")
    sys.exit(main())
