"""Trades come in the order of their ids, each once; what cannot be had in time is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.dtypes import LOCAL_NS, NO_ROWS, SEQUENCE, Rows
from domain.errors import ExitCode, SwarmError
from domain.events import Event
from domain.market_events import MarketRows, Trade
from market.rows import rows_of
from market.venues import trade_order
from market.venues.trade_order import GAPS_AT_ONCE, NOT_LISTED, Gap, TradeOrder, holes
from tests.market.venue_server import in_loop, until

NOW_NS = 10**15


class Clock:
    """Always now."""

    def now_ns(self) -> int:
        """Give the time."""
        return NOW_NS


def trade(number: int, instrument: int = 0) -> Trade:
    return Trade(instrument, number * 1_000, number, number, 5, 7, 1)


def rows(*numbers: int) -> Rows:
    return np.concatenate([NO_ROWS, *(rows_of(trade(number)) for number in numbers)])


class Feed:
    """A feed whose venue answers what a test says."""

    def __init__(self, *answers: Any) -> None:
        self.told: list[Event] = []
        self.gaps: list[Gap] = []
        self.asked: list[tuple[int, int, int]] = []
        self.answers, self.gate = list(answers), asyncio.Event()
        self.gate.set()
        self.order = TradeOrder("x", {0: "BTC", 1: "ETH", 2: "XRP"}, Clock(), self.told.append, self.fetch)
        self.order.on_gap = self.gaps.append

    async def fetch(self, instrument: int, trade_id: int, at_ns: int) -> Rows:
        """Answer with the next list, or with the last one again; an error is raised."""
        self.asked.append((instrument, trade_id, at_ns))
        await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return rows(*answer)

    def hear(self, *numbers: int, instrument: int = 0) -> None:
        """Hear live trades."""
        for number in numbers:
            event = trade(number, instrument)
            self.order.heard(event, instrument, number, event.exchange_ts_ns)

    def ids(self, instrument: int = 0) -> list[int]:
        """Give what was told, in that order."""
        found: list[int] = []
        for event in self.told:
            if isinstance(event, MarketRows):
                found += [row[SEQUENCE] for row in event.rows.tolist() if row[1] == instrument]
            elif isinstance(event, Trade) and event.instrument == instrument:
                found.append(event.trade_id)
        return found


def lived(*answers: Any) -> Callable[[Callable[[Feed], Coroutine[Any, Any, None]]], Callable[[], None]]:
    def outer(test: Callable[[Feed], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        @in_loop
        async def run() -> None:
            feed = Feed(*answers)
            async with asyncio.TaskGroup() as tasks:
                work = tasks.create_task(feed.order.run())
                await test(feed)
                work.cancel()

        run.__name__ = test.__name__
        return run

    return outer


SILENT = SwarmError("no answer", where="x", mend="wait", code=ExitCode.VENUE_DOWN)


@lived([3, 4, 5])
async def test_a_live_trade_waits_for_those_before_it(feed: Feed) -> None:
    feed.hear(1, 2, 5, 6)
    assert feed.ids() == [1, 2]
    feed.hear(1, instrument=1)
    assert feed.ids(1) == [1], "another market does not wait"
    await until(lambda: len(feed.ids()) == 6)
    feed.hear(6, 7)
    assert feed.ids() == [1, 2, 3, 4, 5, 6, 7] and feed.gaps == [] and feed.order.lost == 0
    assert feed.asked == [(0, 2, 2_000)]
    (late,) = [event for event in feed.told if isinstance(event, MarketRows)]
    assert set(late.rows[:, LOCAL_NS].tolist()) == {NOW_NS}, "it is told now, whenever it was made"


@lived([])
async def test_trades_that_were_only_out_of_order_are_told_at_once_without_the_venue(feed: Feed) -> None:
    feed.gate.clear()
    feed.hear(1, 4, 3, 3, 2)
    assert feed.ids() == [1, 2, 3, 4] and feed.order._held == 0
    feed.hear(5)
    assert feed.ids() == [1, 2, 3, 4, 5]
    feed.gate.set()
    await asyncio.sleep(0.01)
    assert feed.ids() == [1, 2, 3, 4, 5] and feed.gaps == []


@lived([2, 3])
async def test_a_new_connection_asks_though_no_trade_came_and_the_next_one_goes_on(feed: Feed) -> None:
    feed.order.known(1, 9, 9)
    feed.hear(1)
    feed.gate.clear()
    feed.order.reopened()
    feed.hear(10, instrument=1)
    assert feed.ids(1) == [10], "what goes on where it was has missed nothing"
    feed.gate.set()
    await until(lambda: feed.ids() == [1, 2, 3])
    feed.hear(3, 4)
    assert feed.ids() == [1, 2, 3, 4]


@lived([2], [2, 3, 4])
async def test_a_list_that_lags_behind_the_stream_is_asked_for_again(feed: Feed) -> None:
    feed.hear(1, 5)
    await until(lambda: feed.ids() == [1, 2, 3, 4, 5])
    assert len(feed.asked) == 2 and feed.gaps == []


@lived([3, 5])
async def test_what_the_venue_lists_no_more_is_told_as_gaps(feed: Feed) -> None:
    feed.hear(1, 8)
    await until(lambda: feed.ids() == [1, 3, 5, 8])
    assert feed.gaps == [
        Gap("x", "BTC", 1, 3, NOT_LISTED),
        Gap("x", "BTC", 3, 5, NOT_LISTED),
        Gap("x", "BTC", 5, 8, NOT_LISTED),
    ]
    assert feed.order.lost == 4 and str(feed.gaps[0]).startswith("x BTC: trades after 1 and before 3: ")


@lived(SILENT)
async def test_a_venue_that_does_not_answer_costs_the_trades_and_not_the_later_ones(feed: Feed) -> None:
    feed.hear(1)
    feed.order.reopened()
    await until(lambda: not feed.order._holds, limit_s=8.0)
    assert feed.gaps == [], "whether any are missing is not known yet"
    feed.hear(4, 5)
    await until(lambda: feed.ids() == [1, 4, 5], limit_s=8.0)
    assert feed.gaps == [Gap("x", "BTC", 1, 4, str(SILENT))]


def test_trades_wait_for_so_long_and_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_order, "HELD_S", 0.05)
    monkeypatch.setattr(trade_order, "HELD_MAX", 6)

    @lived([])
    async def run(feed: Feed) -> None:
        feed.gate.clear()
        feed.hear(1, 3)
        await until(lambda: feed.ids() == [1, 3])
        assert feed.gaps[-1].why == "they did not come in time"
        feed.hear(1, 3, instrument=1)
        feed.hear(*range(5, 11))
        assert feed.ids() == [1, 3, *range(5, 11)] and feed.gaps[-1].why == "too many trades waited for them"
        feed.gate.set()
        await until(lambda: feed.ids(1) == [1, 3])
        assert feed.order._held == 0 and feed.order.lost == 3

    run()


@lived([])
async def test_markets_where_trades_wait_are_asked_about_first_then_those_of_agents(feed: Feed) -> None:
    feed.gate.clear()
    for instrument in range(3):
        feed.hear(1, instrument=instrument)
    feed.order.preferred = frozenset({1})
    feed.order.reopened()
    feed.hear(3, instrument=2)
    await until(lambda: len(feed.asked) == 3)
    assert [one[0] for one in feed.asked] == [2, 1, 0]


def test_very_many_gaps_at_once_are_marked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_order, "TRIES", 1)

    @lived([])
    async def run(feed: Feed) -> None:
        feed.hear(*range(1, 401, 2))
        await until(lambda: len(feed.ids()) == 200)
        assert len(feed.gaps) == GAPS_AT_ONCE and feed.order.lost == 199
        assert (feed.gaps[-1].after, feed.gaps[-1].before) == (2 * GAPS_AT_ONCE - 1, 399)

    run()


def test_holes_are_the_neighbours_that_are_not() -> None:
    assert holes(3, np.array([4, 7, 8, 10])) == [(4, 7), (8, 10)] and holes(3, np.array([], np.int64)) == []


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_lost_and_however_late_it_comes_each_trade_is_told_once_in_order(data: Any) -> None:
    last = data.draw(st.integers(2, 40))
    stream = [number for number in range(2, last + 1) if data.draw(st.booleans())]
    cuts = {number for number in stream if data.draw(st.integers(0, 5)) == 0}
    forgotten = data.draw(st.sets(st.integers(2, last), max_size=4)) - set(stream)
    listed = sorted(set(range(2, last + 1)) - forgotten)

    @lived(listed)
    async def run(feed: Feed) -> None:
        feed.hear(1)
        for number in stream:
            if number in cuts:
                feed.order.reopened()
                await asyncio.sleep(0)
            feed.hear(number)
        await until(lambda: not feed.order._holds)
        told = feed.ids()
        wanted = set(stream) | {number for number in listed if number < max(stream, default=1)}
        assert told == sorted(set(told)) and wanted <= set(told)
        missing = [one for gap in feed.gaps for one in range(gap.after + 1, gap.before or 0)]
        assert sorted(missing) == sorted(set(range(1, max(told) + 1)) - set(told))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trade_order, "PAUSE_S", 0.001)
        run()
