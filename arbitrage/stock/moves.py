"""The moves of one group: what is proposed, what an operator sent, what is being traded, and how it ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum
from itertools import combinations

import msgspec

from arbitrage.stock.inventory import Flight, Inventory, Place
from arbitrage.stock.rebalance import RebalanceConfig
from domain.moves import TRADE, TRANSFER, Proposal
from domain.units import atoms_text

LIVE_MAX = 32
OVER_MAX = 8
MUTED_MAX = 256
Route = tuple[str, str, str, str]
# A balance that changed is held against so many transfers at most, in every combination.
TOGETHER_MAX = 6


class MoveState(IntEnum):
    """Where a move is; it is over from ARRIVED on."""

    PROPOSED = 0
    TAKEN = 1  # an operator sends it: no balance shows it yet
    FLYING = 2  # it left, and did not arrive yet
    OVERDUE = 3  # it should have arrived, and is counted no more
    TRADING = 4  # its legs are out
    ARRIVED = 5
    TRADED = 6
    UNDONE = 7  # its trade ended, and moved nothing that stayed
    DROPPED = 8


_UNDER_WAY = (MoveState.TAKEN, MoveState.FLYING, MoveState.OVERDUE)


class Move(msgspec.Struct, array_like=True):
    """One move. `due_ns` is when a transfer must have arrived; `ticket_id` is of a trade's saga."""

    number: int
    proposal: Proposal
    since_ns: int
    state: int = int(MoveState.PROPOSED)
    note: str = ""
    due_ns: int = 0
    left: bool = False
    arrived: bool = False
    asked: bool = False
    ticket_id: int = 0


class _Facts(msgspec.Struct, array_like=True):
    last: int
    live: list[Move]
    over: list[Move]
    muted: list[tuple[Route, int]]
    counts: list[tuple[str, int]]
    planned_ns: int
    begun_ns: int


