"""What a venue tells about its market. Levels are (price_ticks, size_lots); size 0 removes a level."""

from __future__ import annotations

import msgspec

Levels = tuple[tuple[int, int], ...]


class Tick(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Top of book changed."""

    instrument: int
    exchange_ts_ns: int
    local_ts_ns: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    sequence: int


class Trade(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Somebody traded; `aggressor` is the taker's side."""

    instrument: int
    exchange_ts_ns: int
    local_ts_ns: int
    trade_id: int
    price_ticks: int
    size_lots: int
    aggressor: int


class BookDelta(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Levels changed; continuity is `first_sequence <= book.sequence + 1 <= last_sequence`."""

    instrument: int
    exchange_ts_ns: int
    local_ts_ns: int
    first_sequence: int
    last_sequence: int
    bids: Levels
    asks: Levels


class BookSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The whole book as of `sequence`; best levels first."""

    instrument: int
    exchange_ts_ns: int
    local_ts_ns: int
    sequence: int
    bids: Levels
    asks: Levels


class FeedLost(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The market-data connection broke: every book of the venue is stale until resynchronised."""

    venue: str
    local_ts_ns: int
    reason: str


class FeedUp(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """A market-data connection stands: a new book epoch begins."""

    venue: str
    local_ts_ns: int


MarketEvent = Tick | Trade | BookDelta | BookSnapshot | FeedLost | FeedUp
