"""One ZeroMQ frame of a link: a header with session and sequence, and one or more messages."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

_MAGIC = b"ML"
_VERSION = 1
_HEADER = struct.Struct("<2sBBQQI")
HEADER_BYTES = _HEADER.size
# A length table beside every message: what a receiver will believe about one frame.
MESSAGES_MAX = 4096


class FrameKind(IntEnum):
    """DATA carries messages, SNAPSHOT a whole state, ASK wants one (its body names the session)."""

    DATA = 1
    SNAPSHOT = 2
    ASK = 3


class Frame(NamedTuple):
    """Hold a frame as read: `sequence` is the first message's, or the last one that a snapshot covers.

    Message i of a DATA frame has the sequence `sequence + i`; an empty one says which comes next.
    """

    kind: int
    session: int
    sequence: int
    messages: list[bytes]


def write_frame(kind: int, session: int, sequence: int, messages: Sequence[bytes]) -> bytes:
    """Lay messages behind a header and a table of their lengths.

    >>> read_frame(write_frame(FrameKind.DATA, 7, 1, [b"one", b"two"])).messages
    [b'one', b'two']
    """
    count = len(messages)
    header = _HEADER.pack(_MAGIC, _VERSION, kind, session, sequence, count)
    return b"".join((header, struct.pack(f"<{count}I", *map(len, messages)), *messages))


def read_frame(data: bytes) -> Frame | None:
    """Read a frame; `None` for bytes that are not exactly one."""
    if len(data) < HEADER_BYTES:
        return None
    magic, version, kind, session, sequence, count = _HEADER.unpack_from(data)
    start = HEADER_BYTES + 4 * count
    if magic != _MAGIC or version != _VERSION or count > MESSAGES_MAX or start > len(data):
        return None
    messages = _split(data, start, struct.unpack_from(f"<{count}I", data, HEADER_BYTES))
    if messages is None or not _sound(kind, messages):
        return None
    return Frame(kind, session, sequence, messages)


def _split(data: bytes, start: int, lengths: tuple[int, ...]) -> list[bytes] | None:
    if start + sum(lengths) != len(data):
        return None
    messages = []
    for length in lengths:
        messages.append(data[start : start + length])
        start += length
    return messages


def _sound(kind: int, messages: list[bytes]) -> bool:
    if kind == FrameKind.DATA:
        return True
    if kind == FrameKind.SNAPSHOT:
        return len(messages) == 1
    return kind == FrameKind.ASK and len(messages) == 1 and len(messages[0]) == 8


def write_ask(session: int, about: int) -> bytes:
    """Ask for a snapshot of the stream whose session is `about`."""
    return write_frame(FrameKind.ASK, session, 0, [about.to_bytes(8, "little")])


def asked_about(frame: Frame) -> int:
    """Give the session that an ASK is about."""
    return int.from_bytes(frame.messages[0], "little")