class Moves:
    """Keep moves by number. A plan replaces proposals, and nothing that is under way.

    `counts` is how often each thing became of one. Every collection has its bound: of too many proposals the
    first are kept, of moves that are over and of dropped ways the latest.
    """

    def __init__(self, config: RebalanceConfig, inventory: Inventory) -> None:
        self.config, self._inventory = config, inventory
        self.live: dict[int, Move] = {}
        self.over: dict[int, Move] = {}
        self.counts: dict[str, int] = {}
        self.planned_ns = self.begun_ns = 0
        self._muted: dict[Route, int] = {}
        self._last = 0

    # What is proposed

    def plan(self, proposals: Sequence[Proposal], now_ns: int, facts_ns: int) -> None:
        """Put a plan in the place of the one before; what is proposed again keeps its number.

        What was taken after the plan's facts were would be moved twice: the plan does not know of it.
        """
        self.planned_ns = now_ns
        taken = {
            move.proposal.way
            for move in (*self.live.values(), *self.over.values())
            if move.state != MoveState.PROPOSED and move.since_ns > facts_ns
        }
        known = {move.proposal.way: move for move in self.live.values() if move.state == MoveState.PROPOSED}
        for move in known.values():
            del self.live[move.number]
        for proposal in proposals:
            if proposal.way in taken or self.muted(proposal, now_ns) or len(self.live) >= LIVE_MAX:
                continue
            before = known.get(proposal.way)
            if before is None:
                self._last += 1
                self._count("proposed")
                before = Move(self._last, proposal, now_ns)
            before.proposal = proposal
            self.live[before.number] = before

    def muted(self, proposal: Proposal, now_ns: int) -> bool:
        """Tell whether an operator dropped this way lately."""
        return now_ns < self._muted.get(proposal.way[:4], 0)

    def dropped(self, now_ns: int) -> tuple[Route, ...]:
        """List the ways that were dropped lately, for a plan to go round them."""
        return tuple(way for way, until_ns in self._muted.items() if now_ns < until_ns)

    def expire(self, now_ns: int) -> None:
        """Forget proposals that no plan repeated: they speak of balances and prices of long ago."""
        if now_ns - self.planned_ns >= 2.5 * self.config.every_s * 1e9:
            for move in [move for move in self.live.values() if move.state == MoveState.PROPOSED]:
                del self.live[move.number]

    def trades(self) -> list[Move]:
        """List the trades that are proposed and may be made, in the order of their numbers."""
        return [
            move
            for move in self.live.values()
            if move.state == MoveState.PROPOSED
            and move.proposal.kind == TRADE
            and (self.config.execute or move.asked)
        ]

    # What an operator says

    def take(self, number: int, free_atoms: int, now_ns: int, atoms: int = 0) -> str:
        """An operator sends a transfer now, or wants a trade made; give why not, or nothing.

        `atoms` is what is sent, 0 for what is proposed: a plan may have changed that since it was looked at.
        """
        move = self.live.get(number)
        if move is None:
            return self._gone(number)
        proposal, due_atoms = move.proposal, atoms or move.proposal.atoms
        if move.state != MoveState.PROPOSED:  # said again
            return "" if atoms in (0, proposal.atoms) else f"it was taken with {atoms_text(proposal.atoms)}"
        if proposal.kind == TRADE:
            if atoms > 0:
                return "a trade is sized by books and bounds: leave the amount out"
            move.asked = True
            return ""
        if due_atoms > free_atoms:
            free, asset = atoms_text(max(free_atoms, 0)), proposal.asset
            return f"{proposal.from_venue} has {free} {asset} free, and {atoms_text(due_atoms)} is to go"
        move.proposal = msgspec.structs.replace(proposal, atoms=due_atoms)
        move.due_ns = now_ns + proposal.delay_ns + round(self.config.late_s * 1e9)
        self._to(move, MoveState.TAKEN, now_ns, "")
        return ""

    def drop(self, number: int, now_ns: int) -> str:
        """An operator wants a move not, or sends it not; give why that cannot be, or nothing."""
        move = self.live.get(number)
        if move is None:
            return "" if self._was(number, MoveState.DROPPED) else self._gone(number)
        if move.state == MoveState.TRADING:
            return "its legs are out: only `swarm halt` stops them"
        route = move.proposal.way[:4]
        self._muted.pop(route, None)
        self._muted[route] = now_ns + round(self.config.dropped_s * 1e9)
        if len(self._muted) > MUTED_MAX:
            del self._muted[next(iter(self._muted))]
        self._to(move, MoveState.DROPPED, now_ns, f"was {MoveState(move.state).name.lower()}")
        return ""

    def _gone(self, number: int) -> str:
        over = self.over.get(number)
        if over is not None:
            return f"it is over: {MoveState(over.state).name.lower()}"
        return "it is proposed no more: see `swarm arb moves`"

    def _was(self, number: int, state: MoveState) -> bool:
        over = self.over.get(number)
        return over is not None and over.state == state

    # What balances say

    def explain(self, venue: str, asset: str, atoms: int, now_ns: int) -> bool:
        """Tell whether a balance that changed by so much is transfers leaving and arriving, the fewest.

        What leaves may take its fee along; of what arrives up to twice the fee may be missing.
        """
        found: list[tuple[Move, bool, int, int]] = []
        for move in self.live.values():
            proposal, state = move.proposal, move.state
            if proposal.kind != TRANSFER or proposal.asset != asset or state not in _UNDER_WAY:
                continue
            whole, fee = proposal.atoms, proposal.cost_atoms
            if proposal.from_venue == venue and not move.left:
                found.append((move, False, -whole - fee, -whole))
            if proposal.to_venue == venue and not move.arrived:
                found.append((move, True, whole - 2 * fee, whole))
        found = found[:TOGETHER_MAX]
        for count in range(1, len(found) + 1):
            for some in combinations(found, count):
                if sum(least for *_, least, _ in some) <= atoms <= sum(most for *_, most in some):
                    for move, arrives, _, _ in some:
                        self._seen(move, arrives, now_ns)
                    return True
        return False

    def _seen(self, move: Move, arrives: bool, now_ns: int) -> None:
        if arrives:
            move.arrived = True
        else:
            move.left = True
        late = move.state == MoveState.OVERDUE
        if move.left and move.arrived:
            self._to(move, MoveState.ARRIVED, now_ns, "late" if late else "")
        elif late:
            self._to(move, MoveState.OVERDUE, now_ns, "seen to leave late" if move.left else "seen to arrive")
        else:
            note = "" if move.left else "seen to arrive, not yet to leave"
            self._to(move, MoveState.FLYING, now_ns, note)

    def overdue(self, now_ns: int) -> list[Move]:
        """Count what should have arrived no more, and list it: once each."""
        found = [
            move
            for move in self.live.values()
            if move.state in (MoveState.TAKEN, MoveState.FLYING) and now_ns >= move.due_ns
        ]
        for move in found:
            note = "left, and not seen to arrive" if move.left else "not seen to leave"
            self._to(move, MoveState.OVERDUE, now_ns, note)
        return found

    def reserved(self) -> list[tuple[str, str, int]]:
        """List (venue, asset, atoms) that transfers will take, and nobody else may spend."""
        return [
            (move.proposal.from_venue, move.proposal.asset, move.proposal.atoms)
            for move in self.live.values()
            if move.state in (MoveState.TAKEN, MoveState.FLYING) and not move.left
        ]

    # What a trade does

    def trading(self) -> Move | None:
        """Give the move whose legs are out."""
        return next((move for move in self.live.values() if move.state == MoveState.TRADING), None)

    def begun(self, move: Move, now_ns: int) -> None:
        """Note that a trade's legs went; it may be over already."""
        self.begun_ns = now_ns
        if move.state == MoveState.PROPOSED:
            self._to(move, MoveState.TRADING, now_ns, "")

    def of_ticket(self, ticket_id: int) -> Move | None:
        """Find the move of a ticket, also one that is over."""
        every = (*self.live.values(), *self.over.values())
        return next((move for move in every if move.ticket_id == ticket_id), None)

    def end(self, move: Move, state: MoveState, now_ns: int, note: str) -> None:
        """Note how a trade ended, or that it goes on, as a late fill may have it do."""
        self._to(move, state, now_ns, note)

    def say(self, move: Move, why: str, note: str) -> None:
        """Note why a trade is not made now; the same reason counts once as long as it stands."""
        if not move.note.startswith(why):
            self._count(why)
        move.note = note

    def _to(self, move: Move, state: MoveState, now_ns: int, note: str) -> None:
        if state != move.state:
            self._count(state.name.lower())
            move.since_ns = now_ns
        move.state, move.note = int(state), note
        over = state >= MoveState.ARRIVED
        (self.live if over else self.over).pop(move.number, None)
        (self.over if over else self.live)[move.number] = move
        if len(self.over) > OVER_MAX:
            del self.over[next(iter(self.over))]
        self._fly(move)

    def _fly(self, move: Move) -> None:
        """Let the inventory count what no balance shows yet."""
        proposal = move.proposal
        counted = move.state in (MoveState.TAKEN, MoveState.FLYING)
        leaving = proposal.atoms if counted and not move.left else 0
        arriving = max(0, proposal.atoms - proposal.cost_atoms) if counted and not move.arrived else 0
        flight = Flight(proposal.asset, proposal.from_venue, proposal.to_venue, leaving, arriving)
        self._inventory.fly(move.number, flight)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    # State

    def state(self) -> bytes:
        """Give everything that decides as data; what flies is the inventory's."""
        return msgspec.msgpack.encode(
            _Facts(
                self._last,
                list(self.live.values()),
                list(self.over.values()),
                list(self._muted.items()),
                list(self.counts.items()),
                self.planned_ns,
                self.begun_ns,
            )
        )

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=_Facts)
        self._last, self.planned_ns, self.begun_ns = kept.last, kept.planned_ns, kept.begun_ns
        self.live = {move.number: move for move in kept.live}
        self.over = {move.number: move for move in kept.over}
        self._muted, self.counts = dict(kept.muted), dict(kept.counts)
        for move in self.live.values():
            self._fly(move)

    def keep(self, places: Collection[Place]) -> int:
        """Keep only transfers between these places; count what was under way of the others."""
        lost = 0
        for move in list(self.live.values()):
            one = move.proposal
            ends = (one.from_venue, one.asset), (one.to_venue, one.asset)
            if one.kind == TRADE or not all(end in places for end in ends):
                lost += move.state != MoveState.PROPOSED
                del self.live[move.number]
                self._inventory.land(move.number)
        return lost
