"""Moves of inventory between venues: as planned, as an operator orders them, and as a node tells of them."""

from __future__ import annotations

import msgspec

TRANSFER, TRADE = "transfer", "trade"
TAKE, DROP = "take", "drop"


class Proposal(msgspec.Struct, frozen=True, array_like=True):
    """What would bring an asset nearer to where it should lie.

    A `transfer` is sent by an operator, and its fees come off what arrives. A `trade` sells the asset at one
    venue and buys it at the other, through the markets of `legs`. `cost_atoms` is what is lost of it.
    """

    kind: str
    asset: str
    from_venue: str
    to_venue: str
    atoms: int
    cost_atoms: int
    delay_ns: int
    legs: tuple[tuple[int, int], ...]
    reason: str

    @property
    def way(self) -> tuple[str, str, str, str, tuple[tuple[int, int], ...]]:
        """Name what is moved how and where, whatever the amount."""
        return self.kind, self.asset, self.from_venue, self.to_venue, self.legs


class MoveOrder(msgspec.Struct, frozen=True):
    """An operator's word on a move: `take` or `drop`. Ids rise for ever; a node obeys each once.

    `atoms` is what the operator sends where that is told: 0 is as much as is proposed.
    """

    command_id: int
    move: str
    verb: str
    atoms: int = 0


class MoveCounts(msgspec.Struct, frozen=True):
    """How often each thing became of a group's moves: states that they came to, and why trades waited."""

    node: str
    region: str
    group: str
    counts: dict[str, int]


class MoveReport(msgspec.Struct, frozen=True):
    """One move, as the operator sees it; `note` says why it was or was not done."""

    move: str
    node: str
    region: str
    group: str
    kind: str
    asset: str
    from_venue: str
    to_venue: str
    amount: str
    cost: str
    delay_s: float
    reason: str
    state: str
    note: str
    since_ns: int
