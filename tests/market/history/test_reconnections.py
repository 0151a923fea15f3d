"""What was recorded on several connections and by several processes is one sound flow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domain.dtypes import Rows
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import BookSnapshot, FeedLost, FeedUp, MarketRows, Tick, Trade
from domain.order import Side
from market.config import PipelineConfig
from market.history.history import History
from market.history.layout import Kind
from market.history.record_cli import Chosen, Recording
from market.history.recorder import Recorder
from market.history.verification import verify
from market.pipeline import STALED, SYNCED, Pipeline
from market.quality import Reason
from market.rows import rows_of
from market.venues.config import VenueConfig
from market.venues.venue import book_rules
from tests.market.history.market import instrument
from tests.market.history.test_record_cli import words
from tests.market.test_venue_contract import Case, reached, secret_of
from tests.market.venue_server import SYMBOLS, in_loop, until, with_keys
from tests.market.venues.ccxt.builders import Faulty, faulty

CASES = [Case("kraken", "kraken"), Case("binance", "binance"), Case("ccxt", "kraken")]
DEPTH, PRICE = 10, 6_000_000
pytestmark = pytest.mark.end_to_end


def pipeline_of(config: VenueConfig, instruments: list[Instrument]) -> Pipeline:
    """Make a pipeline as a node has it: it cuts its books where the venue does."""
    rules = book_rules(config)
    return Pipeline(instruments, PipelineConfig(books={} if rules is None else {config.name: rules}))


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """Compile before the clock of any connection runs."""
    pipeline = Pipeline([instrument()])
    pipeline.feed_up("test-x", 1)
    advance(pipeline, rows_of(BookSnapshot(0, 1, 1, 1, ((1, 1),), ((3, 1),))))
    pipeline.feed_lost("test-x", 2)


class Followed(Recording):
    """A recording beside which a pipeline runs, so that the test knows when all was heard."""

    live: Pipeline

    def __init__(self, root: Path, config: VenueConfig) -> None:
        super().__init__(words("--state", str(root), "--snapshot-seconds", "0.6"), [Chosen(config, SYMBOLS)])
        self.config, self.ups, self.losts = config, 0, 0

    def _taker(self, recorder: Recorder) -> Callable[[Event], None]:
        record = super()._taker(recorder)
        self.live = pipeline_of(self.config, list(recorder.instruments.values()))

        def take(event: Event) -> None:
            record(event)
            if isinstance(event, FeedUp):
                self.ups += 1
                self.live.feed_up(event.venue, event.local_ts_ns)
            elif isinstance(event, FeedLost):
                self.losts += 1
                self.live.feed_lost(event.venue, event.local_ts_ns)
            elif isinstance(event, MarketRows):
                advance(self.live, event.rows)
            elif isinstance(event, Tick | Trade | BookSnapshot):
                advance(self.live, rows_of(event))

        return take


def advance(pipeline: Pipeline, rows: Rows) -> list[int]:
    """Advance to the end; give all flags of the first market."""
    at, flags = 0, []
    while at < len(rows):
        at = pipeline.advance(rows, at, len(rows))
        if pipeline.instrument == 0:
            flags.append(pipeline.flags)
    return flags


def shown(pipeline: Pipeline) -> tuple[bool, list[tuple[int, int]], list[tuple[int, int]]]:
    """Give the first market's best levels, and whether its book is stale."""
    book = pipeline.book(0)
    return book.stale, book.bids.tolist()[:DEPTH], book.asks.tolist()[:DEPTH]


def truth(exchange: Faulty) -> tuple[bool, list[tuple[int, int]], list[tuple[int, int]]]:
    """Give what the exchange itself has."""
    _, bids, asks = exchange.exchange.depth(0, DEPTH)
    return False, list(bids), list(asks)


async def churn(exchange: Faulty, seed: int) -> None:
    """Move the best prices, and trade now and then."""
    for step in range(12):
        away = (seed * 5 + step) % 9 * 100
        await exchange.crowd(0, Side.BUY, PRICE - 1_000 - away, 20 + step)
        await exchange.crowd(0, Side.SELL, PRICE + 1_000 + away, 20 + seed)
    await exchange.crowd(0, Side.SELL, PRICE - 1_000, 15)


async def record(exchange: Faulty, root: Path, config: VenueConfig, seed: int, cuts: int = 0) -> None:
    """Record while the market moves and the connection breaks so many times."""
    recording = Followed(root, config)

    def agreed() -> bool:
        return recording.ups > recording.losts and shown(recording.live) == truth(exchange)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(recording.run())
        await until(lambda: recording.ups > 0, "the feed")
        await churn(exchange, seed)
        await until(agreed, "the book")
        for cut in range(1, cuts + 1):
            number = await exchange.fault(kind="disconnect", target="stream")
            await churn(exchange, seed + cut)
            await until(lambda cut=cut: recording.losts >= cut, "the cut")  # type: ignore[misc]
            await exchange.mend(number)
            await until(agreed, "the book after the cut")
            await churn(exchange, seed + cut + 10)
            await until(agreed, "the book that goes on")
        recording.stopping.set()


def replayed(root: Path, pipeline: Pipeline, kinds: tuple[Kind, ...]) -> Iterator[int]:
    """Replay history as its page tells it; gives what was flagged."""
    pipeline.feed_up("test-x", 0)
    for rows in History(root).rows("test-x", SYMBOLS, kinds=kinds):
        yield from advance(pipeline, rows)


@pytest.mark.parametrize("venue", CASES, ids=str)
def test_what_several_connections_and_processes_recorded_verifies_and_replays_into_the_right_book(
    venue: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keys(monkeypatch, secret=secret_of(venue))

    @in_loop
    async def run() -> None:
        async with faulty(venue.dialect) as exchange:
            config = reached(venue, exchange)
            await record(exchange, tmp_path, config, 1, cuts=2)
            await record(exchange, tmp_path, config, 7)
            root = tmp_path / "history"
            told_of = History(root).instrument
            instruments = [told_of("test-x", symbol, at) for at, symbol in enumerate(SYMBOLS)]
            pipeline = pipeline_of(config, instruments)
            flags = list(replayed(root, pipeline, (Kind.TICKS, Kind.TRADES, Kind.BOOKS)))
            assert shown(pipeline) == truth(exchange)
            counts = pipeline.quality(0).counts
            assert Reason.OUT_OF_ORDER not in counts and Reason.CHECKSUM not in counts, counts
            staled, synced = (sum(bool(each & flag) for each in flags) for flag in (STALED, SYNCED))
            assert synced >= 1 and staled <= 3
            # What a node that warms up plays: no tick of a later connection may look old.
            warm = pipeline_of(config, instruments)
            list(replayed(root, warm, (Kind.TICKS, Kind.TRADES)))
            told = {one.series.kind: one for one in verify(root) if one.series.symbol == "BTCUSDT"}
            assert Reason.OUT_OF_ORDER not in warm.quality(0).counts
            if venue.adapter != "ccxt":  # which tells books only
                assert warm.ticks > 10 and warm.touch(0)[0] == truth(exchange)[1][0][0]
            assert [one.trouble for one in told.values()] == [()] * len(told) and len(told) >= 2
            assert told[Kind.BOOKS].missing < 10_000, "a connection's time is no number of changes"

    run()
