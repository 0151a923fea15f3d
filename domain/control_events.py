"""Time, authority and commands, as events that a node steps on."""

from __future__ import annotations

import msgspec

from domain.moves import Proposal


class Clocked(msgspec.Struct, frozen=True, array_like=True, tag=40, gc=False):
    """Time passed; cores never read a clock."""

    local_ts_ns: int


class NodeStarted(msgspec.Struct, frozen=True, array_like=True, tag=41):
    """A process began (again): links are down, books are stale, what was in flight is unknown."""

    local_ts_ns: int
    config_hash: str
    build: str


class LeaseGranted(msgspec.Struct, frozen=True, array_like=True, tag=42):
    """The coordinator leased this node its authority until `expires_ns` on the node's own clock.

    `budget_atoms` bounds the node's gross exposure, in atoms of the reporting currency.
    """

    local_ts_ns: int
    epoch: int
    expires_ns: int
    budget_atoms: int


class LeaseRevoked(msgspec.Struct, frozen=True, array_like=True, tag=43):
    """The coordinator took the lease back."""

    local_ts_ns: int
    reason: str


class HaltSet(msgspec.Struct, frozen=True, array_like=True, tag=44):
    """Stop (or start again): latched, journalled, and survives every restart."""

    local_ts_ns: int
    halted: bool
    command_id: int
    reason: str


class StopRequested(msgspec.Struct, frozen=True, array_like=True, tag=45):
    """The process is about to end: no new orders, cancel what is open, then reconcile."""

    local_ts_ns: int


class SignalUpdated(msgspec.Struct, frozen=True, array_like=True, tag=46, gc=False):
    """A model has a new opinion of a market, in expected basis points."""

    instrument: int
    local_ts_ns: int
    expected_bps: float
    model_version: int


class ClockStepped(msgspec.Struct, frozen=True, array_like=True, tag=47):
    """The wall clock jumped against the monotonic one: an alarm, never an input."""

    local_ts_ns: int
    step_ns: int


class ModelSet(msgspec.Struct, frozen=True, array_like=True, tag=48):
    """A model takes a slot ("champion" or "canary"); its blob comes along, so that a replay needs no more.

    An empty blob clears the slot. `canary_ppm` is the share of agents that a canary serves, drawn by a hash
    of shard and model.
    """

    local_ts_ns: int
    slot: str
    model: str
    engine: str
    blob: bytes
    canary_ppm: int


class MovesPlanned(msgspec.Struct, frozen=True, array_like=True, tag=58):
    """What would bring a group's inventory back, worked out beside the node; it replaces the plan before.

    `facts_ns` is when the balances and prices were taken that it was worked out from.
    """

    local_ts_ns: int
    group: str
    proposals: tuple[Proposal, ...]
    facts_ns: int


class MoveOrdered(msgspec.Struct, frozen=True, array_like=True, tag=59):
    """An operator takes or drops a move; a command that was obeyed already says nothing new."""

    local_ts_ns: int
    command_id: int
    move: str
    verb: str
    atoms: int = 0


ControlEvent = (
    Clocked
    | NodeStarted
    | LeaseGranted
    | LeaseRevoked
    | HaltSet
    | StopRequested
    | SignalUpdated
    | ClockStepped
    | ModelSet
    | MovesPlanned
    | MoveOrdered
)
