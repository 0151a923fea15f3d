"""Snapshots beside a journal: states that replay can begin from, believed only with their hash and block."""

from __future__ import annotations

import hashlib
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from bus.segment import sync_file

KEPT_SNAPSHOTS = 2
_LAYOUT = struct.Struct("<4sQ32sQ")
_MAGIC = b"MSN1"
_FILE = re.compile(r"snapshot-(\d{15})")
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class Snapshot:
    """Hold a state as of a sequence, bound to the block that holds it."""

    sequence: int
    block_hash: bytes
    state: bytes


def write_snapshot(directory: Path, snapshot: Snapshot) -> None:
    """Make a snapshot durable, then drop all but the newest two, and those of a tail that was cut."""
    path = directory / f"snapshot-{snapshot.sequence:015d}"
    draft = path.with_name(path.name + ".new")
    header = _LAYOUT.pack(_MAGIC, snapshot.sequence, snapshot.block_hash, len(snapshot.state))
    digest = hashlib.blake2b(header, digest_size=_DIGEST_BYTES)
    digest.update(snapshot.state)
    try:
        with draft.open("wb") as file:
            file.writelines((header, snapshot.state, digest.digest()))
        sync_file(draft)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    draft.rename(path)
    sync_file(directory)
    _drop_others(directory, snapshot.sequence)


def _drop_others(directory: Path, newest: int) -> None:
    found = snapshot_sequences(directory)
    kept = [each for each in found if each <= newest][:KEPT_SNAPSHOTS]
    for sequence in found:
        if sequence not in kept:
            (directory / f"snapshot-{sequence:015d}").unlink(missing_ok=True)


def snapshot_sequences(directory: Path) -> list[int]:
    """List the snapshots of a folder, newest first."""
    found = (_FILE.fullmatch(each) for each in os.listdir(directory))
    return sorted((int(match.group(1)) for match in found if match), reverse=True)


def read_snapshot(directory: Path, sequence: int) -> Snapshot | None:
    """Read a snapshot; `None` when it does not verify."""
    try:
        content = (directory / f"snapshot-{sequence:015d}").read_bytes()
    except OSError:
        return None
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if len(body) < _LAYOUT.size or hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
        return None
    magic, stored_sequence, block, state_bytes = _LAYOUT.unpack_from(body)
    state = body[_LAYOUT.size :]
    fits = magic == _MAGIC and stored_sequence == sequence and state_bytes == len(state)
    return Snapshot(sequence, block, state) if fits else None
