"""Walk the whole chain of a journal's folder, and find records in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bus.journal_block import genesis_hash, packed_count, unpack
from bus.journal_mark import Mark
from bus.journal_trouble import broken, reading
from bus.segment import (
    Extent,
    Origin,
    file_bytes,
    open_to_read,
    read_blocks,
    segment_numbers,
    segment_path,
    verify_segment,
    wal_path,
)


@dataclass(frozen=True)
class OpenReport:
    """Say what opening a journal found.

    `cut_events` were committed once and are gone with a torn tail; `cut_bytes` are those of the tear. An
    unfinished commit was never promised to anybody: it has bytes but counts no events.
    """

    events: int
    hash: str
    segments: int
    cut_events: int = 0
    cut_bytes: int = 0
    reason: str | None = None


def verify_chain(directory: Path, name: str) -> list[Extent]:
    """Check every block of every segment, oldest first; an empty folder has none."""
    numbers = segment_numbers(directory)
    _check_logs(directory)
    expected = Origin(name, 1, 1, genesis_hash(name))
    extents: list[Extent] = []
    for number in numbers:
        if number != expected.number:
            raise broken(segment_path(directory, expected.number), expected.first_sequence, "it is missing")
        extent = verify_segment(directory, expected)
        if number != numbers[-1] and not extent.sealed:
            raise broken(segment_path(directory, number), extent.events, "the segment was not sealed")
        extents.append(extent)
        expected = Origin(name, number + 1, extent.events + 1, extent.hash)
    return extents


def _check_logs(directory: Path) -> None:
    # A new segment of the same number would take an orphaned log for its own.
    for log in sorted(directory.glob("*.db-wal")):
        path = log.with_name(log.name.removesuffix("-wal"))
        if not path.exists():
            raise broken(path, 0, "the segment is missing, its write-ahead log is still here")


def compare(directory: Path, extents: list[Extent], mark: Mark | None) -> OpenReport:
    """Tell whether the chain reaches as far as it was committed."""
    last = extents[-1]
    report = OpenReport(last.events, last.hash.hex(), len(extents))
    if mark is None:
        _check_structure(segment_path(directory, last.origin.number), last.events + 1)
        reason = "the head mark is missing or damaged: a lost tail would go unseen" if last.events else None
        return OpenReport(report.events, report.hash, report.segments, reason=reason)
    path = segment_path(directory, mark.segment)
    if mark.segment > last.origin.number:
        raise broken(path, last.events + 1, "the last segment is missing")
    if mark.events == last.events and mark.hash != last.hash:
        raise broken(path, last.events, "the head mark belongs to other events")
    if mark.events <= last.events:
        return report
    return _cut(path, last, mark, len(extents))


def _cut(path: Path, last: Extent, mark: Mark, segments: int) -> OpenReport:
    torn_bytes = mark.wal_bytes - file_bytes(wal_path(path))
    lost = mark.events - last.events
    if mark.segment != last.origin.number or torn_bytes <= 0:
        raise broken(path, last.events + 1, f"{lost} committed events do not verify")
    _check_structure(path, last.events + 1)
    return OpenReport(
        last.events,
        last.hash.hex(),
        segments,
        cut_events=lost,
        cut_bytes=torn_bytes,
        reason=f"the write-ahead log lost its last {torn_bytes} bytes",
    )


def _check_structure(path: Path, sequence: int) -> None:
    # A log that lost frames already copied into the database leaves pages of two ages side by side.
    with reading(path, sequence), closing(open_to_read(path)) as connection:
        rows = connection.execute("pragma integrity_check(1)").fetchall()
    if rows != [("ok",)]:
        raise broken(path, sequence, "what was lost goes through the database itself")


def read_origin(path: Path) -> Origin:
    """Read where a segment comes from."""
    with reading(path), closing(open_to_read(path)) as connection:
        row = connection.execute("select * from origin").fetchone()
        if row is None:
            raise broken(path, 0, "the segment does not say where it comes from")
        return Origin(*row[1:])


def read_records(directory: Path, first_sequence: int) -> Iterator[tuple[int, bytes]]:
    """Give committed records of all segments from a sequence on."""
    numbers = segment_numbers(directory)
    starts = {number: read_origin(segment_path(directory, number)).first_sequence for number in numbers}
    for number, following in zip(numbers, [*numbers[1:], None], strict=True):
        if following is None or starts[following] > first_sequence:
            yield from _read_segment(segment_path(directory, number), first_sequence)


def _read_segment(path: Path, first_sequence: int) -> Iterator[tuple[int, bytes]]:
    with reading(path, first_sequence), closing(open_to_read(path)) as connection:
        row = connection.execute(
            "select max(first_sequence) from blocks where first_sequence <= ?", (first_sequence,)
        ).fetchone()
        for start, _, payload in read_blocks(connection, row[0] if row[0] is not None else first_sequence):
            records = enumerate(unpack(payload), start)
            yield from islice(records, max(0, first_sequence - start), None)


def block_hash_at(directory: Path, sequence: int) -> bytes | None:
    """Give the stored hash of the block that holds a sequence; `None` where there is none."""
    for number in reversed(segment_numbers(directory)):
        path = segment_path(directory, number)
        with reading(path, sequence), closing(open_to_read(path)) as connection:
            row = connection.execute(
                "select first_sequence, hash, payload from blocks where first_sequence <= ? "
                "order by first_sequence desc limit 1",
                (sequence,),
            ).fetchone()
        if row is not None:
            return bytes(row[1]) if sequence < row[0] + packed_count(row[2]) else None
    return None
