"""The feed comes back by itself, and a snapshot never crosses from one connection to the next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from domain.errors import ExitCode, SwarmError
from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot, FeedLost, FeedUp, Tick, Trade
from hw.clock import SystemClock
from market.venues.binance import stream_links
from market.venues.binance.venue import BinanceVenue
from market.venues.trade_order import NOT_LISTED, Gap
from tests.market.scripted_venue import Scripted, scripted
from tests.market.venue_server import Heard, in_loop, until, with_keys
from tests.market.venues.binance.test_frames import tight
from tests.market.venues.binance.test_wire import BEST, DEPTH, SNAPSHOT


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


@in_loop
async def test_frames_become_events_and_bad_ones_are_counted() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        for frame in (json.dumps(DEPTH), "nonsense", tight(DEPTH).decode(), json.dumps(BEST)):
            await venue.stream_sockets[-1].send_str(frame)
        await until(lambda: heard.of(Tick))
        assert len(heard.of(BookDelta)) == 2 and adapter.bad_frames == 1
        assert heard.of(FeedUp) and not heard.of(FeedLost)


@in_loop
async def test_a_lost_feed_is_told_and_comes_back() -> None:
    async with scripted() as venue, venue.venue() as (_, heard):
        for times in (1, 2):
            await venue.stream_sockets[-1].close()
            await until(lambda times=times: len(heard.of(FeedUp)) == times + 1)  # type: ignore[misc]
            kinds = [type(event) for event in heard if type(event) in (FeedUp, FeedLost)]
            assert kinds == [FeedUp] + [FeedLost, FeedUp] * times


@in_loop
async def test_a_peer_that_is_silent_and_answers_no_ping_is_lost() -> None:
    async with scripted() as venue:
        venue.silent = True
        async with venue.venue(ping_idle_s=0.05, ping_reply_s=0.05) as (_, heard):
            await until(lambda: heard.of(FeedLost), limit_s=3.0)


@in_loop
async def test_a_snapshot_is_fetched_once_however_often_it_is_asked_for() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/depth"] = lambda query: (200, SNAPSHOT)
        async with venue.venue() as (adapter, heard):
            for _ in range(3):
                adapter.fetch_book(0)
            adapter.fetch_book(1)
            await until(lambda: len(heard.of(BookSnapshot)) == 2)
            calls = [query for path, query in venue.rest_calls if path == "/api/v3/depth"]
            assert sorted(query["symbol"] for query in calls) == ["BTCUSDT", "ETHUSDT"]
            assert all(query["limit"] == "1000" for query in calls)


@in_loop
async def test_a_snapshot_is_tried_again_and_then_left_to_the_book() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/depth"] = lambda query: (500, "{}")
        async with venue.venue() as (adapter, heard):
            adapter.fetch_book(0)
            await until(lambda: adapter.stream.snapshots_failed == 1)
            assert len([path for path, _ in venue.rest_calls if path == "/api/v3/depth"]) == 3
            venue.rest["/api/v3/depth"] = lambda query: (200, "{}")
            adapter.fetch_book(0)
            await until(lambda: adapter.stream.snapshots_failed == 2)
            venue.rest["/api/v3/depth"] = lambda query: (200, SNAPSHOT)
            adapter.fetch_book(0)
            await until(lambda: heard.of(BookSnapshot))


@in_loop
async def test_a_snapshot_asked_for_on_an_older_connection_is_fetched_again() -> None:
    async with scripted() as venue:
        answers: list[Any] = [{**SNAPSHOT, "lastUpdateId": 1}, {**SNAPSHOT, "lastUpdateId": 2}]
        async with venue.venue() as (adapter, heard):

            def slow(query: dict[str, str]) -> tuple[int, Any]:
                if len(answers) == 2:
                    adapter.stream.link.epoch += 1
                return 200, answers.pop(0)

            venue.rest["/api/v3/depth"] = slow
            adapter.fetch_book(0)
            await until(lambda: heard.of(BookSnapshot))
            await asyncio.sleep(0.02)
            assert [event.sequence for event in heard.of(BookSnapshot)] == [2]


def recent(*numbers: int) -> list[dict[str, Any]]:
    return [
        {"id": number, "price": "10.00", "qty": "0.10", "time": number, "isBuyerMaker": False}
        for number in numbers
    ]


def live(number: int) -> str:
    """Write a trade: even ones as the venue does, odd ones in another form, which the slow way reads."""
    data = {"e": "trade", "t": number, "p": "10.00", "q": "0.10", "T": number, "m": False}
    frame = {"stream": "btcusdt@trade", "data": data}
    return tight(frame).decode() if number % 2 == 0 else json.dumps(frame)


@in_loop
async def test_trades_missed_while_the_feed_was_lost_are_brought_before_later_ones() -> None:
    async with scripted() as venue:
        answers: list[Any] = [(500, "{}"), (500, "{}"), (500, "{}"), (200, recent(4, 5, 7, 6))]
        venue.rest["/api/v3/trades"] = lambda query: answers.pop(0) if len(answers) > 1 else answers[0]
        venue.rest["/api/v3/historicalTrades"] = lambda query: (200, recent(4))
        async with venue.venue() as (adapter, heard):
            await venue.stream_sockets[-1].send_str(live(2))
            await until(lambda: heard.of(Trade))
            gaps: list[Gap] = []
            adapter.on_gap = gaps.append
            await venue.stream_sockets[-1].close()
            await until(lambda: len(venue.stream_sockets) == 2 and len(heard.of(FeedUp)) == 2)
            await venue.stream_sockets[-1].send_str(live(7))
            await venue.stream_sockets[-1].send_str(json.dumps(BEST))
            # The list cannot be had at once: trades wait for it, and nothing else does.
            await until(lambda: heard.of(Tick))
            assert len(heard.of(Trade)) == 1 and len(answers) > 1
            await venue.stream_sockets[-1].close()
            await until(lambda: len(heard.of(FeedUp)) == 3 and len(heard.of(Trade)) >= 5)
            for number in (7, 8):
                await venue.stream_sockets[-1].send_str(live(number))
            await until(lambda: heard.of(Trade)[-1].trade_id == 8)
            assert [trade.trade_id for trade in heard.of(Trade)] == [2, 4, 5, 6, 7, 8]
            assert adapter.stream.trades.lost == 1
            assert gaps == [Gap("test-x", "BTCUSDT", 2, 4, NOT_LISTED)]


@in_loop
async def test_a_list_of_trades_that_cannot_be_read_is_counted() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/trades"] = lambda query: (200, "{}")
        async with venue.venue() as (adapter, heard):
            await venue.stream_sockets[-1].send_str(live(2))
            await until(lambda: heard.of(Trade))
            await venue.stream_sockets[-1].close()
            await until(lambda: adapter.bad_frames == 1)


@in_loop
async def test_a_stream_of_bad_frames_ends_the_connection_and_some_among_good_ones_do_not() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        for _ in range(12):
            for frame in ["nonsense"] + [json.dumps(BEST)] * 20:
                await venue.stream_sockets[-1].send_str(frame)
        await until(lambda: len(heard.of(Tick)) == 240)
        assert adapter.bad_frames == 12 and not heard.of(FeedLost)
        for _ in range(8):
            await venue.stream_sockets[0].send_str("nonsense")
        await until(lambda: len(heard.of(FeedUp)) == 2)
        (lost,) = heard.of(FeedLost)
        assert lost.reason.startswith("too many bad frames: DecodeError")


def many(number: int) -> tuple[Instrument, ...]:
    return tuple(
        Instrument.of(place, "test-x", f"A{place:03}", "USDT", tick="0.01", lot="0.001")
        for place in range(number)
    )


@asynccontextmanager
async def wide(venue: Scripted, number: int, **changes: Any) -> AsyncIterator[tuple[BinanceVenue, Heard]]:
    heard = Heard()
    config = venue.config(**changes)
    async with BinanceVenue(config, many(number), SystemClock(), heard.append) as adapter:
        yield adapter, heard


@in_loop
async def test_streams_are_subscribed_by_message_within_what_one_connection_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_links, "PAUSE_S", 0.01)
    async with scripted() as venue, wide(venue, 600) as (adapter, heard):
        asked = [name for request in venue.subscribed for name in request["params"]]
        assert len(asked) == 1_800 and set(asked) == set(adapter.stream.wire.streams)
        rest = sorted(len(one["params"]) for one in venue.subscribed if len(one["params"]) < 200)
        assert rest == [24, 176]
        assert len({one["id"] for one in venue.subscribed}) == 10 and len(venue.stream_sockets) == 2
        assert len(heard.of(FeedUp)) == 1


@in_loop
async def test_a_pause_lies_between_messages_of_a_connection() -> None:
    async with scripted() as venue:
        at: list[float] = []
        clock = asyncio.get_running_loop().time

        def answer(request: dict[str, Any]) -> list[Any]:
            at.append(clock())
            return [{"result": None, "id": request["id"]}]

        venue.subscribe = answer
        async with wide(venue, 150):
            assert len(at) == 3 and all(late - early > 0.2 for early, late in pairwise(at))


@in_loop
async def test_a_refused_subscription_ends_the_start_with_the_venues_words() -> None:
    async with scripted() as venue:
        for answer in (
            {"error": {"code": 2, "msg": "no such stream"}, "id": 1},
            {"code": 2, "msg": "no such stream"},
        ):
            venue.subscribe = lambda request, answer=answer: [answer]  # type: ignore[misc]
            with pytest.raises(SwarmError, match="test-x refused streams: no such stream") as caught:
                async with venue.venue():
                    raise AssertionError("it must not come up")
            assert caught.value.code == ExitCode.CONFIG


@in_loop
async def test_a_venue_that_confirms_nothing_is_not_up() -> None:
    async with scripted() as venue:
        venue.subscribe = lambda request: [{"result": None, "id": 999}]
        with pytest.raises(SwarmError, match="TimeoutError") as caught:
            async with venue.venue(start_timeout_s=0.5):
                raise AssertionError("it must not come up")
        assert caught.value.code == ExitCode.VENUE_DOWN and len(venue.stream_sockets) > 1


@in_loop
async def test_nothing_is_told_before_every_stream_stands_and_one_lost_connection_ends_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_links, "STREAMS_MAX", 3)
    async with scripted() as venue:
        early = json.dumps(BEST)
        venue.subscribe = lambda request: [early, {"result": None, "id": request["id"]}, early]
        async with venue.venue() as (adapter, heard):
            await venue.stream_sockets[0].send_str(early)
            await until(lambda: heard.of(Tick))
            assert heard.index(heard.of(FeedUp)[0]) < heard.index(heard.of(Tick)[0])
            assert len(heard.of(Tick)) < 5 and adapter.bad_frames == 0
            venue.subscribe = lambda request: [{"result": None, "id": request["id"]}]
            for times in (2, 3):
                await venue.stream_sockets[-1].close()
                await until(lambda times=times: len(heard.of(FeedUp)) == times)  # type: ignore[misc]
                assert len(heard.of(FeedLost)) == times - 1
                assert len(venue.stream_sockets) == 2 * times


@in_loop
async def test_books_that_agents_trade_on_are_fetched_first_and_depth_follows_the_number_of_markets() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/depth"] = lambda query: (200, SNAPSHOT)
        async with wide(venue, 60, snapshot_concurrency=1) as (adapter, heard):
            adapter.prefer([40, 59])
            for place in range(60):
                adapter.fetch_book(place)
            await until(lambda: len(heard.of(BookSnapshot)) == 60)
            asked = [query for path, query in venue.rest_calls if path == "/api/v3/depth"]
            assert [one["symbol"] for one in asked][:3] == ["A040USDT", "A059USDT", "A000USDT"]
            assert {one["limit"] for one in asked} == {"500"}
