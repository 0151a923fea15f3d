"""Orders: what is wanted, what was approved, and the states an order can be in."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Side(IntEnum):
    """Sign of the position change that a fill makes."""

    BUY = 1
    SELL = -1


class TimeInForce(IntEnum):
    """How long an order stands. POST refuses to take; MARKET has no price."""

    GTC = 0
    IOC = 1
    FOK = 2
    POST = 3
    MARKET = 4


class OrderState(IntEnum):
    """Where an order is. UNKNOWN is not an end: it is resolved by positive proof only."""

    PENDING_NEW = 0
    OPEN = 1
    PARTIALLY_FILLED = 2
    PENDING_CANCEL = 3
    UNKNOWN = 4
    FILLED = 5
    CANCELLED = 6
    REJECTED = 7
    EXPIRED = 8

    @property
    def terminal(self) -> bool:
        """Tell whether nothing can follow."""
        return self >= OrderState.FILLED


_WORKING = {OrderState.OPEN, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL, OrderState.UNKNOWN}
_ENDS = {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED}

# Tolerant of disorder (a fill before its ack), strict about ends: nothing leaves a terminal state.
LEGAL_TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.PENDING_NEW: frozenset(_WORKING | _ENDS),
    OrderState.OPEN: frozenset(_WORKING | _ENDS - {OrderState.REJECTED}) - {OrderState.OPEN},
    OrderState.PARTIALLY_FILLED: frozenset(_WORKING | _ENDS - {OrderState.REJECTED}) - {OrderState.OPEN},
    OrderState.PENDING_CANCEL: frozenset(_WORKING | _ENDS - {OrderState.REJECTED}),
    OrderState.UNKNOWN: frozenset(_WORKING | _ENDS) - {OrderState.UNKNOWN},
    **{end: frozenset() for end in _ENDS},
}


class OrderIntent(msgspec.Struct, frozen=True, array_like=True, tag=100, gc=False):
    """Say what an agent wants to send; nothing has been allowed yet."""

    agent: int
    instrument: int
    side: int
    tif: int
    price_ticks: int
    size_lots: int
    reduce_only: bool = False


class RefusalReason(IntEnum):
    """Why the gate refused; the control it implements is in `docs/architecture.md`."""

    HALTED = 1
    NO_LEASE = 2
    REDUCE_ONLY = 3
    STALE_MARKET = 4
    SIZE_ZERO = 5
    SIZE_MIN = 6
    SIZE_MAX = 7
    NOTIONAL_MIN = 8
    NOTIONAL_MAX = 9
    PRICE_COLLAR = 10
    POSITION = 11
    IN_FLIGHT = 12
    MESSAGE_RATE = 13
    BUDGET = 14
    SELF_MATCH = 15
    BALANCE = 16
    BAD_PRICE = 17
    IDS_EXHAUSTED = 18
    UNEXPLAINED = 19
    DUPLICATE_STORM = 20


class RefusedOrder(msgspec.Struct, frozen=True, array_like=True, tag=101, gc=False):
    """Say why an intent was refused, with the figures."""

    intent: OrderIntent
    reason: int
    figure: int
    limit: int


class _Seal:
    """The right to make approvals; there is one, and it is handed out once."""

    taken = False


def claim_seal() -> object:
    """Hand the seal to the risk gate; a second claim is our own mistake and stops the process."""
    assert not _Seal.taken, "the approval seal was claimed already: only risk/gate.py may"
    _Seal.taken = True
    return _SEAL


_SEAL = _Seal()


class ApprovedOrder:
    """An intent that passed the gate. Only the holder of the seal can make one."""

    __slots__ = ("approved_ts_ns", "epoch", "intent")

    def __init__(self, seal: object, intent: OrderIntent, epoch: int, approved_ts_ns: int) -> None:
        assert seal is _SEAL, "an ApprovedOrder is made by the risk gate alone"
        self.intent, self.epoch, self.approved_ts_ns = intent, epoch, approved_ts_ns

    def __repr__(self) -> str:
        return f"ApprovedOrder({self.intent!r}, epoch={self.epoch})"
