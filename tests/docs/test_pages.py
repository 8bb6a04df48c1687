"""The documentation builds without a warning, and what it shows runs."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import mimamo
import phasenet
from mimamo.cli import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
#: Its snippets need a video and a run; test_commands.py has them.
PREPARED = DOCS / "tutorials/predict-a-video.md"


def fenced(page: Path, languages: tuple[str, ...]) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [text for language, text in blocks if language in languages]


def name_of(page: Path) -> str:
    """A page as Sphinx names it."""
    return page.relative_to(DOCS).with_suffix("").as_posix()


def public_names(name: str) -> set[str]:
    """What a module defines, or says is its own, and the methods of its classes."""
    module = importlib.import_module(name)
    own = getattr(module, "__all__", None) or [
        key for key, x in vars(module).items() if getattr(x, "__module__", "") == name
    ]
    found = set()
    for key in own:
        value = getattr(module, key)
        if key.startswith("_") or not callable(value):
            continue
        found.add(f"{name}.{key}")
        if isinstance(value, type):
            methods = [x for x, f in vars(value).items() if inspect.isfunction(f) and x[0] != "_"]
            found |= {f"{name}.{key}.{x}" for x in methods if x != "extra_repr"}
    return found


@pytest.mark.slow
def test_it_builds_without_a_warning(tmp_path):
    pytest.importorskip("furo", reason="Sphinx and its theme are not installed (extra: docs)")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    result = subprocess.run(
        [*command, "-d", str(tmp_path / "cache"), str(DOCS), str(tmp_path / "html")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    html = {
        path.relative_to(tmp_path / "html").with_suffix("").as_posix(): path.read_text("utf-8")
        for path in tmp_path.glob("html/**/*.html")
    }
    assert {name_of(page) for page in PAGES[2:]} <= set(html)
    maths, reference = html["explanation/maths"], html["reference/phasenet"]
    assert "<math" in maths
    assert all(f"/figures/{name}.png" not in maths for name in ("radial", "motion"))
    assert "_images/radial.png" in maths
    for name in ("phasenet", "phasenet.reference"):  # every public function, class and method
        assert {x for x in public_names(name) if f'id="{x}"' not in reference} == set()
    for name in set(mimamo.__all__) - {"__version__"}:
        assert f'id="mimamo.{name}"' in html["reference/mimamo"]
    for page in re.findall(r"^## (mimamo\.\w+)", (DOCS / "reference/mimamo.md").read_text(), re.M):
        documented = re.findall(rf'id="{page}[\w.]*\.(\w+)"', html["reference/mimamo"])
        assert exported(page) - set(documented) == set()
    links = set(re.findall(r'href="../explanation/maths.html#([a-z-]+)"', reference))
    assert links == {"maths-pyramid", "maths-phase-differences", "maths-windows"}
    assert all(f'id="{link}"' in maths for link in links)
    for name, command in typer.main.get_command(app).commands.items():
        options = {x for parameter in command.params for x in parameter.opts if x[0] == "-"}
        assert f'id="mimamo-{name}"' in html["reference/commands"]
        assert all(option in html["reference/commands"] for option in options)
    for page, text in html.items():  # readable without a network
        loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(http[^"]*)"', text)
        assert loaded == [], page


def exported(package: str) -> set[str]:
    """The functions and classes of its own that a package of mimamo hands out."""
    module = importlib.import_module(package)
    own = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if f"{getattr(value, '__module__', '')}.".startswith(f"{package}.") and name[0] != "_"
    ]
    found = {name: getattr(module, name) for name in own}
    return {name for name, x in found.items() if inspect.isclass(x) or inspect.isfunction(x)}


@pytest.mark.parametrize(
    ("public", "papers"),
    [
        (phasenet.SteerablePyramid, ["Portilla & Simoncelli", "IJCV"]),
        (phasenet.phase_difference, ["Deng", "AAAI 2020", "Wadhwa"]),
        (phasenet.phase_difference_windows, ["Deng", "AAAI 2020"]),
    ],
)
def test_docstrings_name_paper_and_definition(public, papers):
    assert all(paper in public.__doc__ for paper in [*papers, "maths.md <maths-"])


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES[2:] if fenced(page, ("python",)) and page != PREPARED],
    ids=name_of,
)
def test_snippets_run(page, tmp_path, monkeypatch):
    """One after the other, as they are read."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    for snippet in fenced(page, ("python",)):
        exec(compile(snippet, str(page), "exec"), names)
    if page.stem == "motion-features":
        made = {path.name for path in tmp_path.glob("*.png")}
        assert made == {"pyramid.png", "strip.png", "arrows.png"}
    if page.stem == "magnify":
        made = {path.name for path in tmp_path.iterdir()}
        assert made == {"before.png", "after.png", "slice.png", "tower.mp4", "large.mp4"}


def test_the_readme_is_one_page():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 130
    assert max(map(len, lines)) <= 120


def test_links_between_files_lead_somewhere():
    for page in PAGES:
        links = re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8"))
        for link in links:
            if "://" not in link and not link.startswith("../figures/"):  # made by the build
                assert (page.parent / link).exists(), (page, link)


def commands() -> list[tuple[str, list[str]]]:
    found = []
    for page in PAGES:
        for block in fenced(page, ("", "sh", "bash", "console")):
            for line in block.replace("\\\n", " ").splitlines():
                words = line.split("#")[0].split()
                while words and re.fullmatch(r"[A-Z_0-9]+=.*", words[0]):
                    words = words[1:]
                found += [(page.name, words)] if words else []
    return found


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    used = {words[1] for _, words in commands() if words[0] == "make" and len(words) > 1}
    text = " ".join(page.read_text(encoding="utf-8") for page in PAGES)
    used |= set(re.findall(r"`make ([a-z-]+)", text))
    assert {"demo", "test", "check", "sanitize", "nightly"} <= used
    assert used <= targets


def test_commands_of_mimamo_exist_with_their_options():
    group = typer.main.get_command(app)
    checked = 0
    for page, words in commands():
        if "mimamo" not in words:
            continue
        name, *rest = words[words.index("mimamo") + 1 :] or [""]
        if name.startswith("-") or not name:
            continue
        assert name in group.commands, (page, words)
        known = {
            option
            for parameter in group.commands[name].params
            for option in [*parameter.opts, *parameter.secondary_opts]
        }
        used = {word.split("=")[0] for word in rest if word.startswith("--")}
        assert used <= known, (page, words)
        checked += 1
    assert checked > 10


def test_every_command_of_the_benchmarks_is_in_the_reference():
    page = (DOCS / "reference/commands.md").read_text(encoding="utf-8")
    commands = {
        f"benchmarks.{path.stem}"
        for path in (ROOT / "benchmarks").glob("*.py")
        if "__main__" in path.read_text(encoding="utf-8") and path.stem != "__main__"
    }
    assert len(commands) > 5
    listed = set(re.findall(r"\{command-help\} (benchmarks[\w.]+)", page))
    assert listed >= commands | {"benchmarks.gpu.store"}
