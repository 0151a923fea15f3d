"""Many small files of a day to one sorted file, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import msgspec

from market.history.catalog import by_series, parts
from market.history.columns import instrument_of
from market.history.lane import metadata, opened, sorted_columns, together
from market.history.layout import Part, Series
from market.history.part import GROUP_ROWS, Columns, PartWriter
from market.history.staging import MAINTENANCE, Change, Staging


class Compacted(msgspec.Struct, frozen=True):
    """What became of one series."""

    series: Series
    files_before: int
    bytes_before: int
    bytes_after: int
    rows: int


def compact(root: Path, *, before: date, venues: Sequence[str] | None = None) -> Iterator[Compacted]:
    """Compact every series of days before a day; that day may still be growing."""
    with Staging(root, MAINTENANCE) as staging:
        for series, found in by_series(parts(root, venues=venues)).items():
            if series.day >= before or len(found) < 2:
                continue
            for same in _alike(root, found):
                if len(same) > 1:
                    yield _compacted(root, staging, series, same)


def _alike(root: Path, found: Sequence[Part]) -> list[list[Part]]:
    """Group parts by their steps: a file has one tick and one lot."""
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in found:
        told = metadata(opened(part.path(root)))
        groups.setdefault((told["tick"], told["lot"]), []).append(part)
    return list(groups.values())


def _compacted(root: Path, staging: Staging, series: Series, found: Sequence[Part]) -> Compacted:
    instrument = instrument_of(metadata(opened(found[0].path(root))))
    writer = PartWriter(staging.folder, series, instrument, f"compaction of {len(found)}", staging.number())
    try:
        for columns in in_groups(sorted_columns(root, series.kind, found)):
            writer.write(columns)
        part = writer.finish()
    except BaseException:
        writer.abandon()
        raise
    assert part.rows == sum(each.rows for each in found), "compaction keeps every row"
    before = sum(each.path(root).stat().st_size for each in found)
    after = writer.staged.stat().st_size
    removes = tuple(each.path(Path()).as_posix() for each in found if each.name != part.name)
    staging.commit(Change(((writer.staged.name, part.path(Path()).as_posix()),), removes))
    return Compacted(series, len(found), before, after, part.rows)


def in_groups(found: Iterator[Columns]) -> Iterator[Columns]:
    """Join pieces until they fill a row group."""
    held: Columns | None = None
    for columns in found:
        held = columns if held is None else together(held, columns)
        if len(held) >= GROUP_ROWS:
            yield held
            held = None
    if held is not None:
        yield held
