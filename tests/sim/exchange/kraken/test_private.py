"""WebSocket v2: trading and an account's own channels."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bus.journal_memory import MemoryJournal
from domain.order import Side
from sim.exchange.kraken.stamps import rfc3339
from sim.exchange.messages import MarketStatus, SetMarket
from tests.sim.exchange.kraken.kraken_builders import Kraken, Socket, kraken, limit, with_kraken

OURS = "m00300002000000ff"


async def listening(socket: Socket, channel: str = "executions", **more: Any) -> list[Any]:
    """Subscribe and give the snapshot's records."""
    assert (await socket.ask("subscribe", 1, channel=channel, **more))["success"]
    snapshot = await socket.hear()
    assert (snapshot["channel"], snapshot["type"], snapshot["sequence"]) == (channel, "snapshot", 1)
    return list(snapshot["data"])


async def records(socket: Socket, number: int) -> list[Any]:
    """Give the next records of updates."""
    heard = [await socket.hear() for _ in range(number)]
    assert all(one["type"] == "update" and len(one["data"]) == 1 for one in heard), heard
    return [one["data"][0] for one in heard]


def turns(told: list[Any]) -> list[tuple[str, str]]:
    """Give kind and status of records."""
    return [(one["exec_type"], one["order_status"]) for one in told]


def test_an_order_is_followed_from_its_placing_to_its_last_fill() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            assert await listening(socket) == []
            answer = await socket.ask("add_order", 2, **limit("buy", 60000.0, 0.003, cl_ord_id=OURS))
            assert answer["success"] and answer["result"]["cl_ord_id"] == OURS
            told = await records(socket, 2)
            assert turns(told) == [("pending_new", "pending_new"), ("new", "new")]
            assert told[1]["order_id"] == answer["result"]["order_id"]
            assert (told[1]["limit_price"], told[1]["order_qty"], told[1]["side"]) == (
                "60000.00",
                "0.00300",
                "buy",
            )
            await at.crowd(Side.SELL, "60000", "0.001")
            (part,) = await records(socket, 1)
            assert turns([part]) == [("trade", "partially_filled")]
            assert (part["last_qty"], part["last_price"], part["cost"]) == (
                "0.00100",
                "60000.00",
                "60.0000000000",
            )
            assert (part["trade_id"], part["liquidity_ind"], part["cum_qty"]) == (1, "m", "0.00100")
            assert part["fees"] == [{"asset": "BTC", "qty": "0.0000002000"}]
            assert part["fee_usd_equiv"] == "0.0120000000"
            await at.crowd(Side.SELL, "60000", "0.002")
            rest = await records(socket, 2)
            assert turns(rest) == [("trade", "filled"), ("filled", "filled")]
            assert (rest[1]["cum_qty"], rest[1]["avg_price"]) == ("0.00300", "60000.0000000000")
            assert rest[0]["exec_id"] != part["exec_id"] and rest[0]["trade_id"] == 2

    with_kraken(check)


def test_sequences_count_every_frame_of_a_channel_and_answers_come_first() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            await listening(socket)
            await socket.say("add_order", 2, **limit("buy", 60000.0, 0.003))
            await socket.say("cancel_all", 3)
            heard = [await socket.hear() for _ in range(5)]
            assert [one.get("req_id") for one in heard] == [2, None, None, 3, None]
            assert [one["sequence"] for one in heard if "sequence" in one] == [2, 3, 4]
            assert heard[3]["result"] == {"count": 1}
            assert heard[4]["data"][0]["reason"] == "User requested"

    with_kraken(check)


def test_a_snapshot_shows_what_was_before_it_and_updates_tell_what_came_after() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            await socket.ask("add_order", **limit("buy", 50000.0, 0.003, cl_ord_id="before"))
            # All of these are worked off in one batch.
            await socket.say("subscribe", 1, channel="balances")
            await socket.say("subscribe", 2, channel="executions")
            await socket.say("add_order", 3, **limit("buy", 60000.0, 0.003, cl_ord_id="after"))
            heard = [await socket.hear() for _ in range(7)]
            assert [one["cl_ord_id"] for one in heard[3]["data"]] == ["before"]
            assert [one["data"][0]["exec_type"] for one in heard[5:]] == ["pending_new", "new"]

    with_kraken(check)


def test_a_listener_who_wants_ends_only_is_spared_the_rest() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            await listening(socket, order_status=False)
            answer = await socket.ask("add_order", **limit("buy", 60000.0, 0.003))
            assert turns(await records(socket, 1)) == [("new", "new")]
            order_id = answer["result"]["order_id"]
            assert (await socket.ask("amend_order", order_id=order_id, order_qty=0.002))["success"]
            assert (await socket.ask("cancel_order", order_id=[order_id]))["success"]
            assert turns(await records(socket, 1)) == [("canceled", "canceled")]

    with_kraken(check)


