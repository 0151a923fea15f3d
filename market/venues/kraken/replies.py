"""Order bytes to domain events: answers to our requests, and what the executions channel tells."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Literal

import msgspec

from domain.ids import client_id_read
from domain.instrument import Instrument
from domain.order import OrderState, Side
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderEvent,
    OrderRefusedByVenue,
)
from domain.units import atoms
from market.venues.in_flight import Request, RequestKind
from market.venues.kraken.faults import Refusal, refusal, taken, unclear
from market.venues.kraken.names import order_number, wire_symbol
from market.venues.kraken.numbers import NO_TIME, Number, NumberReader, TimeReader, amount_text, number_text
from market.venues.order_line import remember
from market.venues.steps import BadFrame, Count

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_ABSENT = msgspec.Raw()
_ENDS = {"canceled": OrderState.CANCELLED, "expired": OrderState.EXPIRED}


class Told(msgspec.Struct):
    """What a request that went well is answered with."""

    order_id: str = ""
    cl_ord_id: str | None = None
    channel: str = ""
    maxratecount: int | None = None


class Frame(msgspec.Struct):
    """One frame of the private socket: an answer (`method`) or what a channel tells."""

    method: str = ""
    req_id: int | None = None
    success: bool | None = None
    error: str | None = None
    result: Told | None = None
    time_in: str = NO_TIME
    channel: str = ""
    type: Literal["snapshot", "update", ""] = ""
    data: msgspec.Raw = _ABSENT
    sequence: int | None = None


class _Fee(msgspec.Struct):
    asset: str
    qty: Number


class Execution(msgspec.Struct):
    """One report about an order; which fields are there depends on its kind."""

    exec_type: str
    order_id: str
    order_status: str = ""
    cl_ord_id: str | None = None
    symbol: str | None = None
    side: Literal["buy", "sell", ""] = ""
    last_qty: Number = None
    last_price: Number = None
    cum_qty: Number = 0
    trade_id: Count | None = None
    liquidity_ind: str = ""
    fees: list[_Fee] = []
    timestamp: str = NO_TIME
    reason: str = ""
    cancel_reason: str = ""


_FRAME = msgspec.json.Decoder(Frame)
_EXECUTIONS = msgspec.json.Decoder(list[Execution], float_hook=number_text)


class Owner(msgspec.Struct, frozen=True):
    """Whose order it is and where; 0 is a stranger's, and index -1 another market's."""

    client_id: int
    index: int


class Readers:
    """One market's numbers."""

    __slots__ = ("instrument", "price", "size")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.price, self.size = NumberReader(instrument.tick), NumberReader(instrument.lot)


def fee_atoms(text: str) -> int:
    """Read a fee, rounded against us; a rebate is negative."""
    return atoms(text, "up")


