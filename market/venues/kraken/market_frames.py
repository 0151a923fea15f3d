"""Frames of the public socket as msgspec reads them; numbers with a fraction stay text."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from market.venues.kraken.numbers import NO_TIME, Crc, Number, number_text
from market.venues.steps import Count

Flow = Literal["snapshot", "update"]


class Level(msgspec.Struct, gc=False):
    """A price and what stands there."""

    price: Number
    qty: Number


class Book(msgspec.Struct, gc=False):
    """Levels of one book."""

    symbol: str
    checksum: Crc
    bids: list[Level] = []
    asks: list[Level] = []
    timestamp: str = NO_TIME


class Print(msgspec.Struct, gc=False):
    """One public trade."""

    symbol: str
    side: Literal["buy", "sell"]
    price: Number
    qty: Number
    trade_id: Count
    timestamp: str


class Best(msgspec.Struct, gc=False):
    """Best prices of one market."""

    symbol: str
    bid: Number = None
    bid_qty: Number = None
    ask: Number = None
    ask_qty: Number = None
    timestamp: str = NO_TIME


class System(msgspec.Struct):
    """How the venue is."""

    system: str = ""


class BookFrame(msgspec.Struct, tag_field="channel", tag="book"):
    """Levels of books."""

    type: Flow
    data: list[Book]


class TradeFrame(msgspec.Struct, tag_field="channel", tag="trade"):
    """Public trades."""

    type: Flow
    data: list[Print]


class TickerFrame(msgspec.Struct, tag_field="channel", tag="ticker"):
    """Best prices, with a day's figures that we leave alone."""

    type: Flow
    data: list[Best]


class HeartbeatFrame(msgspec.Struct, tag_field="channel", tag="heartbeat"):
    """Nothing else to say."""


class StatusFrame(msgspec.Struct, tag_field="channel", tag="status"):
    """How the venue is."""

    data: list[System] = []


class Subscribed(msgspec.Struct):
    """What a subscription was about."""

    channel: str = ""
    symbol: str | None = None


class Answer(msgspec.Struct):
    """The answer to a request of ours; `channel` is there only in frames that are none."""

    method: str = ""
    channel: str = ""
    success: bool = True
    error: str | None = None
    symbol: str | None = None
    req_id: int | None = None
    result: Subscribed | None = None


FRAME = msgspec.json.Decoder(
    BookFrame | TradeFrame | TickerFrame | HeartbeatFrame | StatusFrame, float_hook=number_text
)
BOOK = msgspec.json.Decoder(BookFrame, float_hook=number_text)
ANSWER = msgspec.json.Decoder(Answer)
LISTED = msgspec.json.Decoder(dict[str, Any], float_hook=number_text)
