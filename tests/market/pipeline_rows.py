"""Builders of pipelines and of the rows that go into them."""

from __future__ import annotations

from typing import Any

import numpy as np

from domain.dtypes import Rows
from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot, Levels, Tick, Trade
from hw.kernel import kernels_on
from market.config import PipelineConfig
from market.pipeline import Pipeline
from market.rows import RowEvent, rows_of

SECOND = 1_000_000_000
MS = 1_000_000
BEGIN = 1_000 * SECOND


def examples(count: int) -> int:
    """Give how many examples to try; uncompiled each takes a hundred times as long."""
    return count if kernels_on() else max(10, count // 15)


def instrument(index: int = 0, venue: str = "x", base: str = "BTC", quote: str = "USDT") -> Instrument:
    return Instrument.of(index, venue, base, quote, tick="0.01", lot="0.001")


def pipeline(*instruments: Instrument, linked: bool = True, **config: Any) -> Pipeline:
    made = Pipeline(instruments or (instrument(),), PipelineConfig(depth_max=50, **config))
    for venue in {one.venue: None for one in made.instruments.values()}:
        if linked:
            made.feed_up(venue, BEGIN)
    return made


def tick(sequence: int, bid: int = 9_999, ask: int = 10_001, index: int = 0, **more: Any) -> Tick:
    at_ns = BEGIN + more.pop("ms", sequence) * MS
    lots = more.pop("bid_lots", 5), more.pop("ask_lots", 7)
    exchange_ns = more.pop("exchange_ns", at_ns)
    assert more == {}
    return Tick(index, exchange_ns, at_ns, bid, lots[0], ask, lots[1], sequence)


def trade(number: int, price: int = 10_000, size: int = 3, index: int = 0, ms: int | None = None) -> Trade:
    at_ns = BEGIN + (number if ms is None else ms) * MS
    return Trade(index, at_ns, at_ns, number, price, size, 1)


def delta(
    first: int, last: int | None = None, bids: Levels = (), asks: Levels = (), **more: Any
) -> BookDelta:
    at_ns = BEGIN + more.pop("ms", first) * MS
    index, checksum = more.pop("index", 0), more.pop("checksum", -1)
    return BookDelta(index, at_ns, at_ns, first, first if last is None else last, bids, asks, checksum)


def snapshot(
    sequence: int,
    bids: Levels = ((9_998, 5),),
    asks: Levels = ((10_002, 4),),
    index: int = 0,
    checksum: int = -1,
) -> BookSnapshot:
    return BookSnapshot(index, 0, BEGIN + sequence * MS, sequence, bids, asks, checksum)


def rows(*events: RowEvent) -> Rows:
    return np.concatenate([rows_of(event) for event in events])


def step(made: Pipeline, *events: RowEvent) -> list[tuple[int, int]]:
    """Advance over events; give (flags, instrument) of each that had to be looked at."""
    return advance(made, rows(*events))


def advance(made: Pipeline, batch: Rows) -> list[tuple[int, int]]:
    """Advance over rows; give (flags, instrument) of each that had to be looked at."""
    seen, at = [], 0
    while at < len(batch):
        before, at = at, made.advance(batch, at, len(batch))
        assert at > before
        if made.flags != 0:
            seen.append((made.flags, made.instrument))
    return seen
