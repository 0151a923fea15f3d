"""What nodes, coordinator and operators say to each other over links."""

from __future__ import annotations

import msgspec

from domain.moves import MoveOrder
from domain.report import NodeReport


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """A node is alive. `sent_ns` is on the node's own clock and comes back in the grant.

    `seen_epoch` is the highest epoch that the node's own journal knows: a coordinator whose journal was lost
    goes on above it.
    """

    sent_ns: int
    config_hash: str
    build: str
    incarnation: int
    report: NodeReport
    seen_epoch: int = 0


class Grant(msgspec.Struct, frozen=True, tag="grant"):
    """The coordinator's answer to a heartbeat: a lease that runs from the heartbeat's own sending.

    Halts are part of every grant, so a node that missed the command learns it from the next one; so are
    an operator's words on moves, until the node's report says that it heard them.
    """

    sent_ns: int
    epoch: int
    ttl_ns: int
    budget_atoms: int
    halted: bool
    halt_command_id: int
    halt_reason: str
    moves: tuple[MoveOrder, ...] = ()


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """The coordinator refuses a lease, or an operator's request."""

    reason: str


class Leave(msgspec.Struct, frozen=True, tag="leave"):
    """A node stopped cleanly; this is its last word."""

    report: NodeReport


class HaltRequest(msgspec.Struct, frozen=True, tag="halt"):
    """An operator halts a region, or all where `region` is None."""

    region: str | None
    reason: str


class ResumeRequest(msgspec.Struct, frozen=True, tag="resume"):
    """An operator resumes a region, or all."""

    region: str | None


class MoveRequest(msgspec.Struct, frozen=True, tag="move"):
    """An operator takes or drops a move that a node proposed; `atoms` as a `MoveOrder`'s."""

    move: str
    verb: str
    atoms: int = 0


class MoveNoted(msgspec.Struct, frozen=True, tag="move-noted"):
    """The coordinator will tell the node: its answer stands beside this command's number in its report."""

    node: str
    command_id: int


class StatusRequest(msgspec.Struct, frozen=True, tag="status?"):
    """An operator asks for everything."""


class MemberStatus(msgspec.Struct, frozen=True):
    """One node as the coordinator knows it. Health is `ok`, `late`, `lost` or `left`."""

    node: str
    region: str
    health: str
    last_seen_ago_s: float
    epoch: int
    halted: bool
    halt_confirmed: bool
    report: NodeReport | None


class SwarmStatus(msgspec.Struct, frozen=True, tag="status"):
    """Everything the coordinator knows."""

    ts_ns: int
    halted: bool
    halted_regions: tuple[str, ...]
    members: tuple[MemberStatus, ...]
    exposure_quote: float
    pnl_quote: float
    positions: dict[str, int]
    journal_events: int
    journal_hash: str


FromNode = Heartbeat | Leave
FromOperator = HaltRequest | ResumeRequest | StatusRequest | MoveRequest
FromCoordinator = Grant | Refusal | SwarmStatus | MoveNoted
Steering = (
    Heartbeat
    | Leave
    | HaltRequest
    | ResumeRequest
    | StatusRequest
    | MoveRequest
    | Grant
    | Refusal
    | SwarmStatus
    | MoveNoted
)