class OrderReader:
    """Turn frames into domain events; anything unreadable raises `BadFrame`.

    Later reports name only the venue's order id, so the newest of those are kept with their owners.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        readers = [Readers(instrument) for instrument in instruments]
        self.by_index = {one.instrument.index: one for one in readers}
        self.by_symbol = {wire_symbol(one.instrument): one for one in readers}
        self.owners: OrderedDict[str, Owner] = OrderedDict()
        self.order_ids: OrderedDict[int, str] = OrderedDict()
        self._acked: OrderedDict[int, None] = OrderedDict()
        self._times = TimeReader()
        self.foreign = 0

    def frame(self, payload: bytes) -> Frame:
        """Read one frame."""
        try:
            return _FRAME.decode(payload)
        except (ValueError, RecursionError) as error:
            raise BadFrame(str(error)) from error

    def time_ns(self, text: str) -> int:
        """Read a time."""
        return self._times.ns(text)

    def own(self, order_id: str, client_id: int, index: int) -> None:
        """Take note whose order it is."""
        if order_id != "":
            remember(self.owners, order_id, Owner(client_id, index))
            if client_id > 0:
                remember(self.order_ids, client_id, order_id)

    def answered(self, request: Request, answer: Frame, local_ts_ns: int) -> OrderEvent | None:
        """Say what an answer means for the order it was about; `None` where a report is still to come."""
        client_id = request.client_id
        if answer.success is not True:
            return self._failed(request.kind, client_id, answer.error or "", local_ts_ns)
        if request.kind != RequestKind.PLACE:
            return None
        order_id = answer.result.order_id if answer.result is not None else ""
        if order_id == "":
            raise BadFrame("an order without an id")
        self.own(order_id, client_id, request.instrument)
        remember(self._acked, client_id, None)
        return OrderAcked(client_id, local_ts_ns, order_number(order_id))

    def _failed(self, kind: RequestKind, client_id: int, text: str, local_ts_ns: int) -> OrderEvent:
        if kind == RequestKind.PLACE and taken(text):
            # "Already there" is success: the id is ours alone, so the first submit did arrive.
            return OrderAcked(client_id, local_ts_ns, 0)
        if unclear(text):
            return FateUnknown(client_id, local_ts_ns, text[:120] or "refused without a reason")
        if kind == RequestKind.PLACE:
            return OrderRefusedByVenue(client_id, local_ts_ns, int(refusal(text)), text[:200])
        return CancelRefused(client_id, local_ts_ns, int(refusal(text)))

    def executions(self, frame: Frame, local_ts_ns: int) -> list[OrderEvent]:
        """Read a frame of the channel; its snapshot says nothing new: the account is read after each link."""
        try:
            reports = _EXECUTIONS.decode(frame.data)
            found = [self._report(report, local_ts_ns) for report in reports]
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise BadFrame(f"unreadable executions: {error}") from error
        return [event for event in found if event is not None and frame.type == "update"]

    def _report(self, report: Execution, local_ts_ns: int) -> OrderEvent | None:
        owner = self._owner(report)
        if report.exec_type == "trade":
            if owner.index < 0:
                self.foreign += 1
                return None
            # A stranger's fill on our account moves our balances all the same: id 0 says "not ours".
            return self._fill(report, owner, local_ts_ns)
        if owner.client_id == 0 or owner.index < 0:
            self.foreign += 1
            return None
        if report.exec_type == "new":
            remember(self._acked, owner.client_id, None)
            return OrderAcked(owner.client_id, local_ts_ns, order_number(report.order_id))
        state = _ENDS.get(report.exec_type)
        return None if state is None else self._ended(report, owner, state, local_ts_ns)

    def _owner(self, report: Execution) -> Owner:
        """Find whose order it is: a report that does not say so is about one that was told of before."""
        known = self.owners.get(report.order_id)
        if report.symbol is None:
            return known or Owner(0, -1)
        reader = self.by_symbol.get(report.symbol)
        index = reader.instrument.index if reader is not None else -1
        told = client_id_read(report.cl_ord_id) if report.cl_ord_id is not None else None
        client_id = told if told is not None else known.client_id if known is not None else 0
        self.own(report.order_id, client_id, index)
        return Owner(client_id, index)

    def _ended(self, report: Execution, owner: Owner, state: OrderState, local_ts_ns: int) -> OrderEvent:
        filled = self.by_index[owner.index].size[report.cum_qty]
        reason = report.reason or report.cancel_reason
        if filled == 0 and "post only" in reason.lower() and owner.client_id not in self._acked:
            return OrderRefusedByVenue(owner.client_id, local_ts_ns, int(Refusal.POST_ONLY), reason[:200])
        return OrderClosed(owner.client_id, local_ts_ns, int(state), filled)

    def _fill(self, report: Execution, owner: Owner, local_ts_ns: int) -> Fill:
        reader = self.by_index[owner.index]
        if report.trade_id is None:
            raise BadFrame("a trade without an id")
        fees = {fee.asset: amount_text(fee.qty) for fee in report.fees}
        if len(fees) > 1 or len(fees) < len(report.fees):
            raise BadFrame("a trade with several fees")
        asset, fee = next(iter(fees.items()), ("", "0"))
        return Fill(
            client_id=owner.client_id,
            local_ts_ns=local_ts_ns,
            instrument=owner.index,
            trade_id=report.trade_id,
            venue_order_id=order_number(report.order_id),
            side=int(SIDES[report.side]),
            price_ticks=reader.price[report.last_price],
            size_lots=reader.size[report.last_qty],
            fee_atoms=fee_atoms(fee),
            fee_asset=asset,
            maker=report.liquidity_ind == "m",
            exchange_ts_ns=self._times.ns(report.timestamp),
        )
