"""What a venue tells about its market. Levels are (price_ticks, size_lots); size 0 removes a level."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from domain.dtypes import NO_CHECKSUM

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
    """Levels changed; continuity is `first_sequence <= book.sequence + 1 <= last_sequence`.

    `checksum` is the venue's own over the book that results, where it offers one.
    """

    instrument: int
    exchange_ts_ns: int
    local_ts_ns: int
    first_sequence: int
    last_sequence: int
    bids: Levels
    asks: Levels
    checksum: int = NO_CHECKSUM


class BookSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The whole book as of `sequence`; best levels first."""

    instrument: int
    exchange_ts_ns: int
    local_ts_ns: int
    sequence: int
    bids: Levels
    asks: Levels
    checksum: int = NO_CHECKSUM


class FeedLost(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The market-data connection broke: every book of the venue is stale until resynchronised."""

    venue: str
    local_ts_ns: int
    reason: str


class FeedUp(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """A market-data connection stands: a new book epoch begins."""

    venue: str
    local_ts_ns: int


class MarketRows(msgspec.Struct, frozen=True, array_like=True, tag=7, eq=False):
    """Ticks, trades and book changes as rows (`domain.dtypes`), which is how a fast feed tells them.

    They hold until the call that brings them returns: a feed writes its next frame over them.
    """

    local_ts_ns: int
    rows: np.ndarray[Any, np.dtype[np.int64]]


MarketEvent = Tick | Trade | BookDelta | BookSnapshot | FeedLost | FeedUp | MarketRows
