"""Made-up markets, and rows of them as a feed tells them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from domain.dtypes import Rows
from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot, Tick, Trade
from market.history.recorder import Recorder, RecorderConfig
from market.rows import RowEvent, rows_of

NOON_NS = 1_767_268_800_000_000_000  # 2026-01-01 12:00 UTC
MS = 1_000_000


class Standing:
    """A clock that stands."""

    def now_ns(self) -> int:
        """Give noon."""
        return NOON_NS


def instrument(
    index: int = 0, symbol: str = "BTCUSDT", tick: str = "0.01", lot: str = "0.00001"
) -> Instrument:
    """Make a market."""
    base = symbol.removesuffix("USDT").rstrip("/")
    return Instrument.of(index, "test-x", base, "USDT", tick=tick, lot=lot, symbol=symbol)


def stream(count: int, instruments: int = 2, start_ns: int = NOON_NS, seed: int = 1) -> list[RowEvent]:
    """Draw ticks, trades and book changes of some markets; several share a time."""
    draws = np.random.default_rng(seed)
    events: list[RowEvent] = []
    now_ns = start_ns
    for number in range(1, count + 1):
        now_ns += int(draws.integers(0, 3)) * MS
        index, choice = int(draws.integers(0, instruments)), int(draws.integers(0, 8))
        price = 6_000_000 + int(draws.integers(-50, 50))
        if choice < 4:
            events.append(Tick(index, now_ns - 5, now_ns, price, 3, price + 1, 4, number))
        elif choice < 6:
            events.append(Trade(index, now_ns - 5, now_ns, number, price, 7, 1 if choice == 4 else -1))
        else:
            bids = tuple((price - each, 1 + each) for each in range(int(draws.integers(0, 7))))
            asks = tuple((price + 1 + each, 9) for each in range(int(draws.integers(0, 4))))
            key = index, now_ns - 5, now_ns
            events.append(
                BookDelta(*key, number, number + 1, bids, asks)
                if choice == 6
                else BookSnapshot(*key, number, bids, asks, 77)
            )
    return events


def packed(events: list[RowEvent]) -> Rows:
    """Give the rows of events."""
    return np.concatenate([rows_of(event) for event in events])


def recorded(root: Path, events: list[RowEvent], instruments: int = 2, **config: float) -> Recorder:
    """Record events and give the recorder, closed."""
    markets = [instrument(index, symbol) for index, symbol in enumerate(("BTCUSDT", "ETH/USDT", "SOLUSDT"))]
    settings = RecorderConfig.model_validate({"poll_s": 0.001, **config})
    recorder = Recorder(root, markets[:instruments], Standing(), settings)
    with recorder:
        for event in events:
            recorder.deliver(event)
    return recorder
