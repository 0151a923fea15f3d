"""The adapter against an exchange with seeded faults: nothing unknown is called refused, nothing leaks."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt
import pytest

from domain.errors import ExitCode, SwarmError
from domain.market_events import FeedLost, FeedUp
from domain.order import OrderState, Side, TimeInForce
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderLinkLost,
    OrderLinkUp,
    OrderRefusedByVenue,
    OrderStatus,
)
from hw.clock import SystemClock
from market.venues.ccxt.instruments import load_instruments
from market.venues.ccxt.order_requests import NOT_SENT
from market.venues.ccxt.venue import CcxtVenue
from tests.market.venue_server import KRAKEN_SECRET, SECRET, Dialect, Heard, buy, in_loop, until, with_keys
from tests.market.venues.ccxt.builders import BTC, ONE, TWO, Faulty, Script, config, faulty

KEYS = pytest.MonkeyPatch
both = pytest.mark.parametrize("dialect", ["binance", "kraken"])


@pytest.fixture(autouse=True)
def _keys(request: pytest.FixtureRequest, monkeypatch: KEYS) -> None:
    dialect = request.getfixturevalue("dialect") if "dialect" in request.fixturenames else "binance"
    with_keys(monkeypatch, secret=KRAKEN_SECRET if dialect == "kraken" else SECRET)


@asynccontextmanager
async def live(dialect: Dialect, **changes: Any) -> AsyncIterator[tuple[Faulty, CcxtVenue, Heard]]:
    """Run an exchange and connect to it."""
    heard = Heard()
    async with faulty(dialect) as exchange:
        config = exchange.ccxt_config(**changes)
        instruments = await load_instruments(config, ("BTCUSDT",), exchange.clock)
        async with CcxtVenue(config, instruments, exchange.clock, heard.append) as venue:
            yield exchange, venue, heard


@both
def test_an_order_that_was_taken_but_never_answered_is_unknown_and_then_found_open(dialect: Dialect) -> None:
    @in_loop
    async def run() -> None:
        async with live(dialect, request_timeout_s=0.25) as (exchange, venue, heard):
            number = await exchange.fault(kind="timeout_after_acceptance", target="rest")
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(FateUnknown))
            await exchange.mend(number)
            venue.query(ONE, 0)
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderStatus)[0].state == OrderState.OPEN
            assert not heard.of(OrderRefusedByVenue)
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(OrderClosed))
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(CancelRefused))

    run()


@both
def test_a_ban_is_an_unknown_order_and_then_silence(dialect: Dialect) -> None:
    @in_loop
    async def run() -> None:
        async with live(dialect) as (exchange, venue, heard):
            await exchange.fault(kind="ban", target="rest", amount=5)
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(FateUnknown))
            venue.send(TWO, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderRefusedByVenue))
            refused = heard.of(OrderRefusedByVenue)[0]
            assert (refused.client_id, refused.code) == (TWO, NOT_SENT)
            held_ns = venue._client.gate.quota._address.held_until_ns - exchange.clock.now_ns()
            assert 4e9 < held_ns <= 5e9

    run()


@both
def test_a_5xx_on_an_order_is_unknown(dialect: Dialect) -> None:
    @in_loop
    async def run() -> None:
        async with live(dialect) as (exchange, venue, heard):
            await exchange.fault(kind="http_5xx", target="rest")
            venue.send(ONE, buy(5_000_000, 200))
            venue.cancel(TWO, 0)
            await until(lambda: len(heard.of(FateUnknown)) == 2)
            assert not heard.of(OrderRefusedByVenue) and not heard.of(CancelRefused)

    run()


@both
def test_a_fill_whose_frame_was_lost_is_found_by_the_poll(dialect: Dialect) -> None:
    @in_loop
    async def run() -> None:
        async with live(dialect, ping_idle_s=0.15, ping_reply_s=5.0) as (exchange, venue, heard):
            await exchange.crowd(0, Side.SELL, 6_000_000, 100)
            number = await exchange.fault(kind="drop", target="user")
            venue.send(ONE, buy(6_000_000, 100, TimeInForce.IOC))
            await until(lambda: heard.of(Fill))
            await exchange.mend(number)
            await asyncio.sleep(0.3)
            assert [(fill.client_id, fill.size_lots) for fill in heard.of(Fill)] == [(ONE, 100)]

    run()


@both
def test_sockets_that_are_open_and_dead_are_noticed_and_made_anew(dialect: Dialect) -> None:
    @in_loop
    async def run() -> None:
        async with live(dialect, ping_idle_s=0.2, ping_reply_s=0.2) as (exchange, venue, heard):
            made = await exchange.fault(kind="half_open")
            await exchange.crowd(0, Side.BUY, 5_000_000, 100)
            await until(lambda: heard.of(FeedLost))
            await exchange.mend(made)
            await until(lambda: len(heard.of(FeedUp)) >= 2 and venue.gateway.link.up.is_set())

    run()


def test_maintenance_loses_both_links_and_its_end_brings_them_back() -> None:
    @in_loop
    async def run() -> None:
        async with live("binance") as (exchange, venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderAcked))
            number = await exchange.fault(kind="maintenance")
            await until(lambda: heard.of(FeedLost) and heard.of(OrderLinkLost))
            await exchange.mend(number)
            await until(lambda: len(heard.of(FeedUp)) >= 2 and len(heard.of(OrderLinkUp)) >= 2)
            venue.query(ONE, 0)
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderStatus)[0].state == OrderState.OPEN

    run()


@both
def test_a_key_that_can_withdraw_is_refused(dialect: Dialect) -> None:
    @in_loop
    async def run() -> None:
        exchange = Faulty(dialect)
        accounts = [one.model_copy(update={"can_withdraw": True}) for one in exchange.config.accounts]
        exchange.config = exchange.config.model_copy(update={"accounts": tuple(accounts)})
        await exchange.start()
        try:
            with pytest.raises(SwarmError, match="can withdraw") as told:
                async with CcxtVenue(exchange.ccxt_config(), (BTC,), exchange.clock, Heard().append):
                    pass
            assert told.value.code == ExitCode.WRONG_KEY
        finally:
            await exchange.stop()

    run()


@pytest.mark.parametrize(
    ("name", "answer", "can"),
    [
        ("binance", {"enableWithdrawals": True}, True),
        ("binance", {"enableWithdrawals": False}, False),
        ("binance", {"enableWithdrawals": "?"}, None),
        ("binance", {}, None),
        ("binance", ccxt.PermissionDenied("no"), None),
        ("binance", ccxt.BadRequest("no"), None),
        ("kraken", {"result": {"permissions": ["query-funds"]}}, False),
        ("kraken", {"result": {"permissions": ["withdraw-funds"]}}, True),
        ("kraken", {"result": None}, None),
        ("other", None, None),
    ],
)
def test_what_a_key_may_do_is_asked_where_the_exchange_tells(
    monkeypatch: KEYS, name: str, answer: Any, can: bool | None
) -> None:
    @in_loop
    async def run() -> None:
        script = Script(name, sapi_get_account_apirestrictions=answer, private_post_getapikeyinfo=answer)
        monkeypatch.setattr("market.venues.ccxt.client.exchange_of", script.exchange)
        venue = CcxtVenue(config(), (BTC,), SystemClock(), Heard().append)
        if isinstance(answer, ccxt.PermissionDenied):
            with pytest.raises(SwarmError) as told:
                await venue._can_withdraw()
            assert told.value.code == ExitCode.WRONG_KEY
        else:
            assert await venue._can_withdraw() is can

    run()


@in_loop
async def test_a_core_that_fails_ends_the_venue_and_every_client_is_closed() -> None:
    with KEYS.context() as monkeypatch:
        monkeypatch.setattr("market.venues.ccxt.client.exchange_of", (script := Script()).exchange)

        def fail(event: object) -> None:
            if isinstance(event, OrderLinkUp):
                raise SwarmError(
                    "the disk is full", where="journal", mend="make room", code=ExitCode.DISK_FULL
                )

        with pytest.raises(SwarmError, match="disk is full"):
            async with CcxtVenue(config(), (BTC,), SystemClock(), fail):
                await asyncio.sleep(5)
        assert len(script.made) == 3 and all(made.closed for made in script.made)


@pytest.mark.filterwarnings("error")
@both
def test_nothing_is_left_behind_after_reconnects(dialect: Dialect, caplog: pytest.LogCaptureFixture) -> None:
    @in_loop
    async def run() -> None:
        async with live(dialect) as (exchange, _, heard):
            for _ in range(2):
                heard.clear()
                await exchange.stop()
                await until(lambda: heard.of(OrderLinkLost) and heard.of(FeedLost))
                await exchange.start()
                await until(lambda: heard.of(OrderLinkUp) and heard.of(FeedUp))
        await asyncio.sleep(0.05)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert [task for task in left if "ccxt" in repr(task)] == []

    run()
    gc.collect()
    assert "release all resources" not in caplog.text and "Unclosed" not in caplog.text
