"""The same over the clock on the wall: faults put in through the admin door, noticed, and got over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from domain.events import Event
from domain.ids import client_id
from domain.market_events import FeedLost
from domain.order import OrderState
from domain.order_events import FateUnknown, OrderAcked, OrderStatus
from hw.clock import SystemClock
from market.venues.config import VenueConfig
from market.venues.venue import venue_of
from sim.exchange.faults.admin import TOKEN_HEADER
from sim.market.config import FlowConfig
from tests.chaos.followers import Truth, Watcher
from tests.market.venue_server import Heard, buy, in_loop, until
from tests.sim.exchange.server_builders import KEYS, Running, running

TOKEN = "let-me-in"
IDLE_S, REPLY_S = 0.4, 0.4

pytestmark = pytest.mark.end_to_end


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


class Connected:
    """An adapter that follows a busy exchange."""

    def __init__(self, at: Running) -> None:
        self.at, self.clock, self.heard = at, SystemClock(), Heard()
        self.live: Any = None
        truth, apply = Truth(at.venue.exchange), at.venue.apply

        def told(command: Any, *rest: Any, **named: Any) -> Any:
            outputs = apply(command, *rest, **named)
            truth.heard(list(outputs), self.clock.now_ns())
            return outputs

        at.venue.apply = told  # type: ignore[method-assign]
        self.watcher = Watcher(truth, 1, lambda: self.live, numbered=True)

    def deliver(self, event: Event) -> None:
        """Take an event."""
        self.heard.append(event)
        self.watcher.event(event, self.clock.now_ns())

    def same(self) -> bool:
        """Tell whether the book is the exchange's own, now."""
        book = self.watcher.books[0]
        update_id, bids, asks = self.at.venue.exchange.depth(0, 1_000)
        shown = self.watcher.shown(0)
        return not book.stale and book.sequence == update_id and shown == (tuple(bids), tuple(asks))

    async def fault(self, **spec: Any) -> None:
        """Put a fault in."""
        url, headers = f"{self.at.url}/admin/faults", {TOKEN_HEADER: TOKEN}
        async with self.at.session.post(url, json=spec, headers=headers) as answer:
            assert answer.status == 201, await answer.text()


@asynccontextmanager
async def connected() -> AsyncIterator[Connected]:
    """Connect to an exchange whose crowd is busy."""
    flow = FlowConfig(maker_rate=8.0, noise_rate=4.0, maker_levels=6)
    async with running(flow, admin_token=TOKEN) as at:
        one, base = Connected(at), at.url.removeprefix("http://")
        config = VenueConfig(
            name="test-x",
            rest_url=f"http://{base}",
            stream_url=f"ws://{base}",
            api_url=f"ws://{base}/ws-api/v3",
            account="alice",
            api_key_env="A_KEY",
            api_secret_env="A_SECRET",
            backoff_min_s=0.02,
            backoff_max_s=0.1,
            request_timeout_s=0.4,
            ping_idle_s=IDLE_S,
            ping_reply_s=REPLY_S,
        )
        instruments = at.venue.exchange.instruments[:1]
        async with venue_of(config, instruments, one.clock, one.deliver) as live:
            one.live = live
            await until(one.same)
            yield one
            one.live = None
        assert one.watcher.wrong == [] and one.watcher.compared > 0


@in_loop
async def test_a_gap_makes_the_book_stale_until_it_is_the_exchanges_own_again() -> None:
    async with connected() as one:
        await one.fault(kind="gap", symbol="BTCUSDT", amount=3, every_s=60.0, for_s=30)
        await until(lambda: one.watcher.stale_times[0] > 0, "the gap to be seen")
        await until(one.same, "the book to be right again")
        assert not one.heard.of(FeedLost)


@in_loop
async def test_a_cut_feed_is_lost_and_comes_back() -> None:
    async with connected() as one:
        await one.fault(kind="disconnect", target="stream", every_s=60.0, for_s=30)
        await until(lambda: one.heard.of(FeedLost))
        await until(one.same, "the book to be right again")


@in_loop
async def test_a_half_open_feed_is_noticed_by_its_silence() -> None:
    async with connected() as one:
        clock = asyncio.get_running_loop().time
        began_s = clock()
        await one.fault(kind="half_open", target="stream", for_s=1.5)
        await until(lambda: one.heard.of(FeedLost), "the silence to be noticed")
        assert IDLE_S < clock() - began_s < 2 * IDLE_S + REPLY_S + 1.0
        await until(one.same, "the book to be right again", limit_s=10.0)


@in_loop
async def test_an_order_that_was_accepted_in_silence_is_asked_for_and_found() -> None:
    async with connected() as one:
        await one.fault(kind="timeout_after_acceptance", account="alice", for_s=0.2)
        # The crowd's events come by another way: without them nobody would know of the order.
        await one.fault(kind="drop", target="user", account="alice", for_s=0.2)
        number = client_id(1, 1, 1)
        one.live.send(number, buy(5_000_000, 200))
        await until(lambda: one.heard.of(FateUnknown), "the time-out")
        assert not one.heard.of(OrderAcked)
        one.live.query(number, 0)
        await until(lambda: one.heard.of(OrderStatus))
        (status,) = one.heard.of(OrderStatus)
        assert (status.client_id, status.state) == (number, OrderState.OPEN)
