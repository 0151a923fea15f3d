"""Whatever comes from Kraken: never an exception, and no book but those that the exchange really had."""

from __future__ import annotations

import pytest

from domain.draws import stream
from domain.market_events import BookDelta, BookSnapshot
from market.book import Book
from market.rows import events_of
from market.venues.in_flight import Request, RequestKind
from market.venues.kraken.market_frames import Answer
from market.venues.kraken.replies import OrderReader
from market.venues.kraken.wire import MarketWire, TradeGap
from market.venues.steps import BadFrame
from tests.chaos.harness import exchange_config
from tests.fuzz.mutations import captured, mutated

VENUE = "kraken"
INSTRUMENTS = exchange_config(VENUE).instruments()
NOW_NS = 1_700_000_000_000_000_000
FRAMES = 4_000
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 6))]


class Followed:
    """A wire and the books behind it."""

    def __init__(self) -> None:
        self.wire = MarketWire(INSTRUMENTS)
        self.wire.opened(0)
        self.books = [Book(0), Book(1)]
        for book in self.books:
            book.feed_up(0)

    def hear(self, payload: bytes) -> list[int]:
        """Take a frame and give the hashes of the fresh books that it changed."""
        found, shown = self.wire.decode(payload, NOW_NS), []
        if found is None or isinstance(found, Answer):
            return []
        for event in events_of(found):
            if isinstance(event, BookDelta | BookSnapshot):
                book = self.books[event.instrument]
                book.apply(event)
                if not book.stale:
                    shown.append(hash(repr((event.instrument, book.bids.tolist(), book.asks.tolist()))))
        return shown


def test_the_captured_session_is_read_whole() -> None:
    followed = Followed()
    shown = [followed.hear(payload) for payload in captured(VENUE, "stream")]
    assert followed.wire.bad_frames == 0 and sum(map(len, shown)) > 20
    assert not any(book.stale for book in followed.books)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_book_that_hears_garbage_is_stale_or_one_that_the_exchange_had(seed: int) -> None:
    frames, draws = captured(VENUE, "stream"), stream(seed, "garbage")
    clean = Followed()
    truth = {shown for payload in frames for shown in clean.hear(payload)}
    fresh, bad, stale = 0, 0, 0
    for _ in range(60):
        followed = Followed()
        garbage = mutated(draws.randrange(1 << 40), frames, len(frames))
        for told in frames:
            heard = next(garbage) if draws.random() < 0.1 else told
            shown = followed.hear(heard)
            assert truth.issuperset(shown), heard
            fresh += len(shown)
        stale += sum(book.stale for book in followed.books)
        bad += followed.wire.bad_frames
    assert fresh > 300 and bad > 100 and stale > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_any_frame_gives_rows_an_answer_or_nothing(seed: int) -> None:
    wire, bad, some = MarketWire(INSTRUMENTS), 0, 0
    for payload in mutated(seed, captured(VENUE, "stream"), FRAMES):
        before = wire.bad_frames
        found = wire.decode(payload, NOW_NS)
        some += found is not None
        assert wire.bad_frames == before or found is None
        bad += wire.bad_frames - before
        if found is not None and not isinstance(found, Answer):
            events_of(found)
        wire.gaps.clear()
    assert wire.hopeless and bad > 500 and some > 500


def test_recent_trades_are_rows_or_nothing() -> None:
    body = (
        b'{"BTCUSDT":[["60000.10","0.00100",1700000000.1234,"b","l","",7],'
        b'["60000.20","0.00200",1700000001.5,"s","m","",8]],"last":"1700000001500000000"}'
    )
    wire, some = MarketWire(INSTRUMENTS), 0
    for payload in mutated(3, [body], FRAMES // 2):
        found = wire.recent(TradeGap(0, 5, 10, 0), payload, NOW_NS)
        some += found is not None
    assert some > 100 and wire.bad_frames > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_frame_is_events_or_a_bad_frame(seed: int) -> None:
    reader, told, bad = OrderReader(INSTRUMENTS), 0, 0
    for at, payload in enumerate(mutated(seed, captured(VENUE, "orders"), FRAMES)):
        try:
            frame = reader.frame(payload)
            if frame.channel == "executions":
                told += len(reader.executions(frame, NOW_NS))
            else:
                told += reader.answered(Request(RequestKind(at % 3), 7, at % 2, 0), frame, NOW_NS) is not None
        except BadFrame:
            bad += 1
    assert told > 300 and bad > 300
