"""Order bytes to domain events: answers to our requests, and what the user stream tells."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from domain.ids import client_id_read
from domain.instrument import Instrument
from domain.order import OrderState, Side, TimeInForce
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    Fill,
    OpenOrder,
    OrderAcked,
    OrderClosed,
    OrderEvent,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from domain.units import atoms
from market.venues.binance.wire import MarketReader
from market.venues.in_flight import RequestKind
from market.venues.rest import LIMIT_STATUSES
from market.venues.steps import MS_NS, PLAIN, BadFrame, Count, Millis

NEW_ORDER_REJECTED, CANCEL_REJECTED, NO_SUCH_ORDER = -2010, -2011, -2013
# Codes after which nobody can tell whether the venue acted; a limited order is one of them.
UNKNOWN_FATE_CODES = frozenset({-1000, -1001, -1003, -1006, -1007, -1008, -1015, -1016, -1034})
WRONG_KEY_CODES = frozenset({-1022, -2008, -2014, -2015})

STATES = {
    "NEW": OrderState.OPEN,
    "PENDING_NEW": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "PENDING_CANCEL": OrderState.PENDING_CANCEL,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
_TIFS = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_TYPES = {"LIMIT_MAKER": TimeInForce.POST, "MARKET": TimeInForce.MARKET}
ABSENT = msgspec.Raw()
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


class ApiError(msgspec.Struct):
    """The venue's error body."""

    code: int = 0
    msg: str = ""
    data: msgspec.Raw = ABSENT


class Answer(msgspec.Struct):
    """One frame of the WebSocket API: an answer to a request, or an event of the user stream."""

    id: int | str | None = None
    status: int = 0
    result: msgspec.Raw = ABSENT
    error: ApiError | None = None
    event: msgspec.Raw = ABSENT
    rateLimits: msgspec.Raw = ABSENT


class _Placed(msgspec.Struct):
    orderId: Count


class _Known(msgspec.Struct):
    orderId: Count
    symbol: str
    status: str
    executedQty: str


class ListedOrder(msgspec.Struct):
    """An order as REST lists it."""

    symbol: str
    orderId: Count
    clientOrderId: str
    price: str
    origQty: str
    executedQty: str
    status: str
    timeInForce: str
    type: str
    side: str


class ListedTrade(msgspec.Struct):
    """One of the account's trades as REST lists it; the real one does not name the client id."""

    id: Count
    orderId: Count
    price: str
    qty: str
    commission: str
    commissionAsset: str
    time: Millis
    isBuyer: bool
    isMaker: bool
    clientOrderId: str | None = None


class _Kind(msgspec.Struct):
    e: str


class _Execution(msgspec.Struct):
    s: str
    c: str
    S: str
    x: str
    X: str
    i: Count
    z: str
    r: str = "NONE"
    C: str | None = None
    l: str = "0"  # noqa: E741 - the venue's own name
    L: str = "0"
    n: str | None = None
    N: str | None = None
    T: Millis = 0
    t: int = -1
    m: bool = False


_ANSWER, _KIND, _EXECUTION = (
    msgspec.json.Decoder(Answer),
    msgspec.json.Decoder(_Kind),
    msgspec.json.Decoder(_Execution),
)
_PLACED, _KNOWN = msgspec.json.Decoder(_Placed), msgspec.json.Decoder(_Known)


def _fee(text: str) -> int:
    """Read a fee, rounded against us; a rebate is negative."""
    paid = text.removeprefix("-")
    if PLAIN.fullmatch(paid) is None:
        raise BadFrame(f"not a fee: {text[:40]!r}")
    return atoms(text, "up")


class StreamEnded(Exception):
    """The venue ended the user stream: the connection must be made anew."""


