"""WebSocket v2: placing, changing and cancelling orders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest

from domain.order import Side
from sim.exchange.kraken.stamps import rfc3339
from sim.exchange.messages import MarketStatus, SetMarket
from tests.sim.exchange.kraken.kraken_builders import (
    Kraken,
    limit,
    listening,
    records,
    turns,
    with_kraken,
)

OURS = "m00300002000000ff"


def test_an_amended_order_keeps_its_id_and_what_it_filled() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            await listening(socket)
            answer = await socket.ask("add_order", **limit("sell", 60000.0, 0.003, cl_ord_id=OURS))
            order_id = answer["result"]["order_id"]
            await records(socket, 2)
            await at.crowd(Side.BUY, "60000", "0.001")
            await records(socket, 1)
            amended = await socket.ask("amend_order", 5, cl_ord_id=OURS, order_qty=0.005, limit_price=60001.5)
            assert amended["result"]["order_id"] == order_id and amended["result"]["amend_id"].startswith("A")
            (told,) = await records(socket, 1)
            assert turns([told]) == [("amended", "partially_filled")]
            assert (told["order_id"], told["cl_ord_id"]) == (order_id, OURS)
            assert (told["order_qty"], told["cum_qty"], told["limit_price"]) == (
                "0.00500",
                "0.00100",
                "60001.50",
            )
            assert at.venue.exchange.depth(0, 5)[2] == ((6_000_150, 400),)
            await at.crowd(Side.BUY, "60001.50", "0.004")
            assert turns(await records(socket, 2)) == [("trade", "filled"), ("filled", "filled")]
            gone = await socket.ask("amend_order", order_id=order_id, order_qty=0.005)
            assert gone["error"] == "EOrder:Unknown order"

    with_kraken(check)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"order_qty": 0.001}, "EGeneral:Invalid arguments:order_qty"),
        ({"limit_price": 59000.0, "post_only": True}, "EOrder:Post only order"),
        ({"order_qty": 11.0}, "EOrder:Insufficient funds (insufficient user funds)"),
        ({"order_qty": 1e6}, "EOrder:Order minimum not met (volume too low)"),
        ({"limit_price": 60000.001}, "EGeneral:Invalid arguments:price"),
        ({"order_qty": 0.000001}, "EGeneral:Invalid arguments:volume"),
        ({"order_qty": "0.01"}, "Malformed request: order_qty"),
        ({"trigger_price": 1}, "Malformed request: trigger_price"),
        ({"cl_ord_id": "both"}, "EGeneral:Invalid arguments:order_id"),
        ({"deadline": "never"}, "EGeneral:Invalid arguments:deadline"),
        ({"deadline": "2020-01-01T00:00:00Z"}, "EService:Deadline elapsed"),
    ],
)
def test_an_amendment_that_cannot_be_leaves_the_order_as_it_was(change: dict[str, Any], error: str) -> None:
    async def check(at: Kraken) -> None:
        await at.crowd(Side.BUY, "59000", "0.1")
        async with at.trading() as socket:
            answer = await socket.ask("add_order", **limit("sell", 60000.0, 0.003))
            await at.crowd(Side.BUY, "60000", "0.001")
            order_id = answer["result"]["order_id"]
            refused = await socket.ask("amend_order", order_id=order_id, **change)
            assert refused["error"] == error
            assert at.venue.exchange.depth(0, 5)[2] == ((6_000_000, 200),)

    with_kraken(check)


def test_an_amendment_may_trade_at_once() -> None:
    async def check(at: Kraken) -> None:
        await at.crowd(Side.BUY, "59000", "0.1")
        async with at.trading() as socket:
            await listening(socket)
            answer = await socket.ask("add_order", **limit("sell", 60000.0, 0.003, post_only=True))
            told = await records(socket, 2)
            assert told[1]["post_only"] is True
            order_id = answer["result"]["order_id"]
            assert (await socket.ask("amend_order", order_id=order_id, limit_price=59000.0))["success"]
            assert turns(await records(socket, 3)) == [
                ("amended", "new"),
                ("trade", "filled"),
                ("filled", "filled"),
            ]

    with_kraken(check)


def test_an_edited_order_is_another_one() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            await listening(socket)
            first = (await socket.ask("add_order", **limit("sell", 60000.0, 0.003)))["result"]["order_id"]
            await records(socket, 2)
            params = {"order_id": first, "order_qty": 0.002, "symbol": "BTC/USDT", "order_userref": 5}
            edited = (await socket.ask("edit_order", **params))["result"]
            assert edited["original_order_id"] == first != edited["order_id"]
            told = await records(socket, 3)
            assert [one["exec_type"] for one in told] == ["canceled", "pending_new", "new"]
            assert (told[0]["reason"], told[2]["order_userref"]) == ("Order replaced", 5)
            crossing = await socket.ask("edit_order", order_id=edited["order_id"], order_qty=100.0)
            assert crossing["error"].startswith("EOrder:Insufficient funds")

    with_kraken(check)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"side": "hold"}, "EGeneral:Invalid arguments:side"),
        ({"order_type": "iceberg"}, "EGeneral:Invalid arguments:ordertype"),
        ({"time_in_force": "gtx"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"symbol": "NO/NE"}, "EQuery:Unknown asset pair"),
        ({"order_qty": -1.0}, "EGeneral:Invalid arguments:volume"),
        ({"order_qty": "1"}, "Malformed request: order_qty"),
        ({"limit_price": 1e-9}, "EGeneral:Invalid arguments:price"),
        ({"limit_price": None}, "EGeneral:Invalid arguments:price"),
        ({"order_qty": 0.00001}, "EOrder:Order minimum not met (volume too low)"),
        ({"order_qty": 20.0}, "EOrder:Insufficient funds (insufficient user funds)"),
        ({"limit_price": 70000.0, "post_only": True}, "EOrder:Post only order"),
        ({"post_only": True, "time_in_force": "ioc"}, "EGeneral:Invalid arguments:post_only"),
        ({"cl_ord_id": "x" * 19}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"cl_ord_id": "taken"}, "EGeneral:Invalid arguments:cl_ord_id not unique"),
        ({"cl_ord_id": "a", "order_userref": 1}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"order_userref": -1}, "EGeneral:Invalid arguments:userref"),
        ({"stp_type": "none"}, "EGeneral:Invalid arguments:stptype"),
        ({"triggers": "x"}, "EGeneral:Invalid arguments:triggers"),
        ({"time_in_force": "gtd"}, "EGeneral:Invalid arguments:expiretm"),
        (
            {"time_in_force": "gtd", "expire_time": "2020-01-01T00:00:00Z"},
            "EGeneral:Invalid arguments:expiretm",
        ),
        ({"cash_order_qty": 5.0}, "EGeneral:Invalid arguments:cash_order_qty"),
        ({"validate": True, "order_qty": 20.0}, "EOrder:Insufficient funds (insufficient user funds)"),
        ({"validate": True, "limit_price": 70000.0, "post_only": True}, "EOrder:Post only order"),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_its_reason(change: dict[str, Any], error: str) -> None:
    async def check(at: Kraken) -> None:
        await at.crowd(Side.SELL, "61000", "0.1")
        async with at.trading() as socket:
            assert (await socket.ask("add_order", **limit("buy", 59000.0, 0.01, cl_ord_id="taken")))[
                "success"
            ]
            refused = await socket.ask("add_order", 4, **{**limit("buy", 60000.0, 0.01), **change})
            assert (refused["error"], refused["req_id"]) == (error, 4)
            assert at.venue.exchange.depth(0, 5)[1] == ((5_900_000, 1000),)

    with_kraken(check)


def test_a_validated_order_is_not_placed_and_a_cash_order_spends_what_it_says() -> None:
    async def check(at: Kraken) -> None:
        await at.crowd(Side.SELL, "60000", "0.1")
        async with at.trading() as socket:
            answer = await socket.ask("add_order", **limit("buy", 59000.0, 0.01, validate=True))
            assert answer["success"] and answer["result"] == {}
            assert at.venue.exchange.depth(0, 5)[1] == ()
            cash = {"order_type": "market", "order_qty": None, "limit_price": None, "cash_order_qty": 600}
            market = limit("buy", 0, 0) | cash
            assert (await socket.ask("add_order", **market))["success"]
            assert at.venue.exchange.depth(0, 5)[2] == ((6_000_000, 9000),)

    with_kraken(check)


def test_lists_of_orders_are_cancelled_one_answer_each() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            added = await socket.ask(
                "batch_add",
                symbol="BTC/USDT",
                orders=[
                    {"order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 50000.0 + place}
                    for place in range(3)
                ],
            )
            ids = [one["order_id"] for one in added["result"]]
            await socket.ask("add_order", **limit("buy", 59000.0, 0.01, cl_ord_id="mine"))
            await socket.say("cancel_order", 7, order_id=[ids[0], "OAAAAA-AAAAA-AAAA22"], cl_ord_id=["mine"])
            answers = [await socket.hear() for _ in range(3)]
            assert [one.get("error", "done") for one in answers] == ["done", "EOrder:Unknown order", "done"]
            assert answers[2]["result"] == {"cl_ord_id": "mine"}
            both = await socket.ask("batch_cancel", orders=[*ids[1:], "nothing"])
            assert both["result"] == {"count": 2}
            for bad in ({}, {"order_id": "x"}, {"order_id": [1]}):
                refused = await socket.ask("cancel_order", **bad)
                assert refused["error"] == "EGeneral:Invalid arguments:order_id"
            for method in ("batch_add", "batch_cancel"):
                assert (await socket.ask(method, orders=[]))["error"] == "EGeneral:Invalid arguments:orders"

    with_kraken(check)


def test_nobody_may_touch_the_orders_of_another() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as alice, at.trading("B") as bob:
            answer = await alice.ask("add_order", **limit("buy", 59000.0, 0.01, cl_ord_id="same"))
            stolen = await bob.ask("cancel_order", order_id=[answer["result"]["order_id"]])
            assert stolen["error"] == "EOrder:Unknown order"
            assert (await bob.ask("add_order", **limit("buy", 59000.0, 0.01, cl_ord_id="same")))["success"]
            assert await listening(bob) != []
            other = bob.token
            bob.token = alice.token
            mixed = await bob.ask("subscribe", channel="balances")
            assert mixed["error"] == "ESession:Invalid session"
            bob.token = other

    with_kraken(check)


def test_all_orders_are_cancelled_when_nobody_says_a_word() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            await listening(socket)
            await socket.ask("add_order", **limit("buy", 59000.0, 0.01))
            await records(socket, 2)
            answer = await socket.ask("cancel_all_orders_after", 2, timeout=1)
            assert answer["result"]["triggerTime"] > answer["result"]["currentTime"]
            assert (await records(socket, 1))[0]["reason"] == "Cancel all orders after"
            await socket.ask("add_order", **limit("buy", 59000.0, 0.01))
            await records(socket, 2)
            await socket.ask("cancel_all_orders_after", timeout=1)
            off = await socket.ask("cancel_all_orders_after", timeout=0)
            assert off["result"]["triggerTime"] == "0"
            for bad in (-1, 86_401, "1", True):
                refused = await socket.ask("cancel_all_orders_after", timeout=bad)
                assert refused["error"] == "EGeneral:Invalid arguments:timeout"
            await asyncio.sleep(1.2)
            assert len(at.venue.exchange.open_orders(0)) == 1

    with_kraken(check)


def test_an_order_with_a_last_day_expires_on_it() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            await listening(socket)
            until = rfc3339(at.venue.now_ns() + 300_000_000)
            more = {"time_in_force": "gtd", "expire_time": until}
            await socket.ask("add_order", **limit("buy", 59000.0, 0.01, **more))
            told = await records(socket, 3)
            assert turns(told)[2] == ("expired", "expired")
            closed = (await at.done("ClosedOrders"))["closed"]
            assert [one["status"] for one in closed.values()] == ["expired"]

    with_kraken(check)


def test_a_market_that_breaks_off_ends_its_orders_and_takes_no_new_ones() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            await listening(socket)
            await socket.ask("add_order", **limit("buy", 59000.0, 0.01))
            await records(socket, 2)
            change = SetMarket(at.venue.now_ns(), 0, int(MarketStatus.BREAK), 1)
            await at.venue.ask(lambda: at.venue.apply(change))
            assert (await records(socket, 1))[0]["reason"] == "Market closed"
            refused = await socket.ask("add_order", **limit("buy", 59000.0, 0.01))
            assert refused["error"] == "EService:Market in cancel_only mode"

    with_kraken(check)


async def until_refused(ask: Callable[[], Awaitable[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Ask until the limit is met, and give the answers before."""
    answers: list[dict[str, Any]] = []
    while (answer := await ask())["success"]:
        answers.append(answer)
        assert len(answers) < 120, "nothing limits it"
    assert answer["error"] == "EOrder:Rate limit exceeded"
    return answers


def test_limits_are_per_market_and_leave_cancels_alone() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            answer = await socket.ask("subscribe", channel="executions", snap_orders=False)
            assert answer["result"]["maxratecount"] == 60
            await socket.ask("unsubscribe", channel="executions")
            # The counter falls by one a second, so that a slow machine gets a few more through.
            placed = await until_refused(lambda: socket.ask("add_order", **limit("buy", 59000.0, 0.001)))
            ids = [answer["result"]["order_id"] for answer in placed]
            assert len(ids) >= 60
            prices = count(58000)
            await until_refused(
                lambda: socket.ask("amend_order", order_id=ids[0], limit_price=float(next(prices)))
            )
            other = {**limit("buy", 2900.0, 0.1), "symbol": "ETH/USDT"}
            assert (await socket.ask("add_order", **other))["success"]
            assert (await socket.ask("cancel_order", order_id=[ids[0]]))["success"]

    with_kraken(check, kraken_tier="starter")
