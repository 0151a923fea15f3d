"""One segment of a journal: a SQLite file that names where the chain comes from and where it ends."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bus.journal_block import block_hash, packed_count
from bus.journal_trouble import broken, reading

_SCHEMA = """
create table origin(format integer not null, name text not null, number integer not null,
    first_sequence integer not null, previous_hash blob not null);
create table blocks(first_sequence integer primary key, hash blob not null, payload blob not null);
create table seal(events integer not null, hash blob not null);
"""
_FORMAT = 1
_FILE = re.compile(r"(\d{6})\.db")
_FRAME_HEADER_BYTES, _WAL_HEADER_BYTES = 24, 32


@dataclass(frozen=True)
class Origin:
    """Tell which journal a segment belongs to and what came before it."""

    name: str
    number: int
    first_sequence: int
    previous_hash: bytes


@dataclass(frozen=True)
class Extent:
    """Tell what a verified segment holds: the journal's events and hash at its end."""

    origin: Origin
    events: int
    hash: bytes
    sealed: bool


def segment_path(directory: Path, number: int) -> Path:
    """Name a segment's file."""
    return directory / f"{number:06d}.db"


def wal_path(path: Path) -> Path:
    """Name the write-ahead log of a segment."""
    return path.with_name(path.name + "-wal")


def file_bytes(path: Path) -> int:
    """Give a file's size, 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def segment_numbers(directory: Path) -> list[int]:
    """List the segments of a folder in order."""
    found = (_FILE.fullmatch(each) for each in os.listdir(directory))
    return sorted(int(match.group(1)) for match in found if match)


def create_segment(directory: Path, origin: Origin, page_bytes: int = 4096) -> None:
    """Make a new segment's file: it appears whole or not at all."""
    path = segment_path(directory, origin.number)
    draft = path.with_name(path.name + ".new")
    drop_drafts(directory)
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        connection.execute(f"pragma page_size={page_bytes:d}")
        connection.executescript("pragma journal_mode=off; pragma synchronous=full;" + _SCHEMA)
        row = (_FORMAT, origin.name, origin.number, origin.first_sequence, origin.previous_hash)
        connection.execute("insert into origin values (?, ?, ?, ?, ?)", row)
        connection.execute("pragma journal_mode=wal")
    finally:
        connection.close()
    sync_file(draft)
    draft.rename(path)
    sync_file(directory)


def drop_drafts(directory: Path) -> None:
    """Remove what a writer that died was about to add, with SQLite's files beside it."""
    for draft in directory.glob("*.new*"):
        draft.unlink()


def sync_file(path: Path) -> None:
    """Make a file's or folder's content durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a segment without a way to change it, not even its write-ahead log."""
    if not path.is_file():
        raise broken(path, 0, "a segment is missing")
    if file_bytes(path) == 0:  # SQLite would take it for a new database
        raise broken(path, 0, "a segment is empty")
    options = "mode=ro"
    if not os.access(path.parent, os.W_OK) and file_bytes(wal_path(path)) == 0:
        options += "&immutable=1"
    return sqlite3.connect(f"file:{path}?{options}", uri=True, isolation_level=None, check_same_thread=False)


def read_blocks(
    connection: sqlite3.Connection, first_sequence: int, batch: int = 64
) -> Iterator[tuple[int, bytes, bytes]]:
    """Give (first sequence, hash, payload) of blocks from one on, never holding a read open in between."""
    wanted = first_sequence
    while True:
        rows = connection.execute(
            "select first_sequence, hash, payload from blocks where first_sequence >= ? "
            "order by first_sequence limit ?",
            (wanted, batch),
        ).fetchall()
        yield from rows
        if len(rows) < batch:
            return
        wanted = rows[-1][0] + 1


def verify_segment(directory: Path, expected: Origin) -> Extent:
    """Check every block of a segment against the chain."""
    path = segment_path(directory, expected.number)
    with reading(path, expected.first_sequence):
        connection = open_to_read(path)
        try:
            return _verified(connection, path, expected)
        finally:
            connection.close()


def _verified(connection: sqlite3.Connection, path: Path, expected: Origin) -> Extent:
    _check_origin(connection, path, expected)
    sequence, chained = expected.first_sequence, expected.previous_hash
    with reading(path, sequence):
        # Read before the blocks: a writer beside us may add some and seal while they are read.
        seals = connection.execute("select events, hash from seal").fetchall()
        for first_sequence, stored, payload in read_blocks(connection, -(2**63)):
            chained = block_hash(chained, sequence, payload)
            if first_sequence != sequence or stored != chained:
                raise broken(path, sequence, "a block does not follow from the one before")
            sequence += packed_count(payload)
    if seals and seals != [(sequence - 1, chained)]:
        raise broken(path, sequence, "the segment's seal is not that of its blocks")
    return Extent(expected, sequence - 1, chained, bool(seals))


def _check_origin(connection: sqlite3.Connection, path: Path, expected: Origin) -> None:
    rows = connection.execute("select * from origin").fetchall()
    if len(rows) != 1:
        raise broken(path, expected.first_sequence, "the segment does not say where it comes from")
    form, *found = rows[0]
    if form != _FORMAT:
        raise broken(path, expected.first_sequence, f"format {form} is not known to this build")
    if found[0] != expected.name:
        raise broken(
            path, expected.first_sequence, f"it is the journal of {found[0]!r}, not {expected.name!r}"
        )
    if Origin(*found) != expected:
        raise broken(path, expected.first_sequence, "the segment does not follow from the one before")


def torn_bytes(connection: sqlite3.Connection, path: Path) -> int:
    """Count the bytes of an unfinished commit at the end of the write-ahead log."""
    page_bytes = int(connection.execute("pragma page_size").fetchone()[0])
    frames = int(connection.execute("pragma wal_checkpoint(passive)").fetchone()[1])
    log = wal_path(path)
    if file_bytes(log) < _WAL_HEADER_BYTES:
        return 0
    content = log.read_bytes()
    salts, end = content[16:24], _WAL_HEADER_BYTES + max(frames, 0) * (page_bytes + _FRAME_HEADER_BYTES)
    torn: int = end
    # Frames of an earlier round of the log carry other salts: they are old, not torn.
    while torn < len(content) and content[torn + 8 : torn + 16] == salts[: max(0, len(content) - torn - 8)]:
        torn = min(torn + page_bytes + _FRAME_HEADER_BYTES, len(content))
    return torn - end
