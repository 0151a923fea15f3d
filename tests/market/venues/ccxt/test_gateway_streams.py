"""Fills, ends and accounts: each told once, by whichever of stream, answer and poll comes first."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
import pytest

from domain.errors import ExitCode, SwarmError
from domain.ids import client_id_text
from domain.order_events import (
    AccountSnapshot,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderLinkLost,
    OrderLinkUp,
    OrderRefusedByVenue,
)
from market.venues.ccxt import order_requests
from market.venues.ccxt.gateway import CcxtGateway
from tests.market.venue_server import buy, in_loop, until, with_keys
from tests.market.venues.ccxt.builders import ONE, SYMBOL, TWO, Script, order, own_trade

KEYS = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _keys(monkeypatch: KEYS) -> None:
    with_keys(monkeypatch)
    monkeypatch.setattr(order_requests, "ASK_AGAIN_S", 0.02)


@in_loop
async def test_a_fill_before_its_order_is_acknowledged_waits_for_the_answer() -> None:
    with KEYS.context() as monkeypatch:
        answer: asyncio.Event = asyncio.Event()

        async def late(*_: Any) -> dict[str, str]:
            await answer.wait()
            return {"id": "77"}

        script = Script(create_order=late)
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            script.tell("watch_my_trades", [own_trade(5)])
            await asyncio.sleep(0.02)
            assert not heard.of(Fill)
            answer.set()
            await until(lambda: heard.of(Fill))
            told = [type(event) for event in heard if isinstance(event, OrderAcked | Fill)]
            assert told == [OrderAcked, Fill] and heard.of(Fill)[0].client_id == ONE
            assert not script.asked("fetch_order")


@in_loop
async def test_a_strangers_order_is_no_news_and_its_fill_is_nobodys_and_asked_for_once() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(fetch_order=order(clientOrderId="web_1", id="9"))
        async with script.venue(monkeypatch) as (venue, heard):
            heard.clear()
            script.tell("watch_orders", [order(clientOrderId="web_1", id="9"), order(symbol="LTC/USDT")])
            for number in (5, 6):
                script.tell(
                    "watch_my_trades", [own_trade(number, order="9"), own_trade(7, symbol="LTC/USDT")]
                )
            await until(lambda: len(heard) == 2)
            assert [fill.client_id for fill in heard.of(Fill)] == [0, 0]
            assert len(script.asked("fetch_order")) == 1
            assert venue.bad_frames == 0


@in_loop
async def test_a_fill_of_an_order_that_nobody_shows_us_is_a_strangers_and_ends_nothing() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(fetch_order=ccxt.NotSupported("no"))
        async with script.venue(monkeypatch) as (_, heard):
            script.tell("watch_my_trades", [own_trade(5)])
            await until(lambda: heard.of(Fill))
            assert heard.of(Fill)[0].client_id == 0 and not heard.of(OrderLinkLost)


@in_loop
async def test_a_fill_that_the_stream_missed_is_found_by_the_poll_and_never_told_twice() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order={"id": "77"})
        async with script.venue(monkeypatch, ping_idle_s=0.03) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderAcked))
            script.tell("watch_my_trades", [own_trade(5)])
            await until(lambda: heard.of(Fill))
            polled = len(script.asked("fetch_my_trades"))
            script.answers["fetch_my_trades"] = [own_trade(6), own_trade(5)]
            await until(lambda: len(heard.of(Fill)) == 2)
            await until(lambda: len(script.asked("fetch_my_trades")) >= polled + 4)
            script.tell("watch_my_trades", [own_trade(6), own_trade(7)])
            await until(lambda: len(heard.of(Fill)) == 3)
            assert [fill.trade_id for fill in heard.of(Fill)] == [5, 6, 7]


@in_loop
async def test_a_quiet_account_is_asked_for_a_sign_of_life_and_its_absence_is_a_lost_link() -> None:
    with KEYS.context() as monkeypatch:
        script = Script()
        async with script.venue(monkeypatch, ping_idle_s=0.02) as (venue, heard):
            asked = len(script.asked("fetch_balance"))
            await until(lambda: len(script.asked("fetch_balance")) >= asked + 2)
            script.answers["fetch_balance"] = ccxt.ExchangeNotAvailable("503")
            await until(lambda: heard.of(OrderLinkLost))
            assert "is down" in venue.gateway.link.last_reason
            script.answers["fetch_balance"] = {"total": {}}
            await until(lambda: len(heard.of(OrderLinkUp)) == 2)
        assert all(made.closed for made in script.made) and len(script.made) >= 4


@in_loop
async def test_what_cannot_be_read_is_counted_and_no_exception_comes_out_of_the_feed() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order={"id": "77"})
        async with script.venue(monkeypatch, ping_idle_s=0.05) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderAcked))
            script.tell("watch_orders", [None, {}, [], order(status="dancing"), order(status=None)])
            script.tell("watch_my_trades", [None, {}, {"symbol": SYMBOL}, own_trade(5, price="x")])
            script.answers["fetch_my_trades"] = [own_trade(5)]
            await until(lambda: heard.of(Fill))
            assert venue.gateway.bad_frames == 8 and not heard.of(OrderLinkLost)


@in_loop
async def test_ends_are_told_once_by_answer_and_stream() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order={"id": "77"}, cancel_order=order(status="canceled"))
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderAcked))
            script.tell("watch_orders", [order(), order(status="closed", filled=0.002)])
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(OrderClosed))
            two = order(clientOrderId=client_id_text(TWO), id="78", status="rejected")
            script.tell("watch_orders", [order(status="canceled"), two])
            await until(lambda: heard.of(OrderRefusedByVenue))
            assert heard.of(OrderRefusedByVenue)[0].client_id == TWO
            assert len(heard.of(OrderClosed)) == 1 and len(heard.of(OrderAcked)) == 1


@in_loop
async def test_nothing_private_is_told_before_the_link_stands() -> None:
    with KEYS.context() as monkeypatch:
        script, ready = Script(), asyncio.Event()

        async def newest(*_: Any) -> list[Any]:
            await ready.wait()
            return []

        script.answers["fetch_my_trades"] = newest
        script.tell("watch_my_trades", [own_trade(5, order="9")])
        script.tell("watch_orders", [order()])
        asyncio.get_running_loop().call_later(0.05, ready.set)
        async with script.venue(monkeypatch) as (_, heard):
            await until(lambda: heard.of(Fill) and heard.of(OrderAcked))
            kinds = [type(event) for event in heard if isinstance(event, OrderLinkUp | Fill | OrderAcked)]
            assert kinds[0] is OrderLinkUp


@in_loop
async def test_an_account_is_asked_for_until_it_can_be_read_and_the_latest_wish_counts() -> None:
    with KEYS.context() as monkeypatch:
        script = Script()
        async with script.venue(monkeypatch) as (venue, heard):
            script.answers["fetch_balance"] = {"total": {"BTC": 1}, "BTC": None}
            venue.fetch_account(((0, 3),))
            await until(lambda: venue.gateway.accounts.failed >= 2)
            venue.fetch_account(((0, 4),))
            venue.fetch_account(((0, 0),))
            script.answers["fetch_balance"] = {"total": {"BTC": 1}, "BTC": {"free": "0.5", "used": "0.5"}}
            await until(lambda: heard.of(AccountSnapshot))
            assert heard.of(AccountSnapshot)[0].balances == {"BTC": (5 * 10**9, 5 * 10**9)}


@in_loop
async def test_an_account_read_over_a_lost_link_is_not_told() -> None:
    with KEYS.context() as monkeypatch:
        script, go = Script(), asyncio.Event()

        async def slow(*_: Any) -> list[Any]:
            await go.wait()
            return []

        async with script.venue(monkeypatch) as (venue, heard):
            script.answers["fetch_open_orders"] = slow
            venue.fetch_account(())
            await until(lambda: script.asked("fetch_open_orders"))
            script.tell("watch_orders", ccxt.NetworkError("cut"))
            await until(lambda: heard.of(OrderLinkLost))
            go.set()
            await until(lambda: len(heard.of(OrderLinkUp)) == 2 and venue.gateway.accounts.dropped == 1)
            assert not heard.of(AccountSnapshot)


@in_loop
async def test_a_key_that_the_private_stream_refuses_ends_the_start() -> None:
    with KEYS.context() as monkeypatch:
        script = Script()
        script.tell("watch_orders", ccxt.AuthenticationError("EAPI:Invalid key"))
        for _ in range(50):
            script.tell("watch_orders", ccxt.AuthenticationError("EAPI:Invalid key"))
        with pytest.raises(SwarmError) as told:
            async with script.venue(monkeypatch):
                pass
        assert told.value.code == ExitCode.WRONG_KEY


def test_the_gateway_remembers_a_bounded_number_of_submits() -> None:
    table: dict[int, int] = {}
    for number in range(16_500):
        order_requests._bounded(table, number, number)
    assert len(table) == 16_384 and 0 not in table and 16_499 in table
    assert issubclass(CcxtGateway, order_requests.OrderRequests)
