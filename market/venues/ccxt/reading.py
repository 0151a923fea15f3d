"""What ccxt's structures say, as exact integers: texts where it keeps them, else the shortest decimal."""

from __future__ import annotations

import hashlib
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.ids import client_id_read
from domain.instrument import Instrument
from domain.market_events import BookSnapshot, Levels, Trade
from domain.order import OrderState, Side, TimeInForce
from domain.order_events import Fill, OpenOrder
from domain.units import atoms
from market.venues.steps import COUNT_MAX, MS_NS, BadFrame, StepReader

STATES = {
    "open": OrderState.OPEN,
    "closed": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "cancelled": OrderState.CANCELLED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
# What reading something that has another shape than ccxt promises may raise.
UNREADABLE = (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError, RecursionError)
_TIFS: dict[str, TimeInForce] = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "PO": TimeInForce.POST,
}


def plain(number: Any) -> str:
    """Write a number of ccxt without exponent; a float becomes the decimal that it was read from.

    >>> plain(1e-05), plain("0.10"), plain(60000.0)
    ('0.00001', '0.10', '60000')
    """
    if isinstance(number, str):
        return number
    try:
        text = f"{Decimal(repr(number)):f}"
    except (InvalidOperation, ValueError):
        raise BadFrame(f"not a number: {number!r:.40}") from None
    return text.removesuffix(".0")


def number_of(text: str) -> int:
    """Give an exchange's order id as a stable int: itself where it is one, else a hash of 60 bits."""
    if text.isascii() and text.isdigit() and 0 < int(text) <= COUNT_MAX:
        return int(text)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 4 | 1


def trade_number(trade: Any) -> int:
    """Give a trade's id as an int that rises with time: itself, or its millisecond and a part of its hash."""
    text = str(trade.get("id") or "")
    if text.isascii() and text.isdigit() and int(text) <= COUNT_MAX:
        return int(text)
    told = (trade.get("info") or {}).get("trade_id") if isinstance(trade.get("info"), dict) else None
    if isinstance(told, int) and 0 < told <= COUNT_MAX:
        return told
    return int(trade["timestamp"]) << 19 | number_of(text) & 0x7FFFF


def _fee(trade: Any) -> tuple[Any, Any]:
    """Give a fee and its asset: the exchange's own words where they are more exact than ccxt's guess."""
    info = trade.get("info")
    if isinstance(info, dict) and "fee_asset" in info and "fee_qty" in info:
        return info["fee_qty"], info["fee_asset"]
    fee = trade.get("fee") or (trade.get("fees") or [{}])[0]
    return fee.get("cost"), fee.get("currency")


class _Steps(dict[Any, int]):
    """Read numbers of ccxt as steps, remembering the texts and floats in use."""

    def __init__(self, reader: StepReader) -> None:
        super().__init__()
        self._reader = reader

    def __missing__(self, number: Any) -> int:
        count = self._reader[plain(number)]
        if len(self) >= 65_536:
            self.clear()
        self[number] = count
        return count


class Reader:
    """Read one market's structures."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument, self.index = instrument, instrument.index
        self.price, self.size = _Steps(StepReader(instrument.tick)), _Steps(StepReader(instrument.lot))

    def book(self, book: Any, depth: int, sequence: int, local_ts_ns: int) -> BookSnapshot:
        """Read a whole book."""
        try:
            at_ns = int(book.get("timestamp") or 0) * MS_NS
            bids, asks = (self._levels(book[side], depth) for side in ("bids", "asks"))
        except UNREADABLE as error:
            raise BadFrame(f"unreadable book: {error!r:.100}") from error
        return BookSnapshot(self.index, at_ns, local_ts_ns, sequence, bids, asks)

    def _levels(self, levels: Any, depth: int) -> Levels:
        price, size = self.price, self.size
        return tuple([(price[level[0]], size[level[1]]) for level in levels[:depth] if level[1]])

    def trade(self, trade: Any, local_ts_ns: int) -> Trade:
        """Read a public trade."""
        try:
            return Trade(
                self.index,
                int(trade["timestamp"]) * MS_NS,
                local_ts_ns,
                trade_number(trade),
                self.price[trade["price"]],
                self.size[trade["amount"]],
                int(SIDES[trade["side"]]),
            )
        except UNREADABLE as error:
            raise BadFrame(f"unreadable trade: {error!r:.100}") from error

    def fill(self, trade: Any, client_id: int, local_ts_ns: int) -> Fill:
        """Read a trade of the account."""
        try:
            cost, currency = _fee(trade)
            return Fill(
                client_id=client_id,
                local_ts_ns=local_ts_ns,
                instrument=self.index,
                trade_id=trade_number(trade),
                venue_order_id=number_of(str(trade["order"])),
                side=int(SIDES[trade["side"]]),
                price_ticks=self.price[trade["price"]],
                size_lots=self.size[trade["amount"]],
                fee_atoms=amount(cost, "up"),
                fee_asset=str(currency or ""),
                maker=trade.get("takerOrMaker") == "maker",
                exchange_ts_ns=int(trade["timestamp"]) * MS_NS,
            )
        except UNREADABLE as error:
            raise BadFrame(f"unreadable own trade: {error!r:.100}") from error

    def order(self, order: Any) -> tuple[OrderState, int]:
        """Read an order's state and how much of it is filled."""
        try:
            state, filled = STATES[order["status"]], self.size[order.get("filled") or 0]
        except UNREADABLE as error:
            raise BadFrame(f"unreadable order: {error!r:.100}") from error
        if state == OrderState.OPEN and filled > 0:
            return OrderState.PARTIALLY_FILLED, filled
        if state == OrderState.FILLED and filled < self.size[order["amount"]]:
            return OrderState.CANCELLED, filled  # "closed" says only that it is over
        return state, filled

    def open_order(self, order: Any) -> OpenOrder:
        """Read one of the account's open orders."""
        try:
            text = str(order.get("clientOrderId") or "")
            tif = "PO" if order.get("postOnly") else str(order.get("timeInForce"))
            return OpenOrder(
                client_id_read(text) or 0,
                text,
                number_of(str(order["id"])),
                self.index,
                int(SIDES[order["side"]]),
                int(_TIFS.get(tif, TimeInForce.GTC)),
                self.price[order.get("price") or 0],
                self.size[order["amount"]],
                self.size[order.get("filled") or 0],
            )
        except UNREADABLE as error:
            raise BadFrame(f"unreadable open order: {error!r:.100}") from error


def amount(number: Any, rounding: str = "down") -> int:
    """Read an amount in atoms; absent is nought, and a rebate is negative."""
    return 0 if number is None else atoms(plain(number), rounding)  # type: ignore[arg-type]
