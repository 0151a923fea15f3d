"""JSON files in chunks: an object a line, or one array of objects; numbers stay the text that they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from market.history.chunk import Chunk
from market.history.raw import BadInput, Counted, Progress, lines_blocks, opened

_OBJECT_BYTES_MAX = 1 << 20
_CHUNK_ROWS = 20_000
_READ_BYTES = 1 << 20


class JsonSource:
    """Read objects; in an array an object's number stands for its line."""

    def __init__(self, path: Path, *, progress: Progress | None = None) -> None:
        self.path, self.progress = path, progress

    def chunks(self, names: tuple[str, ...]) -> Iterator[Chunk]:
        """Give the named fields."""
        with opened(self.path, self.progress) as stream:
            head = stream.read(1)
            while head.isspace():
                head = stream.read(1)
            if head == b"":
                raise BadInput("the file is empty", 1)
            found = _elements(stream) if head == b"[" else _lines(stream, head)
            yield from _gathered(found, names)


def _gathered(found: Iterator[tuple[int, Any]], names: tuple[str, ...]) -> Iterator[Chunk]:
    import pyarrow as pa

    rows: list[tuple[str, ...]] = []
    first = 1
    for line, one in found:
        if not rows:
            first = line
        rows.append(_fields(one, names, line))
        if len(rows) == _CHUNK_ROWS:
            yield Chunk(first, _columns(pa, rows, names))
            rows = []
    if rows:
        yield Chunk(first, _columns(pa, rows, names))
    elif first == 1:
        raise BadInput("there are no rows", 1)


def _columns(pa: Any, rows: list[tuple[str, ...]], names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: pa.array(column, pa.string())
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def _fields(one: Any, names: tuple[str, ...], line: int) -> tuple[str, ...]:
    if not isinstance(one, dict):
        raise BadInput("there is no object", line)
    try:
        return tuple(_text(one[name], name, line) for name in names)
    except KeyError as error:
        raise BadInput(f"the object has no {error.args[0]!r}", line) from None


def _text(value: Any, name: str, line: int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise BadInput(f"{name} is neither text nor a number", line)


def _lines(stream: Counted, head: bytes) -> Iterator[tuple[int, Any]]:
    decode = msgspec.json.Decoder(float_hook=str).decode
    for first, _, block in lines_blocks(_Pushed(stream, head)):
        for line, text in enumerate(block.splitlines(), first):
            try:
                yield line, decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadInput(f"the line is no JSON: {error}", line) from None


class _Pushed(Counted):
    """A stream with what was read of it put back."""

    def __init__(self, stream: Counted, head: bytes) -> None:
        self._rest, self._head = stream, head

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        head, self._head = self._head, b""
        return head + self._rest.read(size)


def _elements(stream: Counted) -> Iterator[tuple[int, Any]]:
    decoder = json.JSONDecoder(parse_float=str, parse_int=str)
    text, number, ended = "", 0, False
    pending = b""
    while True:
        text = text.lstrip()
        if number and text.startswith(","):
            text = text[1:].lstrip()
        if text.startswith("]"):
            if text[1:].strip() or stream.read(1).strip():
                raise BadInput("something follows the array", number + 1)
            return
        try:
            one, end = decoder.raw_decode(text)
            complete = end < len(text)
        except json.JSONDecodeError:
            complete = False
        if complete:
            number += 1
            yield number, one
            text = text[end:]
            continue
        if ended or len(text) > _OBJECT_BYTES_MAX:
            raise BadInput("the array is cut or damaged in this element", number + 1)
        data = stream.read(_READ_BYTES)
        ended = data == b""
        pending += data
        text, pending = text + _decoded(pending, number), b""


def _decoded(data: bytes, number: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadInput("the array is no text in UTF-8", number + 1) from None
