"""What a commit puts into the chain: one block of records, bound to all before it by its hash."""

from __future__ import annotations

import hashlib
import sys
from array import array
from itertools import accumulate, pairwise

HASH_BYTES = 32
_FORMAT = b"murmuration journal 1\0"
_LENGTH_BYTES = 4

assert array("I").itemsize == _LENGTH_BYTES and sys.byteorder == "little"


def genesis_hash(name: str) -> bytes:
    """Give the hash before the first block; it names the journal, so two cannot be swapped."""
    return hashlib.blake2b(_FORMAT + name.encode(), digest_size=HASH_BYTES).digest()


def block_hash(previous: bytes, first_sequence: int, payload: bytes) -> bytes:
    """Chain a block to the one before."""
    digest = hashlib.blake2b(previous, digest_size=HASH_BYTES)
    digest.update(first_sequence.to_bytes(8, "little"))
    digest.update(payload)
    return digest.digest()


def pack(records: list[bytes]) -> bytes:
    """Write records as one payload: their count, their lengths, their bytes.

    >>> unpack(pack([b"tick", b"", b"order"]))
    [b'tick', b'', b'order']
    """
    lengths = array("I", [len(records), *map(len, records)])
    return b"".join((lengths.tobytes(), *records))


def unpack(payload: bytes) -> list[bytes]:
    """Read records back; a payload that does not add up is a ValueError."""
    count = packed_count(payload)
    start = _LENGTH_BYTES * (count + 1)
    lengths = array("I", payload[_LENGTH_BYTES:start])
    ends = list(accumulate(lengths, initial=start))
    if len(lengths) != count or ends[-1] != len(payload):
        raise ValueError("the lengths of a block do not add up")
    return [payload[left:right] for left, right in pairwise(ends)]


def packed_count(payload: bytes) -> int:
    """Tell how many records a payload holds."""
    return int.from_bytes(payload[:_LENGTH_BYTES], "little")
