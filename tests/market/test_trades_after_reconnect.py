"""A feed that is cut in the middle of trading: the pipeline misses no trade and counts none twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import FeedLost, FeedUp, MarketRows, Tick, Trade
from domain.order import Side
from market.pipeline import TRADED, Pipeline
from market.quality import Reason
from market.rows import rows_of
from market.venues import trade_order
from market.venues.trade_order import Gap
from market.venues.venue import load_instruments, venue_of
from tests.market.test_venue_contract import CASES, Case, reached, secret_of
from tests.market.venue_server import SYMBOLS, in_loop, until, with_keys
from tests.market.venues.ccxt.builders import Faulty, faulty

PRICE = 6_000_000
pytestmark = pytest.mark.end_to_end


class Reader:
    """Advance a pipeline as a node does, and note what it saw in the order of seeing it."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.pipeline = Pipeline(instruments)
        self.ids: list[int] = []
        self.ups = self.losts = self.quotes = 0
        self.gaps: list[Gap] = []

    def deliver(self, event: Event) -> None:
        """Take an event of the venue."""
        if isinstance(event, FeedUp):
            self.ups += 1
            self.pipeline.feed_up(event.venue, event.local_ts_ns)
        elif isinstance(event, FeedLost):
            self.losts += 1
            self.pipeline.feed_lost(event.venue, event.local_ts_ns)
        elif isinstance(event, MarketRows):
            self._advance(event.rows)
        elif not isinstance(event, Tick | Trade) and not hasattr(event, "bids"):
            return
        else:
            self._advance(rows_of(event))  # type: ignore[arg-type]

    def _advance(self, rows: Any) -> None:
        self.quotes += int((rows[:, 0] != 2).any())
        at = 0
        while at < len(rows):
            at = self.pipeline.advance(rows, at, len(rows))
            if self.pipeline.flags & TRADED:
                self.ids.append(self.pipeline.trade_id)


async def deal(exchange: Faulty, number: int) -> None:
    """Let the crowd trade with itself, quotes moving meanwhile."""
    for step in range(number):
        await exchange.crowd(0, Side.SELL, PRICE, 10)
        await exchange.crowd(0, Side.BUY, PRICE, 10)
        await exchange.crowd(0, Side.BUY, PRICE - 1_000 - step, 10)


@pytest.mark.parametrize("venue", CASES, ids=str)
def test_no_trade_is_missing_or_doubled_after_a_cut_in_the_middle_of_trading(
    venue: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keys(monkeypatch, secret=secret_of(venue))

    @in_loop
    async def run() -> None:
        async with faulty(venue.dialect) as exchange:
            config = reached(venue, exchange)
            instruments = await load_instruments(config, SYMBOLS, exchange.clock)
            reader = Reader(instruments)
            async with venue_of(config, instruments, exchange.clock, reader.deliver) as live:
                live.on_gap = reader.gaps.append
                await asyncio.sleep(0.05)
                await deal(exchange, 10)
                await until(lambda: len(reader.ids) == 10, "the first trades")
                # Lists of trades come late, so live trades do come before those that were missed.
                late_ms = 250 if venue.adapter == "ccxt" else 800
                await exchange.fault(kind="delay", target="rest", amount=late_ms)
                number = await exchange.fault(kind="disconnect", target="stream")
                # More than Kraken tells again on a new connection.
                await deal(exchange, 60)
                await until(lambda: reader.losts > 0, "the cut")
                await exchange.mend(number)
                ups = reader.losts + 1
                await until(lambda: reader.ups >= ups, "the feed")
                before = held = reader.quotes
                for _ in range(40):
                    await deal(exchange, 1)
                    await asyncio.sleep(0.01)
                    if venue.adapter != "ccxt" and len(reader.ids) == 10:
                        held = reader.quotes
                assert venue.adapter == "ccxt" or held > before, "quotes did not wait for trades"
                await until(lambda: len(reader.ids) == 110, "every trade")
                assert reader.ids == sorted(set(reader.ids)) and reader.gaps == []
                counts = reader.pipeline.quality(0).counts
                assert Reason.OUT_OF_ORDER not in counts and Reason.DUPLICATE not in counts

    run()


# Without REST ccxt has no book of Binance's, and so no feed.
@pytest.mark.parametrize("venue", [case for case in CASES if case != Case("ccxt", "binance")], ids=str)
def test_trades_that_cannot_be_had_after_a_cut_are_marked_and_the_later_ones_come(
    venue: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keys(monkeypatch, secret=secret_of(venue))
    monkeypatch.setattr(trade_order, "HELD_S", 0.3)

    @in_loop
    async def run() -> None:
        async with faulty(venue.dialect) as exchange:
            config = reached(venue, exchange, rest_attempts=1)
            instruments = await load_instruments(config, SYMBOLS, exchange.clock)
            reader = Reader(instruments)
            async with venue_of(config, instruments, exchange.clock, reader.deliver) as live:
                live.on_gap = reader.gaps.append
                await asyncio.sleep(0.05)
                await deal(exchange, 3)
                await until(lambda: len(reader.ids) == 3, "the first trades")
                await exchange.fault(kind="http_5xx", target="rest")
                number = await exchange.fault(kind="disconnect", target="stream")
                await deal(exchange, 60)
                await until(lambda: reader.losts > 0, "the cut")
                await exchange.mend(number)
                ups = reader.losts + 1
                await until(lambda: reader.ups >= ups, "the feed")
                while not reader.gaps or len(reader.ids) < 4:
                    await deal(exchange, 1)
                    await asyncio.sleep(0.02)
                assert reader.ids == sorted(set(reader.ids)) and reader.gaps[0].after == reader.ids[2]
                assert {(gap.venue, gap.symbol) for gap in reader.gaps} == {("test-x", "BTCUSDT")}

    run()
