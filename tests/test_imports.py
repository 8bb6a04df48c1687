"""Modules import each other one way round, and none at all in a circle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def modules(package: str) -> dict[str, Path]:
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, path: Path, known: set[str], *, later: bool = False) -> set[str]:
    """What a module imports of `known` when it is imported itself, or, with `later`, ever.

    Packages above it are not.
    """
    tree, found = ast.parse(path.read_text(encoding="utf-8")), set()
    for node in ast.walk(tree) if later else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {x if x in known else node.module for x in full}
    return {x for x in found & known if not f"{name}.".startswith(f"{x}.")}


@pytest.mark.parametrize("package", ["phasenet", "mimamo", "benchmarks"])
def test_no_module_imports_itself_by_others(package):
    known = modules(package)
    assert len(known) > 10
    graph = {name: imported(name, path, set(known)) for name, path in known.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the circle


@pytest.mark.parametrize("package", ["phasenet", "mimamo", "benchmarks"])
def test_no_room_leads_back_to_itself(package):
    """A room is a folder, or a module beside them; what functions import counts as well."""
    known, graph = modules(package), {}
    for name, path in known.items():
        room, *others = (
            ".".join(x.split(".")[:2])
            for x in (name, *imported(name, path, set(known), later=True))
        )
        graph.setdefault(room, set()).update({*others} - {room})
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the circle


def test_reading_and_finding_faces_know_nothing_of_what_comes_after():
    known = modules("mimamo")
    later = ("mimamo.model", "mimamo.predict", "mimamo.train", "mimamo.evaluate", "mimamo.cli")
    for name, path in known.items():
        if name.startswith(("mimamo.video", "mimamo.faces", "mimamo.page")):
            assert not [x for x in imported(name, path, set(known)) if x.startswith(later)], name
        if not name.startswith(("mimamo.cli", "mimamo.__main__")):
            up = [x for x in imported(name, path, set(known)) if x.startswith("mimamo.cli")]
            assert up == [], name


def test_only_a_network_that_loads_itself_leads_back_within_a_room():
    """What functions import counts: `MIMAMONet.from_pretrained` reads files that know the class."""
    known = modules("mimamo")
    graph = {name: imported(name, path, set(known), later=True) for name, path in known.items()}
    assert "mimamo.model.pretrained" in graph["mimamo.model.network"]
    graph["mimamo.model.network"] -= {"mimamo.model.pretrained", "mimamo.model.checkpoint"}
    TopologicalSorter(graph).prepare()
