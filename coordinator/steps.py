"""What the coordinator steps on, and what it asks of its shell."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from coordinator.facts import Fact
from domain.control_events import Clocked
from domain.steering import FromCoordinator, Steering


class Role(StrEnum):
    """What a peer's key makes of it."""

    NODE = "node"
    OPERATOR = "operator"


class CoordinatorStarted(msgspec.Struct, frozen=True):
    """The process began (again): leases granted before may still run for a whole ttl."""

    now_ns: int


class Said(msgspec.Struct, frozen=True):
    """A peer said something. `peer` comes from its key; `line` tells two processes of one name apart."""

    peer: str
    role: Role
    line: int
    message: Steering
    now_ns: int


CoordinatorEvent = CoordinatorStarted | Said | Clocked


class Record(msgspec.Struct, frozen=True):
    """Journal this, durably, before any reply leaves."""

    fact: Fact


class Reply(msgspec.Struct, frozen=True):
    """Send this to one process."""

    peer: str
    line: int
    message: FromCoordinator


CoordinatorAction = Record | Reply
