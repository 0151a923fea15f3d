"""Every answer, and every missing one, becomes exactly the event that it proves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.errors import ExitCode, SwarmError
from domain.ids import client_id, client_id_text
from domain.order import OrderState, TimeInForce
from domain.order_events import (
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
from market.venues.kraken import gateway
from market.venues.kraken.names import order_number
from tests.market.venue_server import Heard, buy, in_loop, until
from tests.market.venues.kraken.scripted import Json, Scripted, bad, good, no, ok, report, scripted
from tests.market.venues.kraken.test_replies import ended, new, trade

ONE, TWO = client_id(3, 2, 1), client_id(3, 2, 2)
ORDER = "OK4GJX-KSTLS-7DZZO5"
HANDSHAKE = 3


def placed(request: Json) -> list[Any]:
    return [ok(request, order_id=ORDER, cl_ord_id=client_id_text(ONE))]


def listed(status: str, filled: str = "0.00000000", text: str = client_id_text(ONE), **more: Any) -> Json:
    descr = {"pair": "XBTUSDT", "type": "buy", "ordertype": "limit", "price": "45285.2"}
    return {"status": status, "descr": descr, "vol": "0.5", "vol_exec": filled, "opentm": 1688669597.5,
            "cl_ord_id": text, "oflags": "fciq", **more}  # fmt: skip


async def sent(venue: Scripted, kind: str, *answers: Any, **changes: Any) -> Heard:
    """Do one thing against one answer and wait for what comes of it."""
    method = {"send": "add_order", "cancel": "cancel_order"}[kind]
    venue.orders[method] = lambda request: [answer(request) for answer in answers]
    async with venue.venue(**changes) as (adapter, heard):
        heard.clear()
        if kind == "send":
            adapter.send(ONE, buy(452_852, 120_000))
        else:
            adapter.cancel(ONE, 0)
        await until(lambda: len(heard.of(FateUnknown)) + len(heard) > 0, "an event")
    return heard


@in_loop
async def test_a_new_order_is_sent_and_acked_once_whoever_tells_it_first() -> None:
    async with scripted() as venue:
        venue.orders["add_order"] = lambda request: [
            report(2, new(exec_type="pending_new"), new()),
            *placed(request),
        ]
        async with venue.venue() as (adapter, heard):
            adapter.send(ONE, buy(452_852, 120_000, TimeInForce.POST))
            await until(lambda: heard.of(OrderAcked))
            await asyncio.sleep(0.02)
            assert heard.of(OrderAcked) == [
                OrderAcked(ONE, heard.of(OrderAcked)[0].local_ts_ns, order_number(ORDER))
            ]
        (told,) = venue.asked("add_order")
        assert (told["symbol"], told["post_only"], told["cl_ord_id"], told["token"]) == (
            "BTC/USDT", True, client_id_text(ONE), "T0",
        )  # fmt: skip


@pytest.mark.parametrize(
    "error", ["EService:Unavailable", "EOrder:Rate limit exceeded", "EGeneral:Internal error", "?"]
)
def test_an_answer_that_proves_nothing_leaves_the_fate_unknown(error: str) -> None:
    @in_loop
    async def run() -> None:
        for kind in ("send", "cancel"):
            async with scripted() as venue:
                heard = await sent(venue, kind, lambda request: no(request, error))
                assert heard.of(FateUnknown)[0].client_id == ONE and not heard.of(OrderRefusedByVenue)

    run()


@in_loop
async def test_refusals_are_refusals() -> None:
    async with scripted() as venue:
        heard = await sent(venue, "send", lambda request: no(request, "EOrder:Insufficient funds"))
        assert heard.of(OrderRefusedByVenue)[0].text == "EOrder:Insufficient funds"
    async with scripted() as venue:
        heard = await sent(venue, "cancel", lambda request: no(request, "EOrder:Unknown order"))
        assert heard.of(CancelRefused)[0].client_id == ONE


@in_loop
async def test_fill_or_kill_is_refused_before_it_is_sent() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        adapter.send(ONE, buy(452_852, 120_000, TimeInForce.FOK))
        assert not heard.of(OrderRefusedByVenue), "an answer must not come before send returns"
        await until(lambda: heard.of(OrderRefusedByVenue))
        assert "no fill-or-kill" in heard.of(OrderRefusedByVenue)[0].text and not venue.asked("add_order")


@in_loop
async def test_a_duplicate_id_means_already_there_and_its_state_is_asked_for() -> None:
    async with scripted() as venue:
        taken = "EGeneral:Invalid arguments:cl_ord_id not unique"
        venue.orders["add_order"] = lambda request: [no(request, taken)]
        venue.rest["OpenOrders"] = lambda form: good({"open": {ORDER: listed("open", "0.10000000")}})
        async with venue.venue() as (adapter, heard):
            adapter.send(ONE, buy(452_852, 120_000))
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderAcked)[0].client_id == ONE
            (status,) = heard.of(OrderStatus)
            assert (status.state, status.filled_lots) == (OrderState.PARTIALLY_FILLED, 10_000_000)
        assert venue.called("OpenOrders")[0]["cl_ord_id"] == client_id_text(ONE)


@in_loop
async def test_no_answer_in_time_is_unknown_and_a_late_one_still_counts() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        adapter.send(ONE, buy(452_852, 120_000))
        await until(lambda: heard.of(FateUnknown))
        (request,) = [one for one in venue.requests if one["method"] == "add_order"]
        for _ in range(2):
            await venue.say(venue.order_sockets[-1], placed(request)[0])
        await until(lambda: adapter.gateway.stray_answers == 1)
        assert len(heard.of(OrderAcked)) == 1


@in_loop
async def test_a_lost_link_makes_everything_in_flight_unknown_then_comes_back_with_a_new_token() -> None:
    async with scripted() as venue, venue.venue(request_timeout_s=5.0) as (adapter, heard):
        heard.clear()
        adapter.send(ONE, buy(452_852, 120_000))
        adapter.cancel(TWO, 0)
        await until(lambda: len(venue.requests) == HANDSHAKE + 2)
        venue.rest["GetWebSocketsToken"] = lambda form: good({"token": "T1"})
        await venue.order_sockets[-1].close()
        await until(lambda: heard.of(OrderLinkUp))
        assert [event.client_id for event in heard.of(FateUnknown)] == [ONE, TWO]
        kinds = [type(event) for event in heard]
        assert kinds.index(OrderLinkLost) < kinds.index(OrderLinkUp)
        assert venue.asked("subscribe")[-1]["token"] == "T1"


@in_loop
async def test_without_a_link_an_order_is_refused_as_not_sent_and_a_cancel_is_unknown() -> None:
    async with scripted() as venue, venue.venue(backoff_min_s=5.0, backoff_max_s=9.0) as (adapter, heard):
        await venue.order_sockets[-1].close()
        await until(lambda: heard.of(OrderLinkLost))
        adapter.send(ONE, buy(452_852, 120_000))
        adapter.cancel(TWO, 0)
        adapter.query(TWO, 0)
        await until(lambda: heard.of(OrderRefusedByVenue) and heard.of(FateUnknown))
        assert heard.of(OrderRefusedByVenue)[0].text == "not sent: order link is down"
        assert not venue.asked("add_order") and not venue.called("OpenOrders")


@in_loop
async def test_a_cancel_is_over_when_the_venue_reports_it_and_only_once() -> None:
    async with scripted() as venue:
        closed = ended(cl_ord_id=client_id_text(ONE), symbol="BTC/USDT")
        venue.orders["cancel_order"] = lambda request: [
            ok(request, order_id=ORDER),
            report(2, closed),
            report(3, closed),
        ]
        async with venue.venue() as (adapter, heard):
            adapter.cancel(ONE, 0)
            await until(lambda: heard.of(OrderClosed))
            await asyncio.sleep(0.02)
            (event,) = heard.of(OrderClosed)
            assert (event.client_id, event.state, event.filled_lots) == (ONE, OrderState.CANCELLED, 500_000)


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [("open", "0", OrderState.OPEN), ("pending", "0", OrderState.OPEN),
     ("open", "0.1", OrderState.PARTIALLY_FILLED),
     ("closed", "0.5", OrderState.FILLED), ("canceled", "0.1", OrderState.CANCELLED),
     ("expired", "0", OrderState.EXPIRED)],
)  # fmt: skip
def test_a_query_finds_an_order_among_the_open_and_then_among_the_closed(
    status: str, filled: str, state: OrderState
) -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue, venue.venue() as (adapter, heard):
            older = {**listed("canceled"), "opentm": 1688669590}
            where = ("OpenOrders", "open") if status in ("open", "pending") else ("ClosedOrders", "closed")
            found = {"O1": older, ORDER: listed(status, filled), "O2": listed("closed", text="other")}
            venue.rest[where[0]] = lambda form: good({where[1]: found})
            adapter.query(ONE, 0)
            adapter.query(ONE, 0)
            await until(lambda: heard.of(OrderStatus))
            (event,) = heard.of(OrderStatus)
            assert (event.client_id, event.state, event.venue_order_id) == (ONE, state, order_number(ORDER))
            venue.rest["QueryOrders"] = lambda form: good({ORDER: listed("closed", "0.5")})
            adapter.query(ONE, 0)
            await until(lambda: len(heard.of(OrderStatus)) == 2)
            assert venue.called("QueryOrders")[0]["txid"] == ORDER
            assert heard.of(OrderStatus)[1].state == OrderState.FILLED

    run()


@in_loop
async def test_not_found_is_believed_only_after_the_submits_window() -> None:
    async with scripted() as venue, venue.venue(recv_window_ms=1) as (adapter, heard):
        adapter.send(ONE, buy(452_852, 120_000))
        adapter.query(ONE, 0)
        await until(lambda: venue.called("ClosedOrders"))
        await asyncio.sleep(0.05)
        assert not heard.of(OrderNotFound)
        await until(lambda: heard.of(OrderNotFound))
        assert len(venue.called("ClosedOrders")) == 2


@in_loop
async def test_many_questions_are_few_calls() -> None:
    ids = [client_id(5, 1, number) for number in range(1, 21)]
    async with scripted() as venue, venue.venue() as (adapter, heard):
        orders = {f"O{one}": listed("closed", "0.5", client_id_text(one)) for one in ids}
        venue.rest["OpenOrders"] = lambda form: good({"open": {key: orders[key] for key in list(orders)[:5]}})
        venue.rest["ClosedOrders"] = lambda form: good(
            {"closed": {key: one for key, one in list(orders.items())[5:18] if not form.get("cl_ord_id")}}
        )
        for one in ids:
            adapter.query(one, 0)
        await until(lambda: len(venue.called("ClosedOrders")) == 3 and len(heard.of(OrderStatus)) == 18)
        assert [event.client_id for event in heard.of(OrderStatus)] == ids[:18]
        assert len(venue.called("OpenOrders")) == 1
        venue.rest["QueryOrders"] = lambda form: good({key: orders[key] for key in form["txid"].split(",")})
        for one in ids[:18]:
            adapter.query(one, 0)
        await until(lambda: len(heard.of(OrderStatus)) == 36)
        assert len(venue.called("QueryOrders")) == 1 and len(venue.called("OpenOrders")) == 1
        adapter.gateway._reader.owners.clear()
        adapter.query(ids[0], 0)
        await until(lambda: len(heard.of(OrderStatus)) == 37)


@in_loop
async def test_a_query_that_failed_is_counted_and_asked_again_by_the_core() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        for wrong in (bad("EService:Busy"), good({"open": {ORDER: listed("open", "x")}}), good(5)):
            venue.rest["OpenOrders"] = lambda form, told=wrong: told  # type: ignore[misc]
            before = adapter.gateway.queries_failed
            adapter.query(ONE, 0)
            await until(lambda before=before: adapter.gateway.queries_failed == before + 1)  # type: ignore[misc]
        assert not heard.of(OrderStatus)


@in_loop
async def test_reports_become_events_in_their_order() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        heard.clear()
        await venue.say(venue.order_sockets[-1], report(2, new(exec_type="pending_new"), new()))
        await venue.say(venue.order_sockets[-1], {"channel": "heartbeat"})
        await venue.say(venue.order_sockets[-1], report(3, trade(), ended()))
        await until(lambda: heard.of(OrderClosed))
        assert [type(event) for event in heard if not hasattr(event, "rows")] == [
            OrderAcked,
            Fill,
            OrderClosed,
        ]
        assert adapter.bad_frames == 0


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", '{"channel":"executions","type":"update"}', '{"channel":"orders","data":[]}', '{"channel":5}',
     '{"channel":"executions","type":"update","data":[{"exec_type":"trade","order_id":"O1","symbol":"BTC/USDT"}]}'],
)  # fmt: skip
def test_a_frame_that_cannot_be_read_is_counted_and_the_link_made_anew(frame: str) -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue, venue.venue() as (adapter, heard):
            heard.clear()
            await venue.say(venue.order_sockets[-1], frame)
            await until(lambda: heard.of(OrderLinkUp))
            assert adapter.gateway.bad_frames == 1 and "unusable frame" in heard.of(OrderLinkLost)[0].reason

    run()


@in_loop
async def test_reports_that_are_missing_are_noticed_by_their_sequence() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        heard.clear()
        await venue.say(venue.order_sockets[-1], report(3, new()))
        await until(lambda: heard.of(OrderLinkUp))
        assert "reports between 1 and 3 are missing" in heard.of(OrderLinkLost)[0].reason
        assert not heard.of(OrderAcked) and adapter.gateway.bad_frames == 0


@in_loop
async def test_an_unreadable_answer_is_unknown_and_the_link_made_anew() -> None:
    async with scripted() as venue:
        heard = await sent(venue, "send", lambda request: ok(request, order_id=""))
        assert heard.of(FateUnknown)[0].client_id == ONE


@in_loop
async def test_a_session_that_is_not_taken_any_more_is_made_anew() -> None:
    async with scripted() as venue:
        venue.orders["add_order"] = lambda request: [no(request, "ESession:Invalid session")]
        async with venue.venue() as (adapter, heard):
            adapter.send(ONE, buy(452_852, 120_000))
            await until(lambda: len(heard.of(OrderLinkUp)) == 2)
            assert heard.of(FateUnknown)[0].client_id == ONE and len(venue.called("GetWebSocketsToken")) == 2


@in_loop
async def test_a_wrong_key_is_named_in_one_line_and_a_refused_channel_means_not_up() -> None:
    async with scripted() as venue:
        venue.orders["subscribe"] = lambda request: [no(request, "EGeneral:Permission denied")]
        with pytest.raises(SwarmError, match="refused the key of account ours") as told:
            async with venue.venue():
                pass
        assert told.value.code == ExitCode.WRONG_KEY and "\n" not in str(told.value)
        venue.orders["subscribe"] = lambda request: [no(request, "EService:Unavailable")]
        with pytest.raises(SwarmError, match="EService:Unavailable") as told:
            async with venue.venue(start_timeout_s=0.2):
                pass
        assert told.value.code == ExitCode.VENUE_DOWN


@in_loop
async def test_a_venue_that_tells_no_readable_time_is_not_up_and_a_step_of_its_clock_is_followed() -> None:
    async with scripted() as venue:
        ping = venue.orders["ping"]
        venue.orders["ping"] = lambda request: [
            {"method": "pong", "req_id": request["req_id"], "time_in": "noon"}
        ]
        with pytest.raises(SwarmError, match="not a time"):
            async with venue.venue(start_timeout_s=0.2):
                pass
        venue.orders["ping"] = ping
        async with venue.venue(dead_man_s=0.2) as (adapter, _):
            first = adapter.gateway._frames.venue_ahead_ns
            stepped = "2026-11-21T05:20:00.000001Z"
            venue.orders["cancel_all_orders_after"] = lambda request: [
                {**ok(request, a=1), "time_in": stepped}
            ]
            await until(lambda: adapter.gateway._frames.venue_ahead_ns > first + 3_000_000_000_000)


@in_loop
async def test_the_dead_man_switch_is_set_with_the_link_and_pushed_back_while_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway, "KEEP_AGAIN_S", 0.01)
    async with scripted() as venue:
        async with venue.venue(dead_man_s=0.2) as (adapter, heard):
            await until(lambda: len(venue.asked("cancel_all_orders_after")) >= 3)
            assert {told["timeout"] for told in venue.asked("cancel_all_orders_after")} == {1}
            venue.orders["cancel_all_orders_after"] = lambda request: [no(request, "EService:Unavailable")]
            await until(lambda: adapter.gateway.keeps_failed >= 2)
            assert not heard.of(OrderLinkLost)
        async with venue.venue(dead_man_s=0) as (adapter, heard):
            count = len(venue.asked("cancel_all_orders_after"))
            await asyncio.sleep(0.05)
            assert len(venue.asked("cancel_all_orders_after")) == count


@in_loop
async def test_a_link_that_falls_while_the_switch_is_pushed_back_is_made_anew() -> None:
    async with scripted() as venue, venue.venue(dead_man_s=0.2, request_timeout_s=5.0) as (adapter, heard):
        venue.orders["cancel_all_orders_after"] = lambda request: []
        count = len(venue.asked("cancel_all_orders_after"))
        await until(lambda: len(venue.asked("cancel_all_orders_after")) > count)
        venue.orders["cancel_all_orders_after"] = lambda request: [ok(request, triggerTime="later")]
        await venue.order_sockets[-1].close()
        await until(lambda: len(heard.of(OrderLinkUp)) == 2)
        assert adapter.gateway.keeps_failed == 1
