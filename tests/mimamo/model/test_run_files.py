"""What the folder of a cross-validation holds."""

from __future__ import annotations

from pathlib import Path

from mimamo.model.run_files import folds_in


def test_folds_are_numbered_from_1_and_copies_are_none(tmp_path: Path) -> None:
    for name in ("fold-2", "fold-10", "fold-1", "fold-0", "fold-01", "fold-1 copy", "fold-99999"):
        (tmp_path / name).mkdir()
    (tmp_path / "fold-3").touch()  # no folder
    assert folds_in(tmp_path) == [1, 2, 10]
