"""A journal's records as a person reads them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from agents.record import decode
from bus.journal_reader import JournalReader
from coordinator.facts import read_fact
from sim.exchange.messages import Command
from sim.replay import COORDINATOR, EXCHANGE, HEADER

POLL_S = 0.2
KINDS = {b"I": "in", b"A": "out", b"S": "mark"}

_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)


class Line(msgspec.Struct, frozen=True):
    """One record: `kind` is `in`, `out`, `mark` or `fact`."""

    process: str
    sequence: int
    kind: str
    type: str
    fields: dict[str, Any]

    def text(self) -> str:
        """Write it for a terminal."""
        fields = " ".join(f"{name}={_short(value)}" for name, value in self.fields.items())
        return f"{self.process} {self.sequence} {self.kind:<4} {self.type} {fields}"

    def json(self) -> str:
        """Write it as one JSON object."""
        return json.dumps(msgspec.to_builtins(self), ensure_ascii=False, default=str)


def line(process: str, sequence: int, record: bytes) -> Line:
    """Read a record of any process."""
    if process == COORDINATOR:
        return _line(process, sequence, "fact", read_fact(record))
    if record.startswith(HEADER):
        config = record.removeprefix(HEADER).decode(errors="replace")
        return Line(process, sequence, "mark", "exchange", {"config": config})
    if process.startswith(EXCHANGE):
        return _line(process, sequence, "in", _commands.decode(record))
    value = decode(record)
    if isinstance(value, dict):
        return Line(process, sequence, "mark", str(value.pop("kind")), value)
    return _line(process, sequence, KINDS[record[:1]], value)


def _line(process: str, sequence: int, kind: str, value: msgspec.Struct) -> Line:
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    return Line(process, sequence, kind, type(value).__name__, fields)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "…"


def last(readers: list[JournalReader], number: int) -> Iterator[Line]:
    """Give the last records of each journal."""
    for reader in readers:
        for sequence, record in reader.tail(number):
            yield line(reader.directory.name, sequence, record)


def follow(readers: list[JournalReader], number: int) -> Iterator[Line]:
    """Give the last records of each journal, and then whatever is added, for ever."""
    following: dict[str, int] = {}
    while True:
        for reader in readers:
            first = following.get(reader.directory.name)
            new = reader.tail(number) if first is None else reader.read(first)
            for sequence, record in new:
                following[reader.directory.name] = sequence + 1
                yield line(reader.directory.name, sequence, record)
            following.setdefault(reader.directory.name, 1)
        time.sleep(POLL_S)
