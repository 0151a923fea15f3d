"""What a leg saga is told, what it asks for, and how it can end."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class SagaState(IntEnum):
    """Where a saga is; it sends nothing any more from FLAT, UNWOUND and RELEASED on."""

    PLANNED = 0
    LEGS = 1  # leg orders are out, or still to come in a sequence
    HEDGING = 2  # the legs are uneven: those that lag are driven on
    UNWINDING = 3  # those that lead are taken back
    STUCK = 4  # alarmed: waits for knowledge or for the operator
    FLAT = 5  # nothing between the legs is left, nothing was taken back
    UNWOUND = 6  # nothing between the legs is left, something was taken back
    RELEASED = 7  # the operator took over what was left


class StuckReason(IntEnum):
    """Why a saga stopped sending and alarmed."""

    NONE = 0
    UNKNOWN = 1  # an order's fate, or a fill that the venue counted, was not told in time
    BEYOND_BOUND = 2  # no quote within the bound in time: nothing is sold blind
    NO_QUOTE = 3  # no quote at all in time
    ATTEMPTS = 4  # every attempt was used
    BUDGET = 5  # the next order could take the loss beyond what was budgeted
    REOPENED = 6  # late fills opened it again too often


class Purpose(IntEnum):
    """Why an order is sent; only LEG is new risk."""

    LEG = 0
    HEDGE = 1
    UNWIND = 2


class LegFilled(msgspec.Struct, frozen=True, array_like=True, tag=400, gc=False):
    """Part of a saga's order traded. `trade_id` is counted once per market; the fee is positive when paid."""

    saga: int
    leg: int
    order: int
    trade_id: int
    size_lots: int
    price_ticks: int
    fee_atoms: int
    fee_asset: str
    now_ns: int


class LegEnded(msgspec.Struct, frozen=True, array_like=True, tag=401, gc=False):
    """A saga's order is over: `filled_lots` is the venue's own total, `state` a terminal `OrderState`.

    Also for an order that was never sent: REJECTED with 0 lots.
    """

    saga: int
    leg: int
    order: int
    state: int
    filled_lots: int
    now_ns: int


class LegUnknown(msgspec.Struct, frozen=True, array_like=True, tag=402, gc=False):
    """An order's fate is unknown: it may have filled."""

    saga: int
    leg: int
    order: int
    now_ns: int


class LegKnown(msgspec.Struct, frozen=True, array_like=True, tag=403, gc=False):
    """An order whose fate was unknown stands at the venue; its end is still to come."""

    saga: int
    leg: int
    order: int
    now_ns: int


class Quoted(msgspec.Struct, frozen=True, array_like=True, tag=404, gc=False):
    """A market's touch; zeros where there is none or it is not believed."""

    instrument: int
    bid_ticks: int
    ask_ticks: int
    now_ns: int


class Passed(msgspec.Struct, frozen=True, array_like=True, tag=405, gc=False):
    """Time went on."""

    now_ns: int


class Halted(msgspec.Struct, frozen=True, array_like=True, tag=406, gc=False):
    """The halt latch was set or cleared: while it is set nothing but cancels is sent."""

    on: bool
    now_ns: int


class ReduceOnly(msgspec.Struct, frozen=True, array_like=True, tag=407, gc=False):
    """The lease was lost or is back: without it legs are only taken back."""

    on: bool
    now_ns: int


class Restarted(msgspec.Struct, frozen=True, array_like=True, tag=408, gc=False):
    """The node began again: the fate of every order that was out is unknown."""

    now_ns: int


class Acknowledged(msgspec.Struct, frozen=True, array_like=True, tag=409, gc=False):
    """The operator saw a stuck saga and lets it try again, as often as the first time."""

    saga: int
    now_ns: int


class Released(msgspec.Struct, frozen=True, array_like=True, tag=410, gc=False):
    """The operator takes over what a stuck saga has left."""

    saga: int
    now_ns: int


LegEvent = LegFilled | LegEnded | LegUnknown | LegKnown
SagaEvent = LegEvent | Quoted | Passed | Halted | ReduceOnly | Restarted | Acknowledged | Released


class SendLeg(msgspec.Struct, frozen=True, array_like=True, tag=420, gc=False):
    """Send an order under a new client id; `order` counts the saga's orders and names it in every answer."""

    saga: int
    leg: int
    order: int
    instrument: int
    side: int
    tif: int
    price_ticks: int
    size_lots: int
    purpose: int


class CancelLeg(msgspec.Struct, frozen=True, array_like=True, tag=421, gc=False):
    """Cancel an order that may still stand."""

    saga: int
    leg: int
    order: int


class SagaAlarm(msgspec.Struct, frozen=True, array_like=True, tag=422):
    """Tell the operator. `kind` is a constant; figures are in `text`."""

    saga: int
    kind: str
    text: str


class SagaEnded(msgspec.Struct, frozen=True, array_like=True, tag=423):
    """Say how a saga ended, or that it is stuck for now, and what it did to every account.

    `realised` is (venue, asset, atoms), the exact sum of all fills and fees. `residual` is (asset, atoms)
    left between the legs: too little to trade, or, where stuck, what is exposed. `profit_atoms` is in the
    ticket's asset, with what is left between the legs at what it cost; -`profit_atoms` is held to
    `worst_atoms`.
    """

    saga: int
    state: int
    reason: int
    asset: str
    profit_atoms: int
    realised: tuple[tuple[str, str, int], ...]
    residual: tuple[tuple[str, int], ...]


SagaAction = SendLeg | CancelLeg | SagaAlarm | SagaEnded


class NoSagaReason(IntEnum):
    """Why a saga did not begin; what its figure and limit count stands beside it."""

    BAD_TICKET = 0  # number of the leg, 0
    BUDGET = 1  # atoms that could be lost, atoms budgeted
    UNFUNDED = 2  # atoms that the leg pays, atoms at its venue
    TOO_MANY = 3  # sagas that live, at most
    ROUTE_BUSY = 4  # the saga that has the route, 0
    BUDGET_SUM = 5  # atoms reserved with this one, atoms for all sagas of the asset
    HALTED = 6  # 0, 0
    REDUCE_ONLY = 7  # 0, 0
    NO_QUOTE = 8  # number of the leg, 0: what it would be taken back at is not known


class NoSaga(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Say why nothing was begun, with the figures."""

    reason: NoSagaReason
    figure: int
    limit: int
