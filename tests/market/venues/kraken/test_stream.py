"""The feed subscribes, resubscribes a book that is asked for, and brings what it missed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from domain.errors import SwarmError
from domain.market_events import BookDelta, BookSnapshot, FeedLost, FeedUp, Trade
from market.venues.kraken.stream import book_depth
from market.venues.kraken.wire import BAD_WEIGHT, BAD_WEIGHT_MAX
from market.venues.trade_order import Gap
from tests.market.venue_server import Heard, in_loop, until
from tests.market.venues.kraken.frames import book, frame, guide_snapshot, trade
from tests.market.venues.kraken.scripted import Json, Scripted, bad, good, no, scripted


def subscriptions(venue: Scripted, method: str = "subscribe") -> list[Json]:
    return [one["params"] for one in venue.asked_market if one["method"] == method]


def ids(heard: Heard) -> list[int]:
    return [event.trade_id for event in heard.of(Trade)]


@in_loop
async def test_everything_is_subscribed_to_and_the_snapshot_comes_by_itself() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        await until(lambda: heard.of(BookSnapshot))
        assert heard.of(FeedUp) and heard.of(BookSnapshot)[0].instrument == 0
        asked = subscriptions(venue)
        assert [one["channel"] for one in asked] == ["book", "trade", "ticker"]
        assert asked[0] == {
            "channel": "book",
            "symbol": ["BTC/USDT", "ETH/USDT"],
            "depth": 100,
            "snapshot": True,
        }
        assert asked[1]["snapshot"] is True and asked[2]["event_trigger"] == "bbo"
        assert adapter.bad_frames == 0


@pytest.mark.parametrize(
    ("levels", "depth"), [(None, 100), (5, 10), (20, 25), (100, 100), (400, 500), (5_000, 1_000)]
)
def test_the_depth_is_the_nearest_that_is_offered(levels: int | None, depth: int) -> None:
    changes: dict[str, Any] = {} if levels is None else {"snapshot_levels": levels}
    assert book_depth(Scripted().config(**changes)) == depth


@in_loop
async def test_a_book_that_is_asked_for_is_subscribed_anew_once_until_it_comes() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        await until(lambda: heard.of(BookSnapshot))
        heard.clear()
        venue.market["subscribe"] = lambda request: []
        for _ in range(3):
            adapter.fetch_book(0)
        await until(lambda: len(subscriptions(venue)) == 4)
        (left,), again = subscriptions(venue, "unsubscribe"), subscriptions(venue)[-1]
        assert left == {"channel": "book", "symbol": ["BTC/USDT"], "depth": 100}
        assert again == {**left, "snapshot": True} and adapter.stream.snapshots_asked == 1
        await venue.say(venue.market_sockets[-1], book((("45283.6", "1"),)))
        await venue.say(venue.market_sockets[-1], guide_snapshot())
        await venue.say(venue.market_sockets[-1], book((("45283.7", "1"),)))
        await until(lambda: len(heard.of(BookDelta)) == 2)
        (before, after), (snapshot,) = heard.of(BookDelta), heard.of(BookSnapshot)
        assert before.last_sequence < snapshot.sequence == after.first_sequence - 1
        adapter.fetch_book(0)
        await until(lambda: adapter.stream.snapshots_asked == 2)


@in_loop
async def test_a_snapshot_that_does_not_come_may_be_asked_for_again_after_a_while() -> None:
    async with scripted() as venue, venue.venue(request_timeout_s=0.05) as (adapter, heard):
        venue.market["subscribe"] = lambda request: []
        await until(lambda: heard.of(BookSnapshot))
        adapter.fetch_book(0)
        adapter.fetch_book(0)
        assert adapter.stream.snapshots_asked == 1
        await asyncio.sleep(0.06)
        adapter.fetch_book(0)
        assert adapter.stream.snapshots_asked == 2


@in_loop
async def test_a_refused_subscription_is_counted_and_may_be_asked_for_at_once() -> None:
    async with scripted() as venue:
        refusals: tuple[Json, ...] = ({"symbol": "ETH/USDT"}, {"symbol": "XRP/USDT"}, {})
        venue.market["subscribe"] = lambda request: (
            [{**no(request, "EGeneral:Busy"), **one} for one in refusals]
            if request["params"]["channel"] == "book"
            else []
        )
        async with venue.venue(request_timeout_s=5.0) as (adapter, heard):
            await until(lambda: adapter.stream.refused == 3)
            adapter.fetch_book(0)
            adapter.fetch_book(1)
            assert adapter.stream.snapshots_asked == 1 and heard.of(FeedUp)


@in_loop
async def test_nothing_is_asked_for_without_a_link() -> None:
    async with scripted() as venue, venue.venue(backoff_min_s=5.0, backoff_max_s=9.0) as (adapter, heard):
        await venue.market_sockets[-1].close()
        await until(lambda: heard.of(FeedLost))
        adapter.fetch_book(0)
        assert adapter.stream.snapshots_asked == 0


@in_loop
async def test_a_stream_of_bad_frames_breaks_the_link_and_a_few_do_not() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        heard.clear()
        for _ in range(BAD_WEIGHT_MAX // BAD_WEIGHT - 1):
            await venue.say(venue.market_sockets[-1], "garbage")
        await venue.say(venue.market_sockets[-1], frame("trade", trade(1)))
        await until(lambda: heard.of(Trade))
        assert not heard.of(FeedLost)
        await venue.say(venue.market_sockets[-1], "garbage")
        await venue.say(venue.market_sockets[-1], "garbage")
        await until(lambda: heard.of(FeedUp))
        assert "too many bad frames" in heard.of(FeedLost)[0].reason
        # The good frame took one off the weight, so one more than the limit's share was borne.
        assert adapter.bad_frames == BAD_WEIGHT_MAX // BAD_WEIGHT + 1


@in_loop
async def test_trades_missed_between_two_connections_come_over_rest() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        await venue.say(venue.market_sockets[-1], frame("trade", trade(3), flow="snapshot"))
        await venue.say(venue.market_sockets[-1], frame("trade", trade(4)))
        await until(lambda: ids(heard) == [4])
        listed = [["45285.2", "0.5", 1688669597.5, "s", "l", "", number] for number in (6, 7, 9)]
        venue.rest["Trades"] = lambda form: good({"XBTUSDT": listed, "last": "1"})
        await venue.market_sockets[-1].close()
        await until(lambda: len(heard.of(FeedUp)) == len(venue.market_sockets) == 2)
        await venue.say(venue.market_sockets[-1], frame("trade", trade(8), trade(9), flow="snapshot"))
        await until(lambda: len(ids(heard)) == 5)
        assert ids(heard) == [4, 6, 7, 8, 9] and adapter.stream.trades.lost == 1
        # One is not listed: the list may only be late, so it is asked for again.
        asked, *again = venue.called("Trades")
        assert [one["since"] for one in again] == [asked["since"]] * 3
        assert asked["pair"] == "BTC/USDT" and asked["since"] == "1696613755440294999"


@in_loop
async def test_trades_that_rest_does_not_give_are_lost_and_counted() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        venue.rest["Trades"] = lambda form: bad("EGeneral:Invalid arguments")
        await venue.say(venue.market_sockets[-1], frame("trade", trade(1), trade(4)))
        await until(lambda: adapter.stream.trades.lost == 2)
        venue.rest["Trades"] = lambda form: good(5)
        await venue.say(venue.market_sockets[-1], frame("trade", trade(6)))
        await until(lambda: adapter.stream.trades.lost == 3)
        assert ids(heard) == [1, 4, 6]


@in_loop
async def test_many_gaps_at_once_are_counted_one_by_one_and_marked_together() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        venue.rest["Trades"] = lambda form: bad("EService:Busy")
        gaps: list[Gap] = []
        adapter.on_gap = gaps.append
        for number in range(1, 400, 2):
            await venue.say(venue.market_sockets[-1], frame("trade", trade(number)))
        await until(lambda: len(ids(heard)) == 200)
        assert ids(heard) == list(range(1, 400, 2)) and adapter.stream.trades.lost == 199
        assert len(gaps) < 199 and gaps[-1].before == 399 and "Busy" in gaps[-1].why


@in_loop
async def test_names_that_cannot_be_learnt_mean_the_venue_is_down() -> None:
    async with scripted() as venue:
        venue.rest["AssetPairs"] = lambda form: (200, json.dumps({"error": [], "result": {"X": {}}}))
        with pytest.raises(SwarmError, match="cannot be read"):
            async with venue.venue():
                pass
