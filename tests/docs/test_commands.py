"""The README's and the documentation's commands, run as they are written, on data made in small."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage import data
from support.onnx_files import write

from mimamo.cli import main
from mimamo.model import MIMAMONet, ResNet50, save_checkpoint
from mimamo.model.weights import FERPLUS
from mimamo.train import TrainingConfig
from mimamo.video import VideoWriter

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from benchmarks import editions  # noqa: E402
from benchmarks.documented import blocks  # noqa: E402
from benchmarks.documented import commands as lines  # noqa: E402
from benchmarks.editions import SMALLER  # noqa: E402

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: Commands that are not run here, and why.
ELSEWHERE = {
    "make demo": "tests/mimamo/demo/test_run.py runs it in small",
    "mimamo demo --out demo-out": "tests/mimamo/demo/test_run.py runs it in small",
    "mimamo live 0 --weights run": "it needs a camera; tests/mimamo/predict/test_live.py",
    "mimamo train cache --out strong --recipe strong": (
        "its network has the published sizes; tests/mimamo/train/test_strong.py trains it in small"
    ),
    "make test": "it runs these tests",
    "make gpu-check OUT=gpu-check-out": "it needs a GPU; tests/benchmarks/test_gpu_check.py",
    "pip install -c constraints.txt .": "make test has installed it so",
    "TORCH_CUDA_ARCH_LIST=9.0 pip install --no-build-isolation .": (
        "it needs nvcc; tests/phasenet/test_cuda_build.py compiles for it"
    ),
    "python -m build": "make wheel-check runs it",
    "python -m benchmarks.magnification": "it takes minutes; test_magnification.py",
    "tensorboard --logdir run": "it serves until it is stopped",
}


HOWTO = ROOT / "docs/howto"
CONTINUED = {HOWTO / "train.md": HOWTO / "submit.md"}  # the latter starts from what the former made
RUN_BY_ANOTHER = {*CONTINUED.values(), editions.PAGE}  # the latter by test_editions.py
WITH_COMMANDS = [page for page in PAGES if lines(page) and page not in RUN_BY_ANOTHER]


def film(path: Path, length: int) -> None:
    """A video of a face that moves a little."""
    face = cv2.resize(data.astronaut(), (192, 192), interpolation=cv2.INTER_AREA)
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 30) as writer:
        for number in range(length):
            writer.write(cv2.copyMakeBorder(face, number % 4, 4 - number % 4, 2, 2, 2))


def published_weights(path: Path) -> None:
    """Random weights under the names that the authors' file has."""
    shapes = json.loads((ROOT / "tests/golden/mimamo_network.json").read_text())["state_dict"]
    tensors = {name: torch.randn(shape) / 50 for name, shape in shapes.items()}
    for name in tensors:
        if name.endswith("running_var"):
            tensors[name].fill_(1)
        elif name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(0)
    torch.save({"epoch": 0, "state_dict": tensors}, path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with what the pages suppose to be there: videos, weights, a data set, a run."""
    folder = tmp_path_factory.mktemp("documented")
    torch.manual_seed(0)
    film(folder / "talk.mp4", 6)
    film(folder / "interviews/one.mp4", 3)
    frames = folder / "casme2/sub01/EP02_01f"
    frames.mkdir(parents=True)
    for number in (1, 2):
        cv2.imwrite(str(frames / f"img{number}.jpg"), data.astronaut()[..., ::-1])
    size = ["--identities", "7", "--takes", "1", "--frames", "20"]
    assert main(["synth", "--out", str(folder / "aff-wild2"), *size]) == 0
    for annotation in folder.glob("aff-wild2/annotations/Test_Set/*.txt"):
        length = len(annotation.read_text().splitlines()) - 1
        film(folder / f"aff-wild2/videos/batch1/{annotation.stem.rsplit('_', 1)[0]}.mp4", length)
        annotation.unlink()
    for name, width in (("mae", 24), ("clip", 8)):
        (folder / name).mkdir()
        for faces in (folder / "aff-wild2/cropped_aligned").iterdir():
            np.save(
                folder / name / f"{faces.name}.npy", np.ones((len(list(faces.iterdir())), width))
            )
    write(folder / "emotion_net.onnx", ("n", 3, "h", "w"), name="features")
    theirs = {ours: name for name, ours in FERPLUS.modules.items()}
    backbone = {
        f"{theirs[module]}.{leaf}": tensor
        for name, tensor in ResNet50("ferplus", seed=0).state_dict().items()
        for module, _, leaf in [name.rpartition(".")]
    }
    torch.save(backbone, folder / "resnet50_ferplus_dag.pth")
    published_weights(folder / "model_weights.pth.tar")
    (folder / "run").mkdir()
    TrainingConfig().save(folder / "run/config.toml")
    save_checkpoint(folder / "run/best.safetensors", MIMAMONet(), ResNet50(image_size=64, seed=0))
    editions.TINY.save(folder / editions.TINY_FILE)
    (folder / "docs/explanation").mkdir(parents=True)
    for recipe in (ROOT / "docs/explanation").glob("*.toml"):
        shutil.copy(recipe, folder / "docs/explanation")
    return folder


def run(words: list[str]) -> int:
    """One command, in this process but for torchrun."""
    if words[0] == "torchrun":
        words = ["torchrun", "--standalone", "--nproc-per-node", "2", *words[3:]]  # at a free port
        name = words[words.index("mimamo") + 1]
        python = [sys.executable, "-m", "torch.distributed.run", *words[1:]]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*python, *SMALLER.get(name, [])], env=environment, capture_output=True, text=True
        )
        print(done.stdout, done.stderr)
        return done.returncode
    assert words[0] == "mimamo", words
    smaller = SMALLER.get(words[1], [])
    if "--config" in words:
        smaller = smaller[:2]
    if "--resume" in words or "--join" in words:
        smaller = smaller[:2] if words[1] == "crossval" else []
    return main([*words[1:], *smaller])


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_commands_run(page, prepared, tmp_path, monkeypatch):
    """One after the other, as they are read; what is not run is said."""
    folder = shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(folder)
    commands = [line for read in (page, CONTINUED.get(page)) if read for line in lines(read)]
    ran = 0
    for line in commands:
        if line in ELSEWHERE:
            print(f"not run: {line}: {ELSEWHERE[line]}")
            continue
        words = shlex.split(line)
        if {"train", "extract"} & set(words) and "--resume" not in words:
            # What was there before, or was made another way.
            shutil.rmtree(folder / words[words.index("--out") + 1], ignore_errors=True)
        assert run(words) == 0, line
        ran += 1
    assert ran or all(line in ELSEWHERE for line in commands)


def test_what_is_not_run_is_in_a_page():
    every = {line for page in PAGES for line in lines(page)}
    assert set(ELSEWHERE) <= every
    assert len(every) > 25


def run_python(page: Path) -> dict[str, object]:
    """Every snippet, one after the other; returns the names that are left."""
    names: dict[str, object] = {"__name__": page.stem}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, page.name, "exec"), names)
    return names


def test_python_of_the_readme_runs(tmp_path, monkeypatch):
    """Snippets of the other pages run in test_pages.py."""
    monkeypatch.chdir(tmp_path)
    names = run_python(ROOT / "README.md")
    assert names["level1"].shape == (64, 24, 48, 48)
    assert names["level2"].shape == (64, 24, 24, 24)
    assert names["images"].shape == (3, 201, 300)
    assert names["motion"].shape == (63, 2, 48, 48)
    for index, levels in names["windows"]:
        assert torch.equal(levels[0], names["level1"][index])


@pytest.mark.slow
def test_python_that_predicts_runs(prepared, tmp_path, monkeypatch):
    folder = shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(folder)
    run_python(ROOT / "docs/tutorials/predict-a-video.md")
    assert (folder / "results/talk.csv").stat().st_size > 0