class OrderReader:
    """Turn answers and user events into domain events; anything unreadable raises `BadFrame`."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_symbol = {instrument.symbol: MarketReader(instrument) for instrument in instruments}
        self._by_index = {reader.index: reader for reader in self._by_symbol.values()}
        self.foreign = 0

    def frame(self, payload: bytes) -> Answer:
        """Read one frame."""
        try:
            return _ANSWER.decode(payload)
        except (ValueError, RecursionError) as error:
            raise BadFrame(str(error)) from error

    def answered(
        self, kind: RequestKind, client_id: int, instrument: int, answer: Answer, local_ts_ns: int
    ) -> OrderEvent:
        """Say what an answer means for the order it was about."""
        try:
            if answer.status != 200:
                return self._failed(kind, client_id, answer, local_ts_ns)
            raw = answer.result
            if kind == RequestKind.PLACE:
                return OrderAcked(client_id, local_ts_ns, _PLACED.decode(raw).orderId)
            known = _KNOWN.decode(raw)
            state, filled = STATES[known.status], self._by_index[instrument].size[known.executedQty]
        except (KeyError, ValueError, RecursionError) as error:
            raise BadFrame(f"unreadable answer: {error}") from error
        if kind == RequestKind.CANCEL and state in (OrderState.CANCELLED, OrderState.EXPIRED):
            return OrderClosed(client_id, local_ts_ns, int(state), filled)
        return OrderStatus(client_id, local_ts_ns, known.orderId, int(state), filled)

    def _failed(self, kind: RequestKind, client_id: int, answer: Answer, local_ts_ns: int) -> OrderEvent:
        error = answer.error or ApiError(0, "no reason given")
        if answer.status >= 500 or answer.status in LIMIT_STATUSES or error.code in UNKNOWN_FATE_CODES:
            return FateUnknown(client_id, local_ts_ns, f"{answer.status} {error.code} {error.msg[:100]}")
        if kind == RequestKind.PLACE:
            # "Already there" is success: the id is ours alone, so the first submit did arrive.
            if error.code == NEW_ORDER_REJECTED and "duplicate" in error.msg.lower():
                return OrderAcked(client_id, local_ts_ns, 0)
            if error.code == 0:
                return FateUnknown(client_id, local_ts_ns, f"{answer.status} without a code")
            return OrderRefusedByVenue(client_id, local_ts_ns, error.code, error.msg[:200])
        if kind == RequestKind.CANCEL:
            return CancelRefused(client_id, local_ts_ns, error.code)
        if error.code == NO_SUCH_ORDER:
            return OrderNotFound(client_id, local_ts_ns)
        return FateUnknown(client_id, local_ts_ns, f"query: {answer.status} {error.code} {error.msg[:100]}")

    def event(self, raw: msgspec.Raw, local_ts_ns: int) -> OrderEvent | None:
        """Read a user event; `None` for those that tell us nothing new."""
        try:
            kind = _KIND.decode(raw).e
            if kind in ("eventStreamTerminated", "listenKeyExpired"):
                raise StreamEnded(kind)
            if kind != "executionReport":
                return None
            return self._execution(_EXECUTION.decode(raw), local_ts_ns)
        except (KeyError, ValueError, RecursionError) as error:
            raise BadFrame(f"unreadable user event: {error}") from error

    def _execution(self, report: _Execution, local_ts_ns: int) -> OrderEvent | None:
        reader = self._by_symbol.get(report.s)
        if reader is None:
            self.foreign += 1
            return None
        client = client_id_read(report.C or report.c)
        if report.x == "TRADE":
            # A stranger's fill on our account moves our balances all the same: id 0 says "not ours".
            return self._fill(report, reader, client or 0, local_ts_ns)
        if client is None:
            self.foreign += 1
            return None
        if report.x == "NEW":
            return OrderAcked(client, local_ts_ns, report.i)
        if report.x == "REJECTED":
            return OrderRefusedByVenue(client, local_ts_ns, NEW_ORDER_REJECTED, report.r[:200])
        state = STATES[report.X]
        if state in (OrderState.CANCELLED, OrderState.EXPIRED):
            return OrderClosed(client, local_ts_ns, int(state), reader.size[report.z])
        return None

    def _fill(self, report: _Execution, reader: MarketReader, client: int, local_ts_ns: int) -> Fill:
        if report.t < 0:
            raise BadFrame("a trade without an id")
        return Fill(
            client_id=client,
            local_ts_ns=local_ts_ns,
            instrument=reader.index,
            trade_id=report.t,
            venue_order_id=report.i,
            side=int(_SIDES[report.S]),
            price_ticks=reader.price[report.L],
            size_lots=reader.size[report.l],
            fee_atoms=_fee(report.n) if report.n is not None else 0,
            fee_asset=report.N or "",
            maker=report.m,
            exchange_ts_ns=report.T * MS_NS,
        )

    def listed_trade(self, trade: ListedTrade, instrument: int, client: int, local_ts_ns: int) -> Fill:
        """Convert a trade of the account; its client id is known from its order."""
        reader = self._by_index[instrument]
        return Fill(
            client_id=client,
            local_ts_ns=local_ts_ns,
            instrument=instrument,
            trade_id=trade.id,
            venue_order_id=trade.orderId,
            side=int(Side.BUY if trade.isBuyer else Side.SELL),
            price_ticks=reader.price[trade.price],
            size_lots=reader.size[trade.qty],
            fee_atoms=_fee(trade.commission),
            fee_asset=trade.commissionAsset,
            maker=trade.isMaker,
            exchange_ts_ns=trade.time * MS_NS,
        )

    def listed_order(self, order: ListedOrder) -> OpenOrder:
        """Convert an open order; one on a market that is not ours has instrument -1 and no figures."""
        reader = self._by_symbol.get(order.symbol)
        tif = _TYPES.get(order.type, _TIFS.get(order.timeInForce, TimeInForce.GTC))
        side, client = int(_SIDES[order.side]), client_id_read(order.clientOrderId) or 0
        if reader is None:
            return OpenOrder(client, order.clientOrderId, order.orderId, -1, side, int(tif), 0, 0, 0)
        price, size, filled = (
            reader.price[order.price],
            reader.size[order.origQty],
            reader.size[order.executedQty],
        )
        return OpenOrder(
            client, order.clientOrderId, order.orderId, reader.index, side, int(tif), price, size, filled
        )
