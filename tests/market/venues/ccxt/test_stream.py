"""Every book whole, every trade once, and a new connection is a new book."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
import pytest

from domain.errors import ExitCode, SwarmError
from domain.market_events import BookSnapshot, FeedLost, FeedUp, Trade
from domain.order import Side
from market.venues.ccxt import stream
from market.venues.ccxt.instruments import load_instruments
from market.venues.ccxt.venue import CcxtVenue
from market.venues.trade_order import Gap
from tests.market.venue_server import KRAKEN_SECRET, SECRET, Dialect, Heard, in_loop, until, with_keys
from tests.market.venues.ccxt.builders import Faulty, Script, faulty

KEYS = pytest.MonkeyPatch
both = pytest.mark.parametrize("dialect", ["binance", "kraken"])


@pytest.fixture(autouse=True)
def _keys(monkeypatch: KEYS) -> None:
    with_keys(monkeypatch)


def book(*bids: list[float], at: int = 5) -> dict[str, Any]:
    return {"timestamp": at, "bids": list(bids), "asks": [[50_001.0, 1.0]]}


def trade(number: int, **changes: Any) -> dict[str, Any]:
    told = {"id": str(number), "timestamp": number, "side": "sell", "price": 50_000.0, "amount": 0.001}
    return {**told, **changes}


def ids(heard: Heard) -> list[int]:
    return [one.trade_id for one in heard.of(Trade)]


@in_loop
async def test_books_and_trades_are_told_as_they_come_and_trades_once() -> None:
    with KEYS.context() as monkeypatch:
        script = Script()
        async with script.venue(monkeypatch) as (venue, heard):
            script.tell("watch_order_book", book([50_000.0, 1.0]))
            script.tell("watch_order_book", book([50_000.0, 2.0], [49_999.0, 1.0]))
            script.tell("watch_trades", [trade(1), trade(2)])
            script.tell("watch_trades", [trade(2), trade(3)])
            await until(lambda: len(heard.of(BookSnapshot)) == 2 and len(heard.of(Trade)) == 3)
            first, second = heard.of(BookSnapshot)
            assert first.local_ts_ns // 1_000 == first.sequence < second.sequence
            assert second.bids[0] == (5_000_000, 200_000)
            assert ids(heard) == [1, 2, 3] and venue.bad_frames == 0


@in_loop
async def test_the_trades_remembered_are_bounded() -> None:
    with KEYS.context() as monkeypatch:
        monkeypatch.setattr(stream, "TRADES_SEEN_MAX", 3)
        script = Script()
        async with script.venue(monkeypatch) as (venue, heard):
            script.tell("watch_trades", [trade(number) for number in range(1, 9)])
            await until(lambda: len(heard.of(Trade)) == 8)
            assert list(venue.stream._seen[0]) == [6, 7, 8]


@in_loop
async def test_trades_missed_by_a_lost_connection_are_filled_in_before_newer_ones_and_none_twice() -> None:
    with KEYS.context() as monkeypatch:
        script = Script()
        async with script.venue(monkeypatch) as (_, heard):
            script.tell("watch_trades", [trade(1), trade(2)])
            await until(lambda: len(heard.of(Trade)) == 2)
            script.answers["fetch_trades"] = [trade(2), trade(3)]
            script.tell("watch_trades", ccxt.NetworkError("cut"))
            await until(lambda: len(heard.of(Trade)) == 3)
            assert [type(event) for event in heard if isinstance(event, FeedUp | FeedLost)] == [
                FeedUp,
                FeedLost,
                FeedUp,
            ]
            script.answers["fetch_trades"] = [trade(3), trade(4)]
            script.tell("watch_trades", [trade(4), trade(5)])
            await until(lambda: len(heard.of(Trade)) == 5)
            assert ids(heard) == [1, 2, 3, 4, 5]
            lost = next(place for place, event in enumerate(heard) if isinstance(event, FeedLost))
            up = [place for place, event in enumerate(heard) if isinstance(event, FeedUp)][-1]
            assert not [event for event in heard[lost:up] if isinstance(event, Trade)]
            assert {asked[1] for asked in script.asked("fetch_trades")} == {2, 3, 4}


@in_loop
async def test_trades_that_cannot_be_filled_in_are_counted_and_the_stream_goes_on() -> None:
    with KEYS.context() as monkeypatch:
        script = Script("binance", sapi_get_account_apirestrictions={"enableWithdrawals": False})
        async with script.venue(monkeypatch) as (venue, heard):
            script.tell("watch_trades", [trade(1)])
            await until(lambda: heard.of(Trade))
            gaps: list[Gap] = []
            venue.on_gap = gaps.append
            script.answers["fetch_trades"] = ccxt.ExchangeNotAvailable("503")
            script.tell("watch_trades", ccxt.NetworkError("cut"))
            await until(lambda: venue.stream.trades_not_filled == 1)
            script.tell("watch_trades", [trade(5)])
            await until(lambda: len(heard.of(Trade)) == 2)
            assert len(heard.of(FeedUp)) == 2 and venue.stream.trades_not_filled == 2
            assert script.asked("fetch_trades")[0][3]["fromId"] == 2
            (gap,) = gaps
            assert (gap.after, gap.before) == (1, None) and "503" in gap.why


@in_loop
async def test_bad_structures_are_counted_and_many_in_a_row_end_the_connection() -> None:
    with KEYS.context() as monkeypatch:
        script = Script()
        async with script.venue(monkeypatch) as (venue, heard):
            made = len(script.made)
            for _ in range(10):
                script.tell("watch_order_book", book([50_000.001, 1.0]))
            script.tell("watch_order_book", book([50_000.0, 1.0]))
            await until(lambda: heard.of(BookSnapshot))
            for number in range(15):
                script.tell("watch_trades", [trade(number, price=None)])
            await until(lambda: venue.bad_frames == 25)
            assert not heard.of(FeedLost)
            script.tell("watch_trades", [trade(16, side="?")])
            await until(lambda: len(heard.of(FeedUp)) == 2)
            assert "in a row" in heard.of(FeedLost)[0].reason
            assert len(script.made) > made
            script.tell("watch_order_book", book([50_000.0, 3.0]))
            await until(lambda: len(heard.of(BookSnapshot)) == 2)
        assert all(made.closed for made in script.made)


@in_loop
async def test_a_book_that_the_stream_told_meanwhile_stands() -> None:
    with KEYS.context() as monkeypatch:
        script, asked = Script(), asyncio.Event()

        async def slow(*_: Any) -> Any:
            asked.set()
            await asyncio.sleep(0.03)
            return book([49_000.0, 1.0])

        script.answers["fetch_order_book"] = slow
        async with script.venue(monkeypatch) as (venue, heard):
            venue.fetch_book(0)
            venue.fetch_book(0)
            await until(lambda: heard.of(BookSnapshot))
            assert heard.of(BookSnapshot)[0].bids[0][0] == 4_900_000
            asked.clear()
            await until(lambda: not venue.stream._pending)
            venue.fetch_book(0)
            await asked.wait()
            script.tell("watch_order_book", book([50_000.0, 1.0]))
            await until(lambda: not venue.stream._pending)
            assert [one.bids[0][0] for one in heard.of(BookSnapshot)] == [4_900_000, 5_000_000]
            assert len(script.asked("fetch_order_book")) == 2


@in_loop
async def test_a_book_that_cannot_be_had_leaves_the_feed_up() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(fetch_order_book=ccxt.ExchangeNotAvailable("503"))
        async with script.venue(monkeypatch) as (venue, heard):
            venue.fetch_book(0)
            await until(lambda: venue.stream.snapshots_failed == 1)
            script.answers["fetch_order_book"] = {"bids": 3}
            venue.fetch_book(0)
            await until(lambda: venue.bad_frames == 1)
            assert not heard.of(FeedLost) and not heard.of(BookSnapshot)


@in_loop
async def test_a_stream_that_wants_a_key_it_has_not_says_so_at_the_start() -> None:
    with KEYS.context() as monkeypatch:
        script = Script()
        script.has["watchTrades"] = False
        for _ in range(100):
            script.tell("watch_order_book", ccxt.AuthenticationError("key"))
        with pytest.raises(SwarmError) as told:
            async with script.venue(monkeypatch):
                pass
        assert told.value.code == ExitCode.WRONG_KEY


@in_loop
async def test_a_cancellation_in_the_moment_of_a_failure_is_heeded() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await asyncio.sleep(5)
        finally:
            ended.append("work")

    async def fail() -> None:
        asking.cancel()
        raise ccxt.NetworkError("cut")

    asking = asyncio.ensure_future(stream.failure_of(work()))
    await asyncio.wait([asking], timeout=2)
    assert asking.cancelled() and ended == ["work"]

    async def nothing() -> None:
        pass

    assert isinstance(await stream.failure_of(nothing()), stream.FeedBroken)


@both
def test_trades_of_a_real_exchange_are_filled_in_after_a_cut_without_doubling(
    monkeypatch: KEYS, dialect: Dialect
) -> None:
    with_keys(monkeypatch, secret=KRAKEN_SECRET if dialect == "kraken" else SECRET)

    async def deal(exchange: Faulty, count: int) -> None:
        for _ in range(count):
            await exchange.crowd(0, Side.SELL, 6_000_000, 100)
            await exchange.crowd(0, Side.BUY, 6_000_000, 100)

    @in_loop
    async def run() -> None:
        async with faulty(dialect) as exchange:
            config = exchange.ccxt_config()
            instruments = await load_instruments(config, ("BTCUSDT",), exchange.clock)
            heard = Heard()
            async with CcxtVenue(config, instruments, exchange.clock, heard.append) as venue:
                await asyncio.sleep(0.05)
                await deal(exchange, 3)
                await until(lambda: len(heard.of(Trade)) == 3)
                number = await exchange.fault(kind="disconnect", target="stream")
                await deal(exchange, 2)
                await until(lambda: heard.of(FeedLost))
                await exchange.mend(number)
                await until(lambda: len(heard.of(FeedUp)) >= 2)
                await until(lambda: len(heard.of(Trade)) == 5)
                await asyncio.sleep(0.05)
                await deal(exchange, 1)
                await until(lambda: len(heard.of(Trade)) == 6)
                assert ids(heard) == sorted(set(ids(heard))) and venue.bad_frames == 0

    run()
