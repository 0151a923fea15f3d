"""Every answer, and every missing one, becomes exactly the event that it proves."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import ccxt
import pytest

from domain.errors import ExitCode, SwarmError
from domain.ids import client_id, client_id_text
from domain.order import OrderIntent, OrderState, Side, TimeInForce
from domain.order_events import (
    AccountSnapshot,
    CancelRefused,
    FateUnknown,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderLinkLost,
    OrderLinkUp,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from market.venues.ccxt import order_requests
from market.venues.ccxt.gateway import CcxtGateway
from market.venues.ccxt.order_requests import NOT_SENT, REFUSED_CODE
from tests.market.venue_server import approved, buy, in_loop, until, with_keys
from tests.market.venues.ccxt.builders import ONE, SYMBOL, TWO, Script, order, own_trade

KEYS = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _keys(monkeypatch: KEYS) -> None:
    with_keys(monkeypatch)
    monkeypatch.setattr(order_requests, "ASK_AGAIN_S", 0.02)


def broken_answer() -> Exception:
    error: Exception = ccxt.ExchangeError("binance POST")
    error.__cause__ = aiohttp.ClientPayloadError("cut")
    return error


def named(value: object) -> str:
    return str(getattr(value, "__name__", repr(value)))


async def silence(*_: Any) -> None:
    await asyncio.sleep(30)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (ccxt.InsufficientFunds("no money"), OrderRefusedByVenue),
        (ccxt.InvalidOrder("EOrder:Post only order"), OrderRefusedByVenue),
        (ccxt.PermissionDenied("no"), OrderRefusedByVenue),
        (ccxt.RequestTimeout("late"), FateUnknown),
        (ccxt.ExchangeNotAvailable("503"), FateUnknown),
        (ccxt.RateLimitExceeded("429"), FateUnknown),
        (ccxt.InvalidNonce("time"), FateUnknown),
        (broken_answer(), FateUnknown),
        (KeyError("id"), FateUnknown),
        (silence, FateUnknown),
        ({"no": "id"}, FateUnknown),
        (None, FateUnknown),
    ],
    ids=named,
)
def test_an_answer_to_an_order_is_no_more_than_it_proves(monkeypatch: KEYS, answer: Any, kind: type) -> None:
    @in_loop
    async def run() -> None:
        script = Script(create_order=answer)
        async with script.venue(monkeypatch) as (venue, heard):
            heard.clear()
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard)
            (event,) = heard.of(kind)
            assert len(heard) == 1 and event.client_id == ONE
            assert getattr(event, "code", REFUSED_CODE) == REFUSED_CODE

    run()


@pytest.mark.parametrize(
    ("tif", "kind", "price", "extra"),
    [
        (TimeInForce.GTC, "limit", "50000.00", {"timeInForce": "GTC"}),
        (TimeInForce.IOC, "limit", "50000.00", {"timeInForce": "IOC"}),
        (TimeInForce.FOK, "limit", "50000.00", {"timeInForce": "FOK"}),
        (TimeInForce.POST, "limit", "50000.00", {"postOnly": True}),
        (TimeInForce.MARKET, "market", None, {}),
    ],
)
def test_an_order_goes_out_in_texts(
    monkeypatch: KEYS, tif: TimeInForce, kind: str, price: str | None, extra: dict[str, Any]
) -> None:
    @in_loop
    async def run() -> None:
        script = Script(create_order={"id": "77"})
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200, tif))
            await until(lambda: heard.of(OrderAcked))
        sent = (SYMBOL, kind, "buy", "0.00200", price, {**extra, "clientOrderId": client_id_text(ONE)})
        assert script.asked("create_order") == [sent]

    run()


@in_loop
async def test_a_duplicate_id_says_that_it_is_there_and_is_asked_for() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=ccxt.InvalidOrder("duplicate"), fetch_open_orders=[order()])
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderStatus))
            assert len(heard.of(OrderAcked)) == 1 and not heard.of(OrderRefusedByVenue)
            status = heard.of(OrderStatus)[0]
            assert (status.state, status.venue_order_id) == (OrderState.OPEN, 77)


@in_loop
async def test_an_answer_that_tells_the_end_at_once_is_told_whole() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=order(status="expired", clientOrderId=None))
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200, TimeInForce.IOC))
            await until(lambda: heard.of(OrderClosed))
            assert heard.of(OrderAcked)[0].venue_order_id == 77
            assert heard.of(OrderClosed)[0].state == OrderState.EXPIRED


@in_loop
async def test_a_limit_that_an_order_meets_holds_everything_back_as_long_as_told() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=ccxt.RateLimitExceeded("429"), cancel_order={"id": "77"})
        script.headers = {"retry-After": "7"}
        async with script.venue(monkeypatch) as (venue, heard):
            began_ns = venue.gateway._clock.now_ns()
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(FateUnknown))
            until_ns = venue._client.gate.quota._address.held_until_ns
            assert 6.9e9 < until_ns - began_ns < 7.5e9
            venue.send(TWO, buy(5_000_000, 200))
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(OrderRefusedByVenue) and len(heard.of(FateUnknown)) == 2)
            refused = heard.of(OrderRefusedByVenue)[0]
            assert (refused.client_id, refused.code) == (TWO, NOT_SENT) and "not sent" in refused.text
            assert len(script.asked("create_order")) == 1 and not script.asked("cancel_order")


@in_loop
async def test_where_the_exchange_names_no_time_a_limit_holds_for_ten_seconds() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=ccxt.DDoSProtection("418"))
        script.headers = {"Retry-After": "soon"}
        async with script.venue(monkeypatch) as (venue, heard):
            began_ns = venue.gateway._clock.now_ns()
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(FateUnknown))
            assert 9.9e9 < venue._client.gate.quota._address.held_until_ns - began_ns < 10.5e9


@in_loop
async def test_cancels_have_a_reserve_that_new_orders_leave_alone() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order={"id": "77"}, cancel_order=order(status="canceled"))
        async with script.venue(monkeypatch) as (venue, heard):
            script.cost = 0.08 * 150_000
            for sequence in range(1, 20):
                venue.send(client_id(3, 2, sequence), buy(5_000_000, 200))
            await until(lambda: len(heard.of(OrderAcked)) + len(heard.of(OrderRefusedByVenue)) == 19)
            assert 8 <= len(heard.of(OrderAcked)) <= 10
            assert {refused.code for refused in heard.of(OrderRefusedByVenue)} == {NOT_SENT}
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(OrderClosed))
            assert len(script.asked("create_order")) == len(heard.of(OrderAcked))


@in_loop
async def test_orders_in_line_are_taken_back_when_purged_and_the_one_that_left_is_not() -> None:
    with KEYS.context() as monkeypatch:
        left = asyncio.Event()

        async def slow(*_: Any) -> dict[str, str]:
            left.set()
            await asyncio.sleep(0.05)
            return {"id": "77"}

        script = Script(create_order=slow)
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await left.wait()
            venue.send(TWO, buy(5_000_000, 200))
            await asyncio.sleep(0)
            late = client_id(3, 2, 3)
            venue.send(late, buy(5_000_000, 200))
            assert venue.gateway.purge() == [TWO, late] and venue.gateway.purge() == []
            await until(lambda: heard.of(OrderAcked) and len(heard.of(OrderRefusedByVenue)) == 2)
            assert [(one.client_id, one.code) for one in heard.of(OrderRefusedByVenue)] == [
                (TWO, NOT_SENT),
                (late, NOT_SENT),
            ]
            assert [one.client_id for one in heard.of(OrderAcked)] == [ONE]
            await until(lambda: venue.gateway._working == 0)
            assert venue.gateway._placing == {} and len(script.asked("create_order")) == 1
            assert venue.gateway._submitting == {0: 0}


@in_loop
async def test_an_order_that_stood_in_line_for_too_long_was_never_sent() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=silence)
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await asyncio.sleep(0.03)
            hedge = OrderIntent(0, 0, int(Side.SELL), int(TimeInForce.GTC), 1, 1, reduce_only=True)
            venue.send(TWO, approved(hedge))
            third = client_id(3, 2, 3)
            venue.send(third, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderRefusedByVenue))
            assert heard.of(OrderRefusedByVenue)[0].client_id == third
            await until(lambda: len(heard.of(FateUnknown)) == 2)
            assert {one.client_id for one in heard.of(FateUnknown)} == {ONE, TWO}
            assert len(script.asked("create_order")) == 2


@in_loop
async def test_without_room_or_link_orders_are_refused_and_cancels_unknown() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=silence)
        async with script.venue(monkeypatch, in_flight_max=1) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            venue.send(TWO, buy(5_000_000, 200))
            venue.query(ONE, 0)
            venue.query(ONE, 0)
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(OrderRefusedByVenue) and heard.of(FateUnknown))
            assert heard.of(OrderRefusedByVenue)[0].code == NOT_SENT
            script.tell("watch_orders", ccxt.NetworkError("cut"))
            script.answers["fetch_balance"] = ccxt.NetworkError("down")
            await until(lambda: heard.of(OrderLinkLost))
            heard.clear()
            venue.send(TWO, buy(5_000_000, 200))
            venue.cancel(TWO, 0)
            venue.query(TWO, 0)
            await until(lambda: len(heard) >= 2)
            assert {type(event) for event in heard} <= {OrderRefusedByVenue, FateUnknown}
            assert heard.of(OrderRefusedByVenue)[0].text == "not sent: order link is down"


@in_loop
async def test_orders_in_line_are_taken_back_when_the_link_is_lost() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=silence)
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await asyncio.sleep(0.02)
            venue.send(TWO, buy(5_000_000, 200))
            await asyncio.sleep(0)
            script.tell("watch_orders", ccxt.NetworkError("cut"))
            await until(lambda: heard.of(OrderRefusedByVenue) and heard.of(FateUnknown))
            assert heard.of(OrderRefusedByVenue)[0].text == "not sent: the link was lost"
            assert len(script.asked("create_order")) == 1
            await until(lambda: len(heard.of(OrderLinkUp)) == 2)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (order(status="canceled"), OrderClosed),
        (order(status="expired", filled=0.001), OrderClosed),
        (ccxt.OrderNotFound("gone"), CancelRefused),
        (ccxt.InvalidOrder("filled"), CancelRefused),
        (ccxt.RequestTimeout("late"), FateUnknown),
        (silence, FateUnknown),
    ],
    ids=named,
)
def test_an_answer_to_a_cancel_is_no_more_than_it_proves(monkeypatch: KEYS, answer: Any, kind: type) -> None:
    @in_loop
    async def run() -> None:
        script = Script(cancel_order=answer)
        async with script.venue(monkeypatch) as (venue, heard):
            heard.clear()
            venue.cancel(ONE, 0)
            await until(lambda: heard)
            assert [type(event) for event in heard] == [kind]
            named = (None, SYMBOL, {"clientOrderId": client_id_text(ONE)})
            assert script.asked("cancel_order") == [named]

    run()


@in_loop
async def test_a_cancel_that_only_says_its_id_is_followed_up_where_no_stream_tells_the_rest() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(
            create_order={"id": "77"}, cancel_order={"id": "77"}, fetch_order=order(status="canceled")
        )
        script.has["watchOrders"] = False
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderAcked))
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderStatus)[0].state == OrderState.CANCELLED
            assert script.asked("cancel_order") == [("77", SYMBOL)]


@pytest.mark.parametrize(
    ("answers", "lacks", "kind"),
    [
        ({"fetch_closed_orders": [order(status="closed", filled=0.002)]}, (), OrderStatus),
        ({}, (), OrderNotFound),
        ({}, ("fetchClosedOrders",), FateUnknown),
        ({"fetch_closed_orders": [order(clientOrderId="x", timestamp=1 << 41)] * 50}, (), FateUnknown),
        ({"fetch_closed_orders": [order(clientOrderId="x", timestamp=1)] * 50}, (), OrderNotFound),
        ({"fetch_open_orders": ccxt.ExchangeNotAvailable("503")}, (), FateUnknown),
        ({"fetch_open_orders": [order(status="dancing")]}, (), FateUnknown),
        ({"fetch_open_orders": [None]}, (), FateUnknown),
        ({"fetch_open_orders": ccxt.BadSymbol("x")}, (), FateUnknown),
    ],
    ids=str,
)
def test_an_order_is_not_there_only_where_every_list_says_so(
    monkeypatch: KEYS, answers: dict[str, Any], lacks: tuple[str, ...], kind: type
) -> None:
    @in_loop
    async def run() -> None:
        script = Script(**answers)
        script.has.update(dict.fromkeys(lacks, False))
        async with script.venue(monkeypatch) as (venue, heard):
            heard.clear()
            venue.query(ONE, 0)
            await until(lambda: heard)
            assert [type(event) for event in heard] == [kind]

    run()


@in_loop
async def test_an_order_that_comes_late_is_found_before_it_is_called_unknown() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=ccxt.RequestTimeout("late"))
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(FateUnknown))
            venue.query(ONE, 0)
            await until(lambda: len(script.asked("fetch_closed_orders")) >= 2)
            assert not heard.of(OrderNotFound)
            script.answers["fetch_open_orders"] = [order()]
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderStatus)[0].state == OrderState.OPEN and not heard.of(OrderNotFound)


@in_loop
async def test_an_order_that_its_id_does_not_find_any_more_is_looked_for_by_name() -> None:
    with KEYS.context() as monkeypatch:
        script = Script("binance", create_order={"id": "77"})
        script.answers |= {"sapi_get_account_apirestrictions": {"enableWithdrawals": False}}
        found = {"77": ccxt.OrderNotFound("gone"), None: order(status="canceled")}
        script.answers["fetch_order"] = lambda text, *_: found[text]
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderAcked))
            venue.query(ONE, 0)
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderStatus)[0].state == OrderState.CANCELLED
            assert [asked[0] for asked in script.asked("fetch_order")] == ["77", None]


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
            await until(lambda: venue.gateway.accounts_failed >= 2)
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
            await until(lambda: len(heard.of(OrderLinkUp)) == 2 and venue.gateway.accounts_dropped == 1)
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
