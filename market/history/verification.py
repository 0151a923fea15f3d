"""Check history: every file whole, sorted and as its name says, sequences once, gaps told, hashes held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from domain.dtypes import SNAPSHOT_ROW
from domain.errors import SwarmError
from market.history.archive import Manifest
from market.history.arrow import Column
from market.history.catalog import by_series, parts
from market.history.columns import SEQUENCE, TIME
from market.history.lane import FOREVER_NS, Lane, metadata, opened
from market.history.layout import MANIFESTS, Kind, Part, Series
from market.history.part import GROUP_ROWS
from market.history.raw import file_hash


class Verified(msgspec.Struct, frozen=True):
    """What was found in one series; gaps are told and are no trouble of the files."""

    series: Series
    files: int
    rows: int
    duplicates: int
    gaps: int
    missing: int
    trouble: tuple[str, ...]


def verify(root: Path, *, venues: Sequence[str] | None = None) -> Iterator[Verified]:
    """Check everything, a series at a time."""
    hashes = manifest_hashes(root)
    for series, found in by_series(parts(root, venues=venues)).items():
        yield _series(root, series, found, hashes)


def manifest_hashes(root: Path) -> dict[str, str]:
    """Give the hash of every file that some archive's manifest names."""
    hashes: dict[str, str] = {}
    for path in sorted((root / MANIFESTS).glob("*.json")):
        for entry in msgspec.json.decode(path.read_bytes(), type=Manifest).files:
            hashes[entry.path] = entry.blake2b
    return hashes


def _series(root: Path, series: Series, found: Sequence[Part], hashes: dict[str, str]) -> Verified:
    trouble: list[str] = []
    keys: list[tuple[Column, Column, Column]] = []
    for part in found:
        try:
            keys.append(_keys(root, part, trouble))
        except SwarmError as error:
            trouble.append(error.what)
        path = part.path(Path()).as_posix()
        if path in hashes and file_hash(root / path) != hashes[path]:
            trouble.append(f"{part.name} is not what its archive's manifest says")
    duplicates, gaps, missing = _continuity(series.kind, keys)
    if duplicates:
        trouble.append(f"{duplicates} sequences are there twice")
    rows = sum(part.rows for part in found)
    return Verified(series, len(found), rows, duplicates, gaps, missing, tuple(trouble))


def _keys(root: Path, part: Part, trouble: list[str]) -> tuple[Column, Column, Column]:
    """Check one file, and give its first and last sequences and a column that tells what to compare."""
    kind = part.series.kind
    _check_metadata(root, part, trouble)
    firsts, lasts, marks = [], [], []
    rows, last_ns, sorted_ = 0, -1, True
    lane = Lane(root, kind, [part], 0, FOREVER_NS, GROUP_ROWS)
    lane.load()
    while (columns := lane.take(FOREVER_NS)) is not None:
        times = columns.numbers[TIME[kind]]
        sorted_ = sorted_ and int(times[0]) >= last_ns and not np.any(times[1:] < times[:-1])
        rows, last_ns = rows + len(columns), int(times[-1])
        lasts.append(columns.numbers[SEQUENCE[kind]])
        firsts.append(columns.numbers["first_sequence"] if kind == Kind.BOOKS else lasts[-1])
        marks.append(columns.numbers[{Kind.BOOKS: "kind", Kind.BARS: "interval_ns"}.get(kind, "arrival")])
        lane.load()
    if not sorted_:
        trouble.append(f"{part.name} is not sorted by time")
    if rows != part.rows:
        trouble.append(f"{part.name} has {rows} rows, not {part.rows}")
    elif last_ns != part.last_ns:
        trouble.append(f"{part.name} ends at {last_ns}, not {part.last_ns}")
    joined = [np.concatenate(each) if each else np.empty(0, np.int64) for each in (firsts, lasts, marks)]
    return joined[0], joined[1], joined[2]


def _check_metadata(root: Path, part: Part, trouble: list[str]) -> None:
    file = opened(part.path(root))
    told = metadata(file)
    file.close()
    wanted = {"venue": part.series.venue, "symbol": part.series.symbol, "kind": str(part.series.kind)}
    for key, value in wanted.items():
        if told.get(key) != value:
            trouble.append(f"{part.name} says {key} {told.get(key)!r}, its folder {value!r}")


def _continuity(kind: Kind, keys: Sequence[tuple[Column, Column, Column]]) -> tuple[int, int, int]:
    """Count sequences that are there twice, the gaps between them, and how many are missing in those."""
    if not keys:
        return 0, 0, 0
    firsts, lasts, marks = (np.concatenate(column) for column in zip(*keys, strict=True))
    wholes = lasts[:0]
    if kind == Kind.BOOKS:
        deltas = marks != SNAPSHOT_ROW
        wholes, firsts, lasts = lasts[~deltas], firsts[deltas], lasts[deltas]
    if kind == Kind.BARS:
        return _bar_continuity(lasts, marks)
    order = np.argsort(lasts, kind="stable")
    firsts, lasts = firsts[order], lasts[order]
    steps = np.diff(lasts)
    if kind == Kind.TICKS:
        # A venue's tick may skip numbers, and a venue without any gives the same one always.
        return (0 if len(lasts) == 0 or lasts[0] == lasts[-1] else int(np.sum(steps == 0))), 0, 0
    between = firsts[1:] - lasts[:-1] - 1
    # A book that was told anew between two changes has a number of its own. How many changes came before it
    # nobody knows where the connection's time is part of that number.
    told_anew = np.isin(firsts[1:] - 1, wholes)
    gaps = (between > told_anew) & (steps > 0)
    return int(np.sum(steps == 0)), int(gaps.sum()), int(between[gaps & ~told_anew].sum())


def _bar_continuity(opens: Column, intervals: Column) -> tuple[int, int, int]:
    duplicates = gaps = missing = 0
    for interval in np.unique(intervals).tolist():
        steps = np.diff(np.sort(opens[intervals == interval]))
        duplicates += int(np.sum(steps == 0))
        gaps += int(np.sum(steps > interval))
        missing += int(np.sum(np.maximum(steps // max(interval, 1) - 1, 0)))
    return duplicates, gaps, missing
