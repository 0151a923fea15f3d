"""CSV files as people have them: blank lines at the end, and packed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from market.history import raw
from market.history.csv_source import CsvSource
from market.history.raw import BadInput


def read(path: Path) -> list[str]:
    chunks = CsvSource(path, None).chunks(("a", "b"))
    return [value for chunk in chunks for value in chunk.columns["a"].to_pylist()]


@pytest.mark.parametrize("size", [1 << 20, 7])
@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\n\n\n\n\n\n\n\n\n", "\r\n\r\n\r\n"])
def test_blank_lines_at_the_end_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, end: str
) -> None:
    monkeypatch.setattr(raw, "_CHUNK_BYTES", size)
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n3,4" + end, newline="")
    assert read(path) == ["1", "3"]


def test_a_blank_line_between_others_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "_CHUNK_BYTES", 7)
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n\n\n\n3,4\n")
    with pytest.raises(BadInput, match="blank") as told:
        read(path)
    assert told.value.line == 3


def test_a_packed_file_is_read_and_a_cut_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n3,4\n"))
    assert read(path) == ["1", "3"]
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(BadInput, match="cut or damaged"):
        read(path)
