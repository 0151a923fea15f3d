"""Balances, orders and trades of an account as Kraken's REST lists them."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from market.venues.kraken.numbers import Number, number_text, unix_ns
from market.venues.steps import BadFrame, Count

Read = TypeVar("Read")


class ListedBalance(msgspec.Struct):
    """What is held of an asset, and how much of it by orders."""

    balance: Number
    hold_trade: Number = "0"


class Description(msgspec.Struct):
    """What an order is."""

    pair: str
    type: Literal["buy", "sell"]
    ordertype: str
    price: Number


class ListedOrder(msgspec.Struct):
    """An order as REST lists it."""

    status: str
    descr: Description
    vol: Number
    vol_exec: Number
    opentm: Number = 0
    cl_ord_id: str | None = None
    timeinforce: str = "GTC"
    oflags: str = ""

    @property
    def opened_ns(self) -> int:
        """Give when it came to be; 0 where that cannot be told."""
        try:
            return unix_ns(self.opentm)
        except BadFrame:
            return 0


class ListedTrade(msgspec.Struct):
    """One of the account's trades; `fee` is in the quote asset where no asset is named beside it."""

    ordertxid: str
    pair: str
    time: Number
    type: Literal["buy", "sell"]
    price: Number
    vol: Number
    fee: Number
    trade_id: Count
    maker: bool = False
    fee_asset: str | None = None
    fee_qty: Number = None


class OpenOrders(msgspec.Struct):
    """Orders by the venue's id."""

    open: dict[str, ListedOrder]


class ClosedOrders(msgspec.Struct):
    """Orders by the venue's id."""

    closed: dict[str, ListedOrder]


class Trades(msgspec.Struct):
    """Trades by the venue's id."""

    trades: dict[str, ListedTrade]


def _decoder(kind: type[Read]) -> msgspec.json.Decoder[Read]:
    return msgspec.json.Decoder(kind, float_hook=number_text)


BALANCES, OPEN, CLOSED = _decoder(dict[str, ListedBalance]), _decoder(OpenOrders), _decoder(ClosedOrders)
ORDERS, TRADES = _decoder(dict[str, ListedOrder]), _decoder(Trades)
