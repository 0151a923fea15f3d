"""A version says which code made it."""

from __future__ import annotations

from pathlib import Path

from learning.train.code import code_version


def test_the_same_code_has_the_same_version_and_other_code_another(tmp_path: Path) -> None:
    found = []
    for name, text in (("a", "1"), ("b", "1"), ("c", "2"), ("d", "1")):
        folder = tmp_path / name / "models"
        folder.mkdir(parents=True)
        (folder / ("moved.py" if name == "d" else "model.py")).write_text(text, encoding="utf-8")
        found.append(code_version(tmp_path / name))
    assert found[0] == found[1] and len(set(found)) == 3
