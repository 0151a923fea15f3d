"""What a node asks of the world around it."""

from __future__ import annotations

import msgspec

from domain.order import ApprovedOrder, RefusedOrder


class SendOrder(msgspec.Struct, frozen=True, array_like=True, tag=60, gc=False):
    """Send an approved order under its id."""

    client_id: int
    approved: ApprovedOrder


class CancelOrder(msgspec.Struct, frozen=True, array_like=True, tag=61, gc=False):
    """Cancel an order of ours."""

    client_id: int
    instrument: int


class QueryOrder(msgspec.Struct, frozen=True, array_like=True, tag=62, gc=False):
    """Ask for the fate of an order by its client id."""

    client_id: int
    instrument: int


class FetchAccount(msgspec.Struct, frozen=True, array_like=True, tag=63):
    """Ask the venue for balances, open orders, and fills after a trade id per instrument."""

    venue: str
    since_trade_ids: tuple[tuple[int, int], ...]


class FetchBook(msgspec.Struct, frozen=True, array_like=True, tag=64):
    """Ask for a book snapshot: the book is stale until it comes."""

    instrument: int


class ReserveIds(msgspec.Struct, frozen=True, array_like=True, tag=65):
    """Reserve sequences below `upto` of (shard, epoch): journalled before any of them is used."""

    shard: int
    epoch: int
    upto: int


class Alarm(msgspec.Struct, frozen=True, array_like=True, tag=66):
    """Tell the operator. `kind` is a constant; figures and names are in `text`."""

    kind: str
    text: str


class LifecycleChanged(msgspec.Struct, frozen=True, array_like=True, tag=67):
    """An agent moved to another state of its life."""

    agent: int
    state: int
    reason: str


class Observed(msgspec.Struct, frozen=True, array_like=True, tag=68, gc=False):
    """A model was asked: what it saw, what it said and what was decided. It has no other effect.

    `at_ns` is the local time of the tick decided on; `model` is a version ("" is none); `mode` is 0 where the
    model answered, 1 its last good answer, 2 the baseline, 3 flat. `features` are float32[16] and
    `probabilities` float32[3] (down, flat, up), little endian. `decision_ppm` is the target as a signed part
    of the agent's full size.
    """

    shard: int
    instrument: int
    at_ns: int
    model: str
    engine: str
    mode: int
    features: bytes
    probabilities: bytes
    decision_ppm: int
    mid2_ticks: int
    spread_ticks: int


Action = (
    SendOrder
    | CancelOrder
    | QueryOrder
    | FetchAccount
    | FetchBook
    | ReserveIds
    | Alarm
    | LifecycleChanged
    | Observed
    | RefusedOrder
)
