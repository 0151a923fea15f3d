"""Client order ids: shard, epoch and sequence in one int64, and their text at the venue."""

from __future__ import annotations

import re

SHARD_BITS, EPOCH_BITS, SEQUENCE_BITS = 12, 20, 31
SHARD_MAX = (1 << SHARD_BITS) - 1
EPOCH_MAX = (1 << EPOCH_BITS) - 1
SEQUENCE_MAX = (1 << SEQUENCE_BITS) - 1

_TEXT = re.compile(r"m([0-9a-f]{3})([0-9a-f]{5})([0-9a-f]{8})")


def client_id(shard: int, epoch: int, sequence: int) -> int:
    """Pack an id; a part out of range is our own mistake."""
    assert 0 <= shard <= SHARD_MAX and 0 <= epoch <= EPOCH_MAX and 0 <= sequence <= SEQUENCE_MAX
    return (shard << (EPOCH_BITS + SEQUENCE_BITS)) | (epoch << SEQUENCE_BITS) | sequence


def client_id_parts(packed: int) -> tuple[int, int, int]:
    """Give shard, epoch and sequence of a packed id."""
    return (
        packed >> (EPOCH_BITS + SEQUENCE_BITS),
        (packed >> SEQUENCE_BITS) & EPOCH_MAX,
        packed & SEQUENCE_MAX,
    )


def client_id_text(packed: int) -> str:
    """Write an id in a form that every venue's charset and length allow (Kraken: 18 letters and digits).

    >>> client_id_text(client_id(3, 2, 255))
    'm00300002000000ff'
    """
    shard, epoch, sequence = client_id_parts(packed)
    return f"m{shard:03x}{epoch:05x}{sequence:08x}"


def client_id_read(text: str) -> int | None:
    """Read an id back from a venue's string; `None` when it is not one of ours."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    shard, epoch, sequence = (int(part, 16) for part in match.groups())
    return client_id(shard, epoch, sequence) if sequence <= SEQUENCE_MAX else None
