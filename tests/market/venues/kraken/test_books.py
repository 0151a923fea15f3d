"""Books of a real exchange through the real pipeline: cut where the venue cuts, checked by its checksum."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from domain.events import Event
from domain.market_events import BookSnapshot, FeedLost, FeedUp, MarketRows
from domain.order import Side
from market.book import StaleReason
from market.config import BookRules, PipelineConfig
from market.pipeline import STALED, SYNCED, Pipeline
from market.rows import rows_of
from market.venues.kraken.instruments import load_instruments
from market.venues.kraken.stream import book_depth
from market.venues.kraken.venue import KrakenVenue
from tests.market.venue_server import KRAKEN_SECRET, SYMBOLS, Simulated, in_loop, simulated, until, with_keys
from tests.market.venues.kraken.frames import BTC

DEPTH = 10


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """Compile before the clock of any connection runs: a change, and what a node asks."""
    pipeline = Pipeline((BTC,), PipelineConfig(books={BTC.venue: BookRules(depth=DEPTH)}))
    pipeline.feed_up(BTC.venue, 1)
    pipeline.advance(rows_of(BookSnapshot(0, 1, 1, 1, ((1, 1),), ((3, 1),))), 0, 2)
    pipeline.wants_snapshot(0, 1)
    pipeline.feed_lost(BTC.venue, 2)


class Followed:
    """A pipeline behind a venue, which asks for books as a node does and counts what became of them."""

    def __init__(self, exchange: Simulated, pipeline: Pipeline) -> None:
        self.exchange, self.pipeline = exchange, pipeline
        self.ask: Callable[[int], None] = lambda index: None
        self.staled, self.synced = 0, 0

    def take(self, event: Event) -> None:
        pipeline = self.pipeline
        if isinstance(event, FeedUp):
            pipeline.feed_up(event.venue, event.local_ts_ns)
        elif isinstance(event, FeedLost):
            pipeline.feed_lost(event.venue, event.local_ts_ns)
        elif isinstance(event, MarketRows):
            at = 0
            while at < len(event.rows):
                at = pipeline.advance(event.rows, at, len(event.rows))
                if pipeline.instrument == 0:
                    self.staled += bool(pipeline.flags & STALED)
                    self.synced += bool(pipeline.flags & SYNCED)
        self.tick()

    def tick(self) -> None:
        """Ask for the book where it is wanted, as a node does on every event and twenty times a second."""
        if self.pipeline.wants_snapshot(0, self.exchange.clock.now_ns()):
            self.ask(0)

    def same(self) -> bool:
        self.tick()
        book, (_, bids, asks) = self.pipeline.book(0), self.exchange.exchange.depth(0, DEPTH)
        shown = (book.bids.tolist(), book.asks.tolist())
        return not book.stale and shown == (list(bids), list(asks))


async def churn(exchange: Simulated, draws: random.Random, times: int) -> None:
    """Let a crowd make a deep book and trade through it."""
    for _ in range(times):
        side = draws.choice((Side.BUY, Side.SELL))
        away = draws.randrange(-3, 40) * 100
        price = 6_000_000 - away if side == Side.BUY else 6_000_100 + away
        await exchange.crowd(0, side, price, draws.randrange(100, 900))
        if draws.random() < 0.2:
            await asyncio.sleep(0.002)


@in_loop
async def test_a_deep_book_is_followed_level_by_level_and_never_goes_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_keys(monkeypatch, secret=KRAKEN_SECRET)
    async with simulated("kraken") as exchange:
        config = exchange.venue_config(snapshot_levels=DEPTH)
        instruments = await load_instruments(config, SYMBOLS, exchange.clock)
        rules = PipelineConfig(books={config.name: BookRules(depth=book_depth(config))})
        followed = Followed(exchange, Pipeline(instruments, rules))
        async with KrakenVenue(config, instruments, exchange.clock, followed.take) as live:
            followed.ask = live.fetch_book
            draws = random.Random(3)
            for _ in range(4):
                await churn(exchange, draws, 60)
                await until(followed.same, "book and exchange to agree")
            assert followed.staled == 0 and followed.synced == 1 and live.bad_frames == 0
            assert live.stream.snapshots_asked == 0


@in_loop
async def test_a_checksum_that_does_not_match_makes_the_book_stale_until_it_is_subscribed_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_keys(monkeypatch, secret=KRAKEN_SECRET)
    async with simulated("kraken") as exchange:
        config = exchange.venue_config(snapshot_levels=DEPTH)
        instruments = await load_instruments(config, SYMBOLS, exchange.clock)
        rules = PipelineConfig(books={config.name: BookRules(depth=DEPTH)})
        followed = Followed(exchange, Pipeline(instruments, rules))
        async with KrakenVenue(config, instruments, exchange.clock, followed.take) as live:
            followed.ask = live.fetch_book
            draws = random.Random(5)
            await churn(exchange, draws, 60)
            await until(followed.same, "book and exchange to agree")
            # Lose one change as a bad network would: what the next one says does not add up any more.
            told, live.stream._deliver = live.stream._deliver, lambda event: None
            await exchange.crowd(0, Side.BUY, 5_999_000, 777)
            await asyncio.sleep(0.05)
            live.stream._deliver = told
            market = live.stream.wire.markets["BTC/USDT"]
            market.count = market.booked = followed.pipeline.book(0).sequence
            await exchange.crowd(0, Side.BUY, 5_999_100, 100)
            await until(lambda: followed.staled == 1)
            assert followed.pipeline.book(0).reason == StaleReason.CHECKSUM
            await churn(exchange, draws, 60)
            await until(followed.same, "book and exchange to agree")
            assert followed.synced == 2 and live.stream.snapshots_asked == 1
