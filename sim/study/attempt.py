"""One attempt at an arbitrage, whoever made it: what was expected, and what its orders really did."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from sim.study.mids import Mids, usdt
from sim.study.truth import OrderTruth


class End(StrEnum):
    """How it ended: every leg at once, none at all, evened out later, taken back, or left so."""

    WHOLE = "whole"
    MISSED = "missed"
    EVENED = "evened"
    UNWOUND = "unwound"
    LEFT = "left"


class Attempt(msgspec.Struct, frozen=True):
    """What a bot says of an attempt; `orders` are the client texts of all that it sent for it."""

    begun_ns: int
    legs: int
    in_usdt: float
    expected_usdt: float
    orders: tuple[str, ...]
    end: End


class Judged(msgspec.Struct, frozen=True):
    """An attempt beside what the exchanges say of it, valued at the mids of when it began."""

    attempt: Attempt
    realised_usdt: float
    fees_usdt: float

    @property
    def short_bps(self) -> float:
        """Give by how much it paid less than expected, for what was put in."""
        return (self.attempt.expected_usdt - self.realised_usdt) / self.attempt.in_usdt * 1e4


def judged(attempt: Attempt, orders: Mapping[str, OrderTruth], mids: Mids) -> Judged:
    """Hold an attempt against the truth."""
    worth = mids.at(attempt.begun_ns)
    truths = [orders[text] for text in attempt.orders if text in orders]
    return Judged(
        attempt,
        sum(usdt(one.flows, worth) for one in truths),
        sum(usdt(one.fees, worth) for one in truths),
    )
