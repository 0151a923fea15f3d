"""Every answer, and every missing one, becomes exactly the event that it proves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from domain.errors import ExitCode, SwarmError
from domain.ids import client_id, client_id_text
from domain.order import OrderIntent, OrderState, Side, TimeInForce
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
from tests.market.scripted_venue import Json, Scripted, no, ok, scripted
from tests.market.venue_server import Heard, approved, buy, in_loop, until, with_keys

ONE, TWO = client_id(1, 2, 3), client_id(1, 2, 4)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def placed(request: Json, order_id: int = 77) -> Json:
    return ok(request, {"symbol": "BTCUSDT", "orderId": order_id, "clientOrderId": "x", "transactTime": 1})


def known(request: Json, status: str, filled: str = "0.00000") -> Json:
    result = {"symbol": "BTCUSDT", "orderId": 77, "status": status, "executedQty": filled}
    return ok(request, {**result, "origQty": "0.00200", "price": "1.00"})


def report(kind: str, state: str, client: str = client_id_text(ONE), **more: Any) -> Json:
    event = {
        "e": "executionReport", "E": 5, "s": "BTCUSDT", "c": client, "S": "BUY", "o": "LIMIT", "f": "GTC",
        "q": "0.00200000", "p": "10.00000000", "C": "", "x": kind, "X": state, "r": "NONE", "i": 77,
        "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0", "N": None, "T": 6, "t": -1,
        "m": False,
    }  # fmt: skip
    return {"subscriptionId": 0, "event": {**event, **more}}


async def sent(venue: Scripted, kind: str, answer: Any, **changes: Any) -> tuple[Heard, Scripted]:
    """Do one thing against one answer and wait for what comes of it."""
    method = {"send": "order.place", "cancel": "order.cancel", "query": "order.status"}[kind]
    venue.orders[method] = lambda request: [answer(request)] if answer is not None else []
    async with venue.venue(**changes) as (adapter, heard):
        heard.clear()
        if kind == "send":
            adapter.send(ONE, buy(1_000, 200))
        else:
            getattr(adapter, kind)(ONE, 0)
        await until(lambda: len(heard) > 0, "an event")
    return heard, venue


@in_loop
async def test_a_new_order_is_signed_sent_and_acked_once() -> None:
    async with scripted() as venue:
        venue.orders["order.place"] = lambda request: [placed(request), report("NEW", "NEW")]
        async with venue.venue() as (adapter, heard):
            adapter.send(ONE, buy(1_000, 200, TimeInForce.POST))
            adapter.send(TWO, approved(OrderIntent(0, 0, int(Side.SELL), int(TimeInForce.MARKET), 0, 200)))
            await until(lambda: len(heard.of(OrderAcked)) == 2)
            await asyncio.sleep(0.02)
            assert [(event.client_id, event.venue_order_id) for event in heard.of(OrderAcked)] == [
                (ONE, 77),
                (TWO, 77),
            ]
        post, market = venue.asked("order.place")
        assert list(post) == [*sorted(set(post) - {"signature"}), "signature"]
        assert (post["type"], post["price"], post["quantity"]) == ("LIMIT_MAKER", "10.00", "0.00200")
        assert (market["type"], market["side"]) == ("MARKET", "SELL")
        assert "price" not in market and "timeInForce" not in market and "timeInForce" not in post


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [(500, -1000, "x"), (503, -1008, "x"), (400, -1007, "Timeout"), (400, -1006, "x"), (429, -1003, "limit"),
     (418, -1003, "ban"), (409, 0, "x"), (400, 0, "no code"), (429, -1015, "orders"), (400, -1003, "x")],
)  # fmt: skip
def test_an_answer_that_proves_nothing_leaves_the_fate_unknown(status: int, code: int, text: str) -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue:
            heard, _ = await sent(venue, "send", lambda request: no(request, status, code, text))
            (event,) = heard.of(FateUnknown)
            assert (event.client_id == ONE and str(code) in event.reason) or code == 0
            assert not heard.of(OrderRefusedByVenue)

    run()


@in_loop
async def test_a_refused_order_is_refused_with_the_venues_code() -> None:
    async with scripted() as venue:
        heard, _ = await sent(venue, "send", lambda request: no(request, 400, -2010, "insufficient balance"))
        (event,) = heard.of(OrderRefusedByVenue)
        assert (event.client_id, event.code, event.text) == (ONE, -2010, "insufficient balance")


@in_loop
async def test_a_duplicate_id_means_already_there_and_its_state_is_asked_for() -> None:
    async with scripted() as venue:
        venue.orders["order.status"] = lambda request: [known(request, "PARTIALLY_FILLED", "0.00100")]
        venue.orders["order.place"] = lambda request: [no(request, 400, -2010, "Duplicate order sent.")]
        async with venue.venue() as (adapter, heard):
            adapter.send(ONE, buy(1_000, 200))
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderAcked)[0].client_id == ONE
            status = heard.of(OrderStatus)[0]
            assert (status.venue_order_id, status.filled_lots) == (77, 100)


@in_loop
async def test_no_answer_in_time_is_unknown_and_a_late_one_still_counts() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        adapter.send(ONE, buy(1_000, 200))
        await until(lambda: heard.of(FateUnknown))
        (request,) = [one for one in venue.requests if one["method"] == "order.place"]
        await venue.order_sockets[-1].send_str(json.dumps(placed(request)))
        await until(lambda: heard.of(OrderAcked))
        await venue.order_sockets[-1].send_str(json.dumps(placed(request)))
        await until(lambda: adapter.gateway.stray_answers == 1)


@in_loop
async def test_a_lost_link_makes_everything_in_flight_unknown_then_comes_back() -> None:
    async with scripted() as venue, venue.venue(request_timeout_s=5.0) as (adapter, heard):
        heard.clear()
        adapter.send(ONE, buy(1_000, 200))
        adapter.cancel(TWO, 0)
        adapter.query(TWO, 0)
        await until(lambda: len(venue.requests) == 4)
        await venue.order_sockets[-1].close()
        await until(lambda: heard.of(OrderLinkUp))
        unknown = [event.client_id for event in heard.of(FateUnknown)]
        assert unknown == [ONE, TWO]
        kinds = [type(event) for event in heard]
        assert kinds.index(OrderLinkLost) < kinds.index(OrderLinkUp)


@in_loop
async def test_without_a_link_an_order_is_refused_as_not_sent_and_a_cancel_is_unknown() -> None:
    async with scripted() as venue, venue.venue(backoff_min_s=5.0, backoff_max_s=9.0) as (adapter, heard):
        await venue.order_sockets[-1].close()
        await until(lambda: heard.of(OrderLinkLost))
        adapter.send(ONE, buy(1_000, 200))
        adapter.cancel(TWO, 0)
        adapter.query(TWO, 0)
        assert not heard.of(OrderRefusedByVenue), "an answer must not come before send returns"
        await until(lambda: heard.of(OrderRefusedByVenue) and heard.of(FateUnknown))
        assert heard.of(OrderRefusedByVenue)[0].text == "not sent: order link is down"
        assert len(venue.asked("order.place")) == 0


@in_loop
async def test_a_full_table_refuses_orders_but_leaves_room_for_cancels() -> None:
    slow = {"in_flight_max": 2, "request_timeout_s": 5.0}
    async with scripted() as venue, venue.venue(**slow) as (adapter, heard):
        for sequence in range(3):
            adapter.send(client_id(1, 1, sequence), buy(1_000, 200))
        adapter.cancel(ONE, 0)
        await until(lambda: heard.of(OrderRefusedByVenue) and venue.asked("order.cancel"))
        assert [event.client_id for event in heard.of(OrderRefusedByVenue)] == [client_id(1, 1, 2)]
        assert len(venue.asked("order.place")) == 2


@in_loop
async def test_when_the_socket_is_full_cancels_leave_before_orders() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        link = adapter.gateway.link
        link.paused = True
        adapter.send(ONE, buy(1_000, 200))
        adapter.query(ONE, 0)
        adapter.cancel(TWO, 0)
        link.paused = False
        link.on_resume()
        await until(lambda: len(venue.requests) == 4)
        methods = [request["method"] for request in venue.requests[1:]]
        assert methods == ["order.cancel", "order.status", "order.place"]
        await until(lambda: len(heard.of(FateUnknown)) == 2)


@in_loop
async def test_what_is_rehearsed_is_not_sent_nor_counted() -> None:
    async with scripted() as venue:
        venue.orders["order.place"] = lambda request: [placed(request)]
        async with venue.venue() as (adapter, heard):
            adapter.reread()
            for _ in range(3):
                adapter.rehearse(buy(1_000, 200).intent)
            adapter.send(ONE, buy(1_000, 200))
            await until(lambda: heard.of(OrderAcked))
            assert len(heard.of(OrderAcked)) == 1
        (only,) = venue.asked("order.place")
        assert only["newClientOrderId"] == client_id_text(ONE)


@in_loop
async def test_a_cancel_tells_the_close_once() -> None:
    async with scripted() as venue:
        closed = report("CANCELED", "CANCELED", "cancel-1", C=client_id_text(ONE), z="0.00050000")
        venue.orders["order.cancel"] = lambda request: [known(request, "CANCELED", "0.00050"), closed]
        async with venue.venue() as (adapter, heard):
            adapter.cancel(ONE, 0)
            await until(lambda: heard.of(OrderClosed))
            await asyncio.sleep(0.02)
            (event,) = heard.of(OrderClosed)
            assert (event.client_id, event.state, event.filled_lots) == (ONE, OrderState.CANCELLED, 50)
        assert venue.asked("order.cancel")[0]["origClientOrderId"] == client_id_text(ONE)


@in_loop
async def test_a_cancel_of_what_is_over_is_refused_and_a_limited_one_unknown() -> None:
    async with scripted() as venue:
        heard, _ = await sent(venue, "cancel", lambda request: no(request, 400, -2011, "Unknown order sent."))
        assert heard.of(CancelRefused)[0].code == -2011
    async with scripted() as venue:
        heard, _ = await sent(venue, "cancel", lambda request: no(request, 429, -1003))
        assert heard.of(FateUnknown)[0].client_id == ONE
    async with scripted() as venue:
        heard, _ = await sent(venue, "cancel", None)
        assert heard.of(FateUnknown)[0].reason == "no answer in time"


@pytest.mark.parametrize(
    ("status", "state"),
    [("NEW", OrderState.OPEN), ("PARTIALLY_FILLED", OrderState.PARTIALLY_FILLED),
     ("FILLED", OrderState.FILLED),
     ("CANCELED", OrderState.CANCELLED), ("EXPIRED", OrderState.EXPIRED), ("REJECTED", OrderState.REJECTED),
     ("EXPIRED_IN_MATCH", OrderState.EXPIRED)],
)  # fmt: skip
def test_a_query_tells_the_state(status: str, state: OrderState) -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue:
            heard, _ = await sent(venue, "query", lambda request: known(request, status, "0.00010"))
            (event,) = heard.of(OrderStatus)
            assert (event.client_id, event.state, event.filled_lots) == (ONE, state, 10)

    run()


@in_loop
async def test_not_found_is_believed_only_after_the_submits_window() -> None:
    async with scripted() as venue:
        venue.orders["order.status"] = lambda request: [no(request, 400, -2013, "Order does not exist.")]
        async with venue.venue(recv_window_ms=1) as (adapter, heard):
            adapter.send(ONE, buy(1_000, 200))
            adapter.query(ONE, 0)
            await until(lambda: venue.asked("order.status"))
            await asyncio.sleep(0.05)
            assert not heard.of(OrderNotFound)
            await until(lambda: heard.of(OrderNotFound))
            assert len(venue.asked("order.status")) == 2


@in_loop
async def test_a_query_that_failed_says_so() -> None:
    async with scripted() as venue:
        heard, _ = await sent(venue, "query", lambda request: no(request, 400, -1100, "bad"))
        assert heard.of(FateUnknown)[0].client_id == ONE


@in_loop
async def test_user_events_become_order_events_and_strangers_do_not() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        heard.clear()
        trade: Json = {
            "l": "0.00100000",
            "L": "10.00000000",
            "z": "0.00100000",
            "n": "0.00000100",
            "N": "BTC",
            "t": 9,
        }
        frames = [
            report("NEW", "NEW"),
            report("TRADE", "PARTIALLY_FILLED", **trade, m=True),
            report("TRADE_PREVENTION", "NEW"),
            report("EXPIRED", "EXPIRED", z="0.00100000"),
            report("REJECTED", "REJECTED", client_id_text(TWO), r="INSUFFICIENT_BALANCE"),
            report("NEW", "NEW", "by-hand"),
            report("TRADE", "FILLED", "by-hand", **{**trade, "t": 10, "n": None}),
            report("NEW", "NEW", s="DOGEUSDT"),
            {"subscriptionId": 0, "event": {"e": "outboundAccountPosition", "u": 1, "B": []}},
        ]
        for frame in frames:
            await venue.order_sockets[-1].send_str(json.dumps(frame))
        await until(lambda: len(heard) == 5)
        acked, fill, closed, refused, foreign = heard
        assert isinstance(acked, OrderAcked) and isinstance(refused, OrderRefusedByVenue)
        assert isinstance(fill, Fill) and isinstance(foreign, Fill) and isinstance(closed, OrderClosed)
        assert (fill.client_id, fill.trade_id, fill.price_ticks, fill.size_lots) == (ONE, 9, 1_000, 100)
        assert (fill.fee_atoms, fill.fee_asset, fill.maker) == (10_000, "BTC", True)
        assert (closed.state, closed.filled_lots) == (OrderState.EXPIRED, 100)
        assert (foreign.client_id, foreign.fee_atoms, foreign.trade_id) == (0, 0, 10)
        assert refused.text == "INSUFFICIENT_BALANCE" and adapter.bad_frames == 0


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", '{"event":{"e":5}}', '{"event":{"e":"executionReport"}}',
     '{"event":{"e":"eventStreamTerminated"}}',
     json.dumps(report("TRADE", "FILLED", l="0.001", L="10", n="1e9999999", N="BTC", t=5)),
     json.dumps(report("TRADE", "FILLED", l="0.001", L="10", t=-1)),
     json.dumps(report("CANCELED", "NONSENSE"))],
)  # fmt: skip
def test_a_frame_that_cannot_be_read_is_counted_and_the_link_made_anew(frame: str) -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue, venue.venue() as (adapter, heard):
            heard.clear()
            await venue.order_sockets[-1].send_str(frame)
            await until(lambda: heard.of(OrderLinkUp))
            assert adapter.gateway.bad_frames == 1 and "unusable frame" in heard.of(OrderLinkLost)[0].reason

    run()


@in_loop
async def test_an_unreadable_answer_is_unknown_and_the_link_made_anew() -> None:
    async with scripted() as venue:
        heard, _ = await sent(venue, "send", lambda request: ok(request, {"orderId": "?"}))
        assert heard.of(FateUnknown)[0].client_id == ONE


@in_loop
async def test_a_wrong_key_is_named_in_one_line() -> None:
    async with scripted() as venue:
        venue.orders["userDataStream.subscribe.signature"] = lambda request: [no(request, 401, -2015)]
        with pytest.raises(SwarmError, match="refused the key of account ours") as told:
            async with venue.venue():
                pass
        assert told.value.code == ExitCode.WRONG_KEY and "\n" not in str(told.value)


@in_loop
async def test_refused_user_events_mean_the_venue_is_not_up() -> None:
    async with scripted() as venue:
        venue.orders["userDataStream.subscribe.signature"] = lambda request: [no(request, 400, -1)]
        with pytest.raises(SwarmError, match="user events refused") as told:
            async with venue.venue(start_timeout_s=0.3):
                pass
        assert told.value.code == ExitCode.VENUE_DOWN
