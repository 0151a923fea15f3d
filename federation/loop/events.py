"""What the loop is told, and what it wants done: in the order given, each finished before the next."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from federation.loop.version import Version
from federation.privacy.fixed_point import Words
from federation.privacy.secure_sum import Keys
from federation.update import Update

SHOW, DEAL, SEND, UNCOVER = "show", "deal", "send", "uncover"
Part = Keys | Words | Mapping[str, bytes]


class ClientUp(msgspec.Struct, frozen=True):
    """A region can be asked."""

    region: str
    now_ns: int


class ClientDown(msgspec.Struct, frozen=True):
    """A region is gone: what it was asked for may never come."""

    region: str
    now_ns: int


class Arrived(msgspec.Struct, frozen=True):
    """A region's update came, however late; `update.region` is who sent it, not who it says it is."""

    update: Update
    now_ns: int


class Failed(msgspec.Struct, frozen=True):
    """A region could not do what it was asked for."""

    region: str
    reason: str
    now_ns: int


class Said(msgspec.Struct, frozen=True):
    """A region did its part of a step of a secure sum: keys, sealed shares, masked words, or shares."""

    region: str
    sum: str
    step: str
    part: Part
    now_ns: int


class Passed(msgspec.Struct, frozen=True):
    """Time went by."""

    now_ns: int


class Restarted(msgspec.Struct, frozen=True):
    """The loop begins, anew or with what its store kept: nobody is up and nothing is on its way."""

    now_ns: int


Event = ClientUp | ClientDown | Arrived | Failed | Said | Passed | Restarted


class Hold(msgspec.Struct, frozen=True):
    """Keep an accepted update until a version counts it."""

    update: Update


class Store(msgspec.Struct, frozen=True):
    """Make a version durable; only then is it the newest."""

    version: Version


class Announce(msgspec.Struct, frozen=True):
    """Tell that a version is there."""

    version: int


class Ask(msgspec.Struct, frozen=True):
    """Let a region train from a version."""

    region: str
    version: int
    attempt: int


class Tell(msgspec.Struct, frozen=True):
    """Let a region do the next step of a secure sum: it is told what the others gave in the step before."""

    region: str
    version: int
    attempt: int
    sum: str
    step: str
    peers: Mapping[str, Keys] = {}
    boxes: Mapping[str, bytes] = {}
    alive: tuple[str, ...] = ()


class Reported(msgspec.Struct, frozen=True):
    """Something did not count, and why."""

    region: str
    version: int
    reason: str


Action = Hold | Store | Announce | Ask | Tell | Reported
