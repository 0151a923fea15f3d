"""What the coordinator must never forget: each fact is journalled before anybody is told of it."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from domain.errors import JournalBroken

T = TypeVar("T")


class EpochGranted(msgspec.Struct, frozen=True, tag="epoch"):
    """A node's incarnation was given an epoch, or a higher budget in it.

    `budget_atoms` is the most that the node may believe it has, by an earlier incarnation's lease too.
    """

    node: str
    region: str
    incarnation: int
    epoch: int
    budget_atoms: int


class NodeLeft(msgspec.Struct, frozen=True, tag="left"):
    """A node stopped cleanly and gave its lease back."""

    node: str


class LatchSet(msgspec.Struct, frozen=True, tag="latch"):
    """An operator halted or resumed a region, or all where `region` is None."""

    region: str | None
    halted: bool
    command_id: int
    reason: str


class MoveCommanded(msgspec.Struct, frozen=True, tag="move"):
    """An operator took or dropped a node's move."""

    node: str
    command_id: int
    move: str
    verb: str
    atoms: int = 0


Fact = EpochGranted | NodeLeft | LatchSet | MoveCommanded

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Fact] = msgspec.msgpack.Decoder(Fact)
_STATE_DECODER: msgspec.msgpack.Decoder[list[Fact]] = msgspec.msgpack.Decoder(list[Fact])


def write_fact(fact: Fact) -> bytes:
    """Give a fact as a journal record."""
    return _ENCODER.encode(fact)


def read_fact(record: bytes) -> Fact:
    """Read a journal record."""
    return _read(_DECODER, record)


def write_state(facts: list[Fact]) -> bytes:
    """Give a snapshot: the fewest facts that lead to the same state."""
    return _ENCODER.encode(facts)


def read_state(state: bytes) -> list[Fact]:
    """Read a snapshot."""
    return _read(_STATE_DECODER, state)


def _read(decoder: msgspec.msgpack.Decoder[T], record: bytes) -> T:
    try:
        return decoder.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        mend = "run a build that is not older than the one that wrote it"
        raise JournalBroken(f"a fact cannot be read: {error}", where="coordinator", mend=mend) from error
