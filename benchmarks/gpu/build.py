"""`python -m benchmarks.gpu.build`: the libraries, those in the checkout if they fit, else built.

For the GPU that is here, or with `--device cpu` as the tests emulate the CUDA operators.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from benchmarks.gpu.plan import OPERATORS, ROOT
from setup import source_digest

TELL = "import json, phasenet; print(json.dumps(phasenet.build_info()))"


def fits(architecture: str | None) -> bool:
    """Whether this torch loads the libraries in the checkout, and they are of its sources and for
    this architecture."""
    command = [sys.executable, "-W", "ignore", "-c", TELL]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return False
    info = json.loads(done.stdout)
    built = [name.removesuffix("+PTX") for name in info.get("cuda") or []]
    whole = (ROOT / "phasenet" / "libphasenet_cuda.so").exists() and architecture in built
    return info.get("sources") == source_digest() and (architecture is None or whole)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.build", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    architecture = None
    if parser.parse_args().device == "cuda":
        import torch

        architecture = "{}.{}".format(*torch.cuda.get_device_capability())
    if fits(architecture):
        print("the libraries of the checkout fit", flush=True)
    else:
        asked = {"PHASENET_CUDA": "1", "TORCH_CUDA_ARCH_LIST": architecture}
        environment = {**os.environ, **(asked if architecture else {"PHASENET_CUDA": "0"})}
        command = [sys.executable, "-W", "ignore", "setup.py", "build_ext", "--inplace"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    if architecture is None:
        command = [sys.executable, "tests/emulation/build.py"]
        subprocess.run(command, cwd=ROOT, check=True)
        if not OPERATORS.exists():
            raise SystemExit(f"{OPERATORS}: expected the emulated operators there, found none")


if __name__ == "__main__":
    main()
