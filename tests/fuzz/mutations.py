"""Frames as they come and as they should never come: one seeded mutation after another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from domain.draws import stream

CAPTURED = Path(__file__).resolve().parent.parent / "captured"
ODD_NUMBERS = (
    b"0", b"-0", b"-1", b"1e400", b"-1e400", b"1E-400", b"NaN", b"Infinity", b"-Infinity", b"00", b"0x10",
    b"1.", b".5", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"1" + b"0" * 400,
    b"1e5", b"0.1", b"1_000", b"+1", b"true", b"null", b'"1"', b"1.0", b"4.9e-324",
)  # fmt: skip
ODD_TEXTS = (
    b'""', b'"NaN"', b'"Infinity"', b'"-1"', b'"1e5"', b'"1e999"', b'" 1"', b'"1 "', b'"+1"', b'"1_0"',
    b'"0x1"', b'"\xd9\xa1"', b'"\\u0661"', b'"\\ud800"', b'"\xff\xfe"', b'"1\\u0000"', b'"."', b'"1..0"',
    b'"' + b"9" * 5_000 + b'"', b'"0.000000000000000000000000001"', b'"\xef\xbc\x91"', b"{}", b"[]", b"null",
    b"true", b"12", b"[[1]]",
)  # fmt: skip


@cache
def session(dialect: str) -> tuple[tuple[str, bytes], ...]:
    """Give a captured session: (door, payload), in the order in which they came."""
    lines = (CAPTURED / dialect / "native.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple((one["door"], one["payload"].encode()) for one in map(json.loads, lines))


def captured(dialect: str, door: str) -> list[bytes]:
    """Give what came through one door; a door is a link's name or a REST path."""
    found = [payload for where, payload in session(dialect) if where == door]
    assert found, f"nothing was captured at {door} of {dialect}"
    return found


def mutated(seed: int, corpus: Sequence[bytes], number: int) -> Iterator[bytes]:
    """Draw so many spoiled frames from a corpus; one in eight passes unspoiled."""
    draws = stream(seed, "fuzz")
    for _ in range(number):
        frame = draws.choice(corpus)
        for _ in range(draws.choice((0, 1, 1, 1, 1, 2, 2, 3))):
            frame = draws.choice(MUTATIONS)(draws, frame, corpus)
        yield frame


def _flip(draws: Random, frame: bytes, _: Sequence[bytes]) -> bytes:
    if not frame:
        return frame
    at = draws.randrange(len(frame))
    return frame[:at] + bytes([frame[at] ^ 1 << draws.randrange(8)]) + frame[at + 1 :]


def _cut(draws: Random, frame: bytes, _: Sequence[bytes]) -> bytes:
    return frame[: draws.randrange(len(frame) + 1)]


def _hole(draws: Random, frame: bytes, _: Sequence[bytes]) -> bytes:
    at = draws.randrange(len(frame) + 1)
    return frame[:at] + frame[at + draws.randrange(1, 9) :]


def _splice(draws: Random, frame: bytes, corpus: Sequence[bytes]) -> bytes:
    other = draws.choice(corpus)
    return frame[: draws.randrange(len(frame) + 1)] + other[draws.randrange(len(other) + 1) :]


def _digit(draws: Random, frame: bytes, _: Sequence[bytes]) -> bytes:
    places = [at for at, byte in enumerate(frame) if 48 <= byte <= 57]
    if not places:
        return frame
    at = draws.choice(places)
    return frame[:at] + b"%d" % draws.randrange(10) + frame[at + 1 :]


_TEXTS = re.compile(rb'(?<=[:\[,])"[^"]*"(?!:)')
_NUMBERS = re.compile(rb"(?<=[:\[,])[-+0-9.eE]+")


def _spans(frame: bytes, text: bool) -> list[tuple[int, int]]:
    """Find values: texts or numbers that follow a colon, a bracket or a comma."""
    return [found.span() for found in (_TEXTS if text else _NUMBERS).finditer(frame)]


def _number(draws: Random, frame: bytes, _: Sequence[bytes]) -> bytes:
    return _replaced(draws, frame, _spans(frame, text=False), ODD_NUMBERS)


def _text(draws: Random, frame: bytes, _: Sequence[bytes]) -> bytes:
    return _replaced(draws, frame, _spans(frame, text=True), ODD_TEXTS)


def _type(draws: Random, frame: bytes, _: Sequence[bytes]) -> bytes:
    return _replaced(draws, frame, _spans(frame, text=draws.random() < 0.5), ODD_TEXTS + ODD_NUMBERS)


def _nest(draws: Random, frame: bytes, _: Sequence[bytes]) -> bytes:
    deep = draws.choice((50, 500, 5_000))
    opened, closed = draws.choice(((b"[", b"]"), (b'{"a":', b"}")))
    inner = opened * deep + b"1" + (closed * deep if draws.random() < 0.7 else b"")
    return _replaced(draws, frame, _spans(frame, text=True) + _spans(frame, text=False), (inner,))


def _replaced(
    draws: Random, frame: bytes, spans: Sequence[tuple[int, int]], values: Sequence[bytes]
) -> bytes:
    if not spans:
        return frame
    start, end = draws.choice(spans)
    return frame[:start] + draws.choice(values) + frame[end:]


def _again(draws: Random, frame: bytes, _: Sequence[bytes]) -> bytes:
    """Say a key twice, with another value the second time, or leave one out."""
    try:
        document = json.loads(frame)
    except (ValueError, RecursionError):
        return frame
    holder = _holder(draws, document)
    if not holder:
        return frame
    key = draws.choice(list(holder))
    if draws.random() < 0.3:
        del holder[key]
        return _tight(document)
    other = draws.choice([*holder.values(), 0, -1, "1", None, [], {}, 1 << 70])
    holder[key + "\x00"] = other
    return _tight(document).replace(b"\\u0000", b"")


def _order(draws: Random, frame: bytes, _: Sequence[bytes]) -> bytes:
    """Say the same in another way: keys in another order, white space, escapes."""
    try:
        document = json.loads(frame)
    except (ValueError, RecursionError):
        return frame
    holder = _holder(draws, document)
    if holder:
        items = list(holder.items())
        draws.shuffle(items)
        holder.clear()
        holder.update(items)
    written = _tight(document) if draws.random() < 0.5 else json.dumps(document, indent=1).encode()
    return written.replace(b'"b"', b'"\\u0062"', 1) if draws.random() < 0.2 else written


def _holder(draws: Random, document: Any) -> dict[str, Any]:
    """Choose one of a document's objects."""
    found: list[dict[str, Any]] = []
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found.append(one)
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return draws.choice(found) if found else {}


def _tight(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


MUTATIONS = (_flip, _flip, _cut, _hole, _splice, _digit, _digit, _number, _text, _type, _nest, _again, _order)