def test_orders_that_do_not_rest_end_with_a_reason() -> None:
    async def check(at: Kraken) -> None:
        await at.crowd(Side.SELL, "60000", "0.001")
        async with at.trading() as socket:
            await listening(socket)
            assert (await socket.ask("add_order", **limit("buy", 60000.0, 0.003, time_in_force="ioc")))[
                "success"
            ]
            told = await records(socket, 4)
            assert turns(told)[2:] == [("trade", "partially_filled"), ("canceled", "canceled")]
            assert (told[3]["reason"], told[3]["cum_qty"]) == ("Immediate or cancel", "0.00100")
            assert (await socket.ask("add_order", **limit("buy", 60000.0, 0.003, time_in_force="fok")))[
                "success"
            ]
            assert (await records(socket, 3))[2]["reason"] == "Fill or kill"
            market = limit("buy", 0, 0.01) | {"order_type": "market", "limit_price": None}
            refused = await socket.ask("add_order", 9, **market)
            assert refused["error"] == "EOrder:Insufficient liquidity"
            await at.crowd(Side.SELL, "60000", "0.001")
            assert (await socket.ask("add_order", 9, **market))["success"]
            told = await records(socket, 4)
            assert turns(told)[2:] == [("trade", "partially_filled"), ("canceled", "canceled")]
            assert told[3]["reason"] == "Insufficient liquidity" and "limit_price" not in told[3]

    with_kraken(check)


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


def test_balances_are_told_with_every_trade() -> None:
    async def check(at: Kraken) -> None:
        await at.crowd(Side.BUY, "60000", "0.01")
        await at.crowd(Side.BUY, "59000", "0.01")
        async with at.trading() as socket:
            held = {one["asset"]: one["balance"] for one in await listening(socket, "balances")}
            assert held == {"BTC": "10.0000000000", "ETH": "100.0000000000", "USDT": "1000000.0000000000"}
            await socket.ask("add_order", **limit("sell", 59000.0, 0.02))
            told = await records(socket, 4)
            assert [(one["asset"], one["amount"], one["fee"], one["balance"]) for one in told] == [
                ("BTC", "-0.0100000000", "0.0000000000", "9.9900000000"),
                ("USDT", "600.0000000000", "0.3000000000", "1000599.7000000000"),
                ("BTC", "-0.0100000000", "0.0000000000", "9.9800000000"),
                ("USDT", "590.0000000000", "0.2950000000", "1001189.4050000000"),
            ]
            assert len({one["ledger_id"] for one in told}) == 4
            assert (await socket.ask("unsubscribe", channel="balances"))["success"]
            missing = await socket.ask("unsubscribe", channel="balances")
            assert missing["error"] == "Subscription Not Found"
            again = await socket.ask("subscribe", channel="balances")
            assert again["success"]
            await socket.hear()
            assert (await socket.ask("subscribe", channel="balances"))["error"] == "Already subscribed"

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


def test_limits_are_per_market_and_leave_cancels_alone() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            answer = await socket.ask("subscribe", channel="executions", snap_orders=False)
            assert answer["result"]["maxratecount"] == 60
            await socket.ask("unsubscribe", channel="executions")
            ids = []
            for _ in range(60):
                ids.append(
                    (await socket.ask("add_order", **limit("buy", 59000.0, 0.001)))["result"]["order_id"]
                )
            refused = await socket.ask("add_order", **limit("buy", 59000.0, 0.001))
            assert refused["error"] == "EOrder:Rate limit exceeded"
            amended = await socket.ask("amend_order", order_id=ids[0], limit_price=58000.0)
            assert amended["error"] == "EOrder:Rate limit exceeded"
            other = {**limit("buy", 2900.0, 0.1), "symbol": "ETH/USDT"}
            assert (await socket.ask("add_order", **other))["success"]
            assert (await socket.ask("cancel_order", order_id=[ids[0]]))["success"]

    with_kraken(check, kraken_tier="starter")


def test_a_restarted_exchange_knows_every_order_by_the_same_ids() -> None:
    store = MemoryJournal("test")

    async def whole() -> None:
        async with kraken(store) as at, at.trading() as socket:
            await socket.ask("add_order", **limit("sell", 60000.0, 0.003, cl_ord_id=OURS))
            await at.crowd(Side.BUY, "60000", "0.001")
            await socket.ask("amend_order", cl_ord_id=OURS, order_qty=0.005)
            await socket.ask("add_order", **limit("buy", 50000.0, 0.003, order_userref=9))
            await socket.ask(
                "add_order", **limit("buy", 50000.0, 0.003, cl_ord_id="over", time_in_force="ioc")
            )
            await socket.ask("cancel_order", cl_ord_id=["over"])
            before = (
                await at.done("OpenOrders"),
                await at.done("ClosedOrders"),
                await at.done("TradesHistory"),
            )
        async with kraken(store) as at, at.trading() as socket:
            after = await at.done("OpenOrders"), await at.done("ClosedOrders"), await at.done("TradesHistory")
            assert before == after
            snapshot = await listening(socket, snap_trades=True)
            assert [(one["exec_type"], one["trade_id"], one["cl_ord_id"]) for one in snapshot] == [
                ("trade", 1, OURS)
            ]
            orders = (await socket.hear())["data"]
            assert [(one["cum_qty"], one["order_qty"]) for one in orders] == [
                ("0.00100", "0.00500"),
                ("0.00000", "0.00300"),
            ]
            assert (await socket.ask("cancel_order", cl_ord_id=[OURS]))["success"]

    asyncio.run(whole())


def test_old_orders_are_forgotten_beyond_the_bound() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            for place in range(5):
                await socket.ask("add_order", **limit("buy", 59000.0, 0.01, cl_ord_id=f"n{place}"))
                await socket.ask("cancel_order", cl_ord_id=[f"n{place}"])
            closed = await at.done("ClosedOrders")
            assert [one["cl_ord_id"] for one in closed["closed"].values()] == ["n4", "n3", "n2"]
            assert closed["count"] == 3

    with_kraken(check, ended_orders_kept=3)
