"""Whatever comes from Binance: never an exception, and nothing is read that is not written there."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.draws import stream
from domain.errors import ConfigError, SwarmError
from domain.market_events import BookDelta, BookSnapshot, Levels, MarketRows, Tick, Trade
from market.book import Book
from market.rows import events_of
from market.venues.binance.account import AccountReader
from market.venues.binance.instruments import read_instruments
from market.venues.binance.replies import ABSENT, OrderReader, StreamEnded
from market.venues.binance.wire import MarketWire
from market.venues.in_flight import RequestKind
from market.venues.steps import BadFrame
from tests.chaos.harness import exchange_config
from tests.fuzz import reference
from tests.fuzz.mutations import captured, mutated

VENUE = "binance"
BTC, ETH = INSTRUMENTS = exchange_config().instruments()
FRAMES, SOAK_FRAMES = 4_000, 200_000
SEEDS = [1, pytest.param(2, marks=pytest.mark.soak), pytest.param(3, marks=pytest.mark.soak)]
WIRE = MarketWire(INSTRUMENTS)
NOW_NS = 1_700_000_000_000_000_000


def read(wire: MarketWire, payload: bytes) -> Tick | Trade | BookDelta | None:
    """Decode a frame to a struct, whichever way it was read."""
    found = wire.decode(payload, NOW_NS)
    if isinstance(found, MarketRows):
        (event,) = events_of(found.rows)
        assert isinstance(event, Tick | Trade | BookDelta)
        return event
    return found


def meant(payload: bytes) -> Tick | Trade | BookDelta | None:
    """Say what it means."""
    try:
        return reference.market(payload, INSTRUMENTS, NOW_NS)
    except reference.Unreadable:
        return None


def sound(book: Book) -> bool:
    """Tell whether a fresh book could be one: sorted, uncrossed, nothing empty."""
    bids, asks = book.bids.tolist(), book.asks.tolist()
    prices = [price for price, _ in bids], [price for price, _ in asks]
    return (
        prices[0] == sorted(set(prices[0]), reverse=True)
        and prices[1] == sorted(set(prices[1]))
        and all(lots > 0 for _, lots in bids + asks)
        and (not bids or not asks or bids[0][0] < asks[0][0])
    )


def test_the_captured_session_is_read_as_it_is_meant() -> None:
    wire = MarketWire(INSTRUMENTS)
    for payload in captured(VENUE, "stream"):
        found = read(wire, payload)
        assert found is not None and found == meant(payload)
    assert wire.bad_frames == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_market_frame_is_read_as_it_is_meant_or_not_at_all(seed: int) -> None:
    wire, corpus, accepted = MarketWire(INSTRUMENTS), captured(VENUE, "stream"), 0
    number = FRAMES if seed == 1 else SOAK_FRAMES
    for payload in mutated(seed, corpus, number):
        bad = wire.bad_frames
        found = read(wire, payload)
        assert wire.bad_frames - bad == (found is None)
        if found is not None:
            accepted += 1
            assert found == meant(payload), payload
    assert wire.frames == number and number * 0.1 < accepted < number * 0.9


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"stream":"btcusdt@trade","data":' + b"[" * 100_000)
def test_any_bytes_are_a_frame_that_gives_nothing(payload: bytes) -> None:
    bad = WIRE.bad_frames
    assert WIRE.decode(payload, NOW_NS) is None and WIRE.bad_frames == bad + 1
    assert WIRE.snapshot(0, payload, NOW_NS) is None and WIRE.recent(0, payload, NOW_NS) == []


KINDS = ("depth@100ms", "bookTicker", "trade")
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(("depth@100ms", "bookTicker", "trade")), st.sampled_from(list("EUuabBApqTtm")), _VALUES
)
def test_any_value_in_any_field_is_taken_as_it_is_meant_or_not_at_all(
    kind: str, letter: str, value: Any
) -> None:
    data: dict[str, Any] = {
        "depth@100ms": {"E": 1, "U": 1, "u": 2, "b": [["60000.00", "1"]], "a": []},
        "bookTicker": {"u": 7, "b": "1.00", "B": "2", "a": "3.00", "A": "4"},
        "trade": {"t": 1, "p": "1.00", "q": "2", "T": 5, "m": True},
    }[kind]
    data[letter] = value
    payload = json.dumps({"stream": f"btcusdt@{kind}", "data": data}, separators=(",", ":")).encode()
    found = read(WIRE, payload)
    assert found is None or found == meant(payload)


class SlowBook:
    """The same book as plain dictionaries."""

    def __init__(self) -> None:
        self.sides: tuple[dict[int, int], dict[int, int]] = {}, {}

    def load(self, snapshot: BookSnapshot) -> None:
        self.sides = dict(snapshot.bids), dict(snapshot.asks)
        self.update(())

    def update(self, *changes: Levels) -> None:
        for side, levels in zip(self.sides, changes, strict=False):
            side.update(levels)
        for side in self.sides:
            for price in [price for price, lots in side.items() if lots == 0]:
                del side[price]

    def shown(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        return sorted(self.sides[0].items(), reverse=True), sorted(self.sides[1].items())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_book_that_hears_garbage_among_the_truth_is_stale_or_right(seed: int) -> None:
    draws, frames = stream(seed, "garbage"), captured(VENUE, "stream")
    fresh, stale = 0, 0
    for payload in [one for one in captured(VENUE, "/api/v3/depth") if b'["5' in one]:
        for _ in range(60 if seed == 1 else 1_000):
            book, slow, index, slow_sequence = Book(0), SlowBook(), 0, 0
            book.feed_up(0)
            garbage = mutated(draws.randrange(1 << 40), frames, len(frames))
            for told in frames:
                heard = next(garbage) if draws.random() < 0.15 else told
                event = read(WIRE, heard)
                if not isinstance(event, BookDelta) or event.instrument != index:
                    continue
                was_fresh = not book.stale
                book.apply(event)
                if was_fresh and not book.stale and event.last_sequence > slow_sequence:
                    slow.update(event.bids, event.asks)
                if book.stale:
                    stale += 1
                    snapshot = WIRE.snapshot(index, payload, NOW_NS)
                    assert snapshot is not None
                    snapshot = msgspec.structs.replace(snapshot, sequence=event.first_sequence - 1)
                    book.apply(snapshot)
                    slow.load(snapshot)
                    # A change that crossed the book is not kept for the next one, one after a gap is.
                    if book.sequence == event.last_sequence:
                        slow.update(event.bids, event.asks)
                slow_sequence = book.sequence
                if not book.stale:
                    fresh += 1
                    assert sound(book) and (book.bids.tolist(), book.asks.tolist()) == slow.shown(), heard
    assert fresh > 500 and stale > 50


@pytest.mark.parametrize("seed", SEEDS)
def test_a_snapshot_is_read_as_it_is_meant_or_not_at_all(seed: int) -> None:
    wire, accepted = MarketWire(INSTRUMENTS), 0
    for payload in mutated(seed, captured(VENUE, "/api/v3/depth"), FRAMES // 4):
        found = wire.snapshot(0, payload, NOW_NS)
        if found is not None:
            accepted += 1
            assert found == reference.snapshot(payload, BTC, NOW_NS)
    assert accepted > 50


TRADES = [
    json.dumps(
        [
            {"id": 7 + at, "price": "60000.10", "qty": "0.00100", "quoteQty": "60", "time": 1_700_000_000_000,
             "isBuyerMaker": at % 2 == 0, "isBestMatch": True}
            for at in range(3)
        ]
    ).encode()
]  # fmt: skip


def test_recent_trades_give_trades_or_nothing() -> None:
    wire, accepted = MarketWire(INSTRUMENTS), 0
    for payload in mutated(4, TRADES, FRAMES // 2):
        found = wire.recent(0, payload, NOW_NS)
        accepted += len(found) > 0
        assert [trade.trade_id for trade in found] == sorted(trade.trade_id for trade in found)
        assert all(type(trade.price_ticks) is int and trade.aggressor in (1, -1) for trade in found)
    assert accepted > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_frame_is_an_event_or_a_bad_frame(seed: int) -> None:
    reader, told, bad = OrderReader(INSTRUMENTS), 0, 0
    for at, payload in enumerate(mutated(seed, captured(VENUE, "orders"), FRAMES)):
        try:
            answer = reader.frame(payload)
            if answer.event is not ABSENT:
                told += reader.event(answer.event, NOW_NS) is not None
            else:
                told += reader.answered(RequestKind(at % 3), 7, at % 2, answer, NOW_NS) is not None
        except (BadFrame, StreamEnded):
            bad += 1
    assert told > 500 and bad > 500


def one_line(error: SwarmError) -> bool:
    """Tell that an error says it in one line."""
    assert "\n" not in str(error)
    return True


class Rest:
    """REST that answers with whatever comes next."""

    def __init__(self, seed: int) -> None:
        self.config = type("Config", (), {"name": "test-x"})
        paths = ("/api/v3/account", "/api/v3/openOrders", "/api/v3/myTrades")
        self._answers = {path: mutated(seed, captured(VENUE, path), 100_000) for path in paths}
        orders = json.loads(captured(VENUE, "/api/v3/openOrders")[0])
        self._answers["/api/v3/allOrders"] = mutated(seed, [json.dumps(orders).encode()], 100_000)

    async def get(self, path: str, parameters: Any = None, sign: bool = False) -> bytes:
        """Answer."""
        return next(self._answers[path])


def test_an_account_is_read_whole_or_asked_for_again() -> None:
    rest: Any = Rest(5)
    account = AccountReader(rest, INSTRUMENTS, OrderReader(INSTRUMENTS))

    async def run() -> tuple[int, int]:
        whole, again = 0, 0
        for _ in range(400):
            for asked in (account.balances, account.open_orders, account.truth):
                try:
                    await asked()
                    whole += 1
                except SwarmError as error:
                    again += one_line(error)
            try:
                await account.snapshot(((0, 0), (1, 0)), lambda: NOW_NS, {})
                whole += 1
            except SwarmError as error:
                again += one_line(error)
        return whole, again

    whole, again = asyncio.run(run())
    assert whole > 100 and again > 100


def test_rules_are_instruments_or_one_line() -> None:
    whole, refused = 0, 0
    for payload in mutated(6, captured(VENUE, "/api/v3/exchangeInfo"), 1_500):
        try:
            found = read_instruments("test-x", payload, ("BTCUSDT", "ETHUSDT"), 0, 200, 500)
            whole += 1
            assert all(one.tick.units > 0 and one.lot.units > 0 and one.size_lots_max >= 0 for one in found)
        except ConfigError as error:
            refused += one_line(error)
    assert whole > 100 and refused > 100
