"""WebSocket v2: what an account is told of its orders and its money."""

from __future__ import annotations

import asyncio

from bus.journal_memory import MemoryJournal
from domain.order import Side
from tests.sim.exchange.kraken.kraken_builders import (
    Kraken,
    kraken,
    limit,
    listening,
    records,
    turns,
    with_kraken,
)

OURS = "m00300002000000ff"


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
