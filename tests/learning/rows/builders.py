"""Streams, books and rows for tests of `learning.rows`."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import LEVEL_DTYPE
from domain.instrument import Instrument
from domain.market_events import Tick, Trade
from learning.rows.features import Features
from learning.rows.row import ROW, Table

S = 1_000_000_000
START_NS = 1_750_000_000 * S
Levels = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Book:
    """A book's levels, as strategies see them."""

    bids: NDArray[np.void]
    asks: NDArray[np.void]
    stale: bool = False

    @property
    def bid_ticks(self) -> int:
        return int(self.bids["price_ticks"][0]) if len(self.bids) else 0

    @property
    def ask_ticks(self) -> int:
        return int(self.asks["price_ticks"][0]) if len(self.asks) else 0


def book(bids: Levels = (), asks: Levels = ()) -> Book:
    """Build a book that cannot be written, as a node's cannot."""
    sides = np.array([*bids], LEVEL_DTYPE), np.array([*asks], LEVEL_DTYPE)
    for side in sides:
        side.flags.writeable = False
    return Book(*sides)


@dataclass(frozen=True)
class Seen:
    """A tick with its levels."""

    now_ns: int
    bids: Levels
    asks: Levels

    @property
    def tick(self) -> Tick:
        (bid, bid_lots), (ask, ask_lots) = self.bids[0], self.asks[0]
        return Tick(0, self.now_ns, self.now_ns, bid, bid_lots, ask, ask_lots, 0)


Event = Seen | Trade


def walk(count: int, seed: int = 1, wait_ns: int = 120_000_000) -> list[Event]:
    """Draw a stream of books of one to seven levels, and trades, at uneven times."""
    draws, now_ns, bid, found = random.Random(seed), START_NS, 60_000, list[Event]()
    for _ in range(count):
        now_ns += int(draws.expovariate(1.0) * wait_ns)
        if draws.random() < 0.25:
            found.append(Trade(0, now_ns, now_ns, 0, bid, draws.randint(1, 40), draws.choice((1, -1))))
            continue
        bid += draws.choice((-2, -1, 0, 0, 0, 1, 2))
        spread, deep = draws.randint(1, 4), draws.randint(1, 7)
        bids = tuple((bid - 2 * level, draws.randint(1, 30)) for level in range(deep))
        asks = tuple((bid + spread + 2 * level, draws.randint(1, 30)) for level in range(draws.randint(1, 7)))
        found.append(Seen(now_ns, bids, asks))
    return found


def when(event: Event) -> int:
    """Tell the time of an event."""
    return event.now_ns if isinstance(event, Seen) else event.local_ts_ns


def feed(features: Features, events: Iterable[Event]) -> None:
    """Step features over a stream, through what a strategy has at hand."""
    for event in events:
        if isinstance(event, Seen):
            features.step(event.tick, book(event.bids, event.asks))
        else:
            features.trade(event)


def vector(features: Features, now_ns: int) -> NDArray[np.float32]:
    """Give the features, which must be warm."""
    out = np.full(16, np.nan, np.float32)
    assert features.vector(now_ns, out)
    return out


def market(index: int = 0, symbol: str = "BTCUSDT", venue: str = "tokyo-x") -> Instrument:
    """Build a market with a tick of 0.1 and a lot of 0.001."""
    return Instrument.of(
        index,
        venue,
        "BTC",
        "USDT",
        tick="0.1",
        lot="0.001",
        maker_fee_ppm=100,
        taker_fee_ppm=500,
        symbol=symbol,
    )


def table(count: int = 6, first_ns: int = START_NS, step_ns: int = S, shard: int = 1, seed: int = 1) -> Table:
    """Build labelled rows, a step apart; labels take turns and are known ten seconds later."""
    made, draws = np.zeros(count, ROW), np.random.default_rng(seed)
    made["at_ns"] = first_ns + np.arange(count) * step_ns
    made["shard"], made["model"] = shard, b"00ff"
    made["features"] = draws.normal(size=(count, 16))
    made["probabilities"] = (0.25, 0.5, 0.25)
    made["label"] = np.arange(count) % 3
    made["label_ns"] = made["at_ns"] + 10 * S
    made["gross_bps"] = made["features"][:, 0] * 3
    made["meta"], made["mid"], made["realised_bps"] = -1, 6_000.0, 0.5
    return made
