"""The order desk: what the venue says, in every order it can say it."""

from __future__ import annotations

import pytest

from agents.order import (
    CANCELLED,
    EXPIRED,
    FILLED,
    OPEN,
    PARTIALLY_FILLED,
    PENDING_CANCEL,
    PENDING_NEW,
    REJECTED,
    UNKNOWN,
)
from domain.actions import CancelOrder, QueryOrder, ReserveIds, SendOrder
from domain.control_events import Clocked
from domain.events import Event
from domain.ids import SEQUENCE_MAX, client_id_parts
from domain.order import RefusalReason, RefusedOrder, TimeInForce
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    OrderAcked,
    OrderClosed,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from tests.agents.builders import MS, S, Scripted, quotes, target
from tests.agents.desk_builders import alarms, fill, kinds, rig, sent


def test_an_order_is_pending_then_open_then_filled() -> None:
    r = rig()
    order = sent(r)
    assert order.state == PENDING_NEW
    r.step(OrderAcked(order.client_id, 0, 77))
    assert (order.state, order.venue_order_id) == (OPEN, 77)
    r.step(fill(order, 400, 1))
    assert (order.state, order.open_lots) == (PARTIALLY_FILLED, 600)
    r.step(fill(order, 600, 2))
    assert order.state == FILLED and not r.node.desk.working
    assert r.node.desk.agents[1].position.net_lots == 1000


def test_a_fill_before_its_ack_is_counted_and_the_ack_changes_nothing() -> None:
    r = rig()
    order = sent(r)
    r.step(fill(order, 400, 1))
    assert order.state == PARTIALLY_FILLED
    r.step(OrderAcked(order.client_id, 0, 77))
    assert (order.state, order.filled_lots) == (PARTIALLY_FILLED, 400)


def test_a_doubled_fill_is_counted_once() -> None:
    r = rig()
    order = sent(r)
    for _ in range(3):
        r.step(fill(order, 400, 5))
    assert order.filled_lots == 400 and r.node.desk.fills == 1


def test_an_order_can_fill_while_it_is_being_cancelled() -> None:
    r = rig()
    order = sent(r)
    r.step(OrderAcked(order.client_id, 0, 77))
    r.node.desk.cancel(order, [])
    r.step(fill(order, 400, 1))
    assert order.state == PENDING_CANCEL
    r.step(fill(order, 600, 2))
    assert order.state == FILLED
    assert r.step(CancelRefused(order.client_id, 0, -2011)) == []
    assert r.step(OrderClosed(order.client_id, 0, CANCELLED, 400)) == []
    assert r.node.desk.closed[order.client_id].state == FILLED


def test_a_refused_cancel_is_asked_about() -> None:
    r = rig()
    order = sent(r)
    r.step(OrderAcked(order.client_id, 0, 77))
    r.node.desk.cancel(order, [])
    r.step(CancelRefused(order.client_id, 0, -2011))
    assert order.state == UNKNOWN
    r.now_ns += 50 * MS
    actions = r.step(Clocked(r.now_ns), answered=False)
    assert QueryOrder(order.client_id, 0) in actions
    r.step(OrderStatus(order.client_id, 0, 77, EXPIRED, 0))
    assert order.state == EXPIRED


def test_a_close_that_owes_fills_waits_for_them_and_counts_only_those() -> None:
    r = rig()
    order = sent(r)
    r.step(OrderAcked(order.client_id, 0, 77))
    r.step(OrderClosed(order.client_id, 0, CANCELLED, 300), answered=False)
    agent = r.node.desk.agents[1]
    assert order.client_id in r.node.desk.working
    assert agent.risk.buy_lots == order.open_lots == 300
    r.now_ns += 50 * MS
    assert "FetchAccount" in kinds(r.step(Clocked(r.now_ns), answered=False))
    r.step(fill(order, 200, 1))
    assert order.client_id in r.node.desk.working
    r.step(fill(order, 100, 2))
    assert order.state == CANCELLED and agent.risk.buy_lots == 0


def test_a_close_that_tells_of_fewer_fills_than_came_is_alarming() -> None:
    r = rig()
    order = sent(r)
    r.step(fill(order, 400, 1))
    assert alarms(r.step(OrderClosed(order.client_id, 0, CANCELLED, 300))) == ["venue-total-below-fills"]
    assert (order.state, order.filled_lots) == (CANCELLED, 400)


def test_more_filled_than_ordered_is_alarming_and_still_counted() -> None:
    r = rig()
    order = sent(r)
    assert alarms(r.step(fill(order, 1500, 1))) == ["overfilled"]
    assert order.state == FILLED
    assert r.node.desk.agents[1].position.net_lots == 1500
    assert r.node.desk.agents[1].risk.buy_lots == 0


def test_a_fill_after_the_end_counts_for_the_agent_that_sent_the_order() -> None:
    r = rig()
    order = sent(r)
    r.step(OrderAcked(order.client_id, 0, 77))
    r.step(OrderClosed(order.client_id, 0, CANCELLED, 0))
    assert alarms(r.step(fill(order, 10, 1))) == ["fill-after-end"]
    assert r.node.desk.agents[1].position.net_lots == 10 and order.state == CANCELLED


def test_a_trade_that_is_not_ours_blocks_its_market_until_a_human_resumes() -> None:
    r = rig()
    order = sent(r)
    foreign = fill(order, 10, 9, client_id=0)
    assert alarms(r.step(foreign)) == ["trade-not-ours"]
    assert r.node.markets[0].risk.blocked and not r.node.markets[1].risk.blocked
    report = r.node.report(0)
    assert report.unexplained == ("test-x trade BTCUSDT 9",) and not report.reconciled
    assert r.node.desk.agents[1].position.net_lots == 0


def test_a_refusal_ends_the_order_and_holds_its_side_back() -> None:
    r = rig()
    order = sent(r)
    r.step(OrderRefusedByVenue(order.client_id, 0, -2010, "no"))
    assert order.state == REJECTED
    agent = r.node.desk.agents[1]
    assert agent.hold_buy_ns > r.now_ns and agent.hold_sell_ns == 0
    agent.strategy = Scripted(quotes((1, 9_999, 1000)))
    assert r.tick() == []


@pytest.mark.parametrize("text", ["Duplicate order sent.", "duplicate id"])
def test_a_duplicate_id_says_that_the_order_is_there(text: str) -> None:
    r = rig()
    order = sent(r)
    r.step(OrderRefusedByVenue(order.client_id, 0, -2010, text))
    assert order.state == UNKNOWN
    r.step(OrderStatus(order.client_id, 0, 5, OPEN, 0))
    assert order.state == OPEN


def test_a_refusal_of_an_order_that_stood_is_doubted() -> None:
    r = rig()
    order = sent(r)
    r.step(OrderAcked(order.client_id, 0, 77))
    r.step(OrderRefusedByVenue(order.client_id, 0, -1, "late"))
    assert order.state == UNKNOWN


@pytest.mark.parametrize(("state", "filled", "end"), [(REJECTED, 0, EXPIRED), (FILLED, 0, EXPIRED)])
def test_an_end_that_cannot_be_is_taken_for_expired(state: int, filled: int, end: int) -> None:
    r = rig()
    order = sent(r)
    r.step(OrderAcked(order.client_id, 0, 77))
    r.step(OrderStatus(order.client_id, 0, 77, state, filled))
    assert order.state == end


def test_words_about_orders_that_nobody_knows_change_nothing() -> None:
    r = rig()
    before = r.node.state()
    number = (1 << 51) | 5
    strangers: tuple[Event, ...] = (
        OrderAcked(number, 0, 1),
        OrderRefusedByVenue(number, 0, 1, "no"),
        OrderClosed(number, 0, CANCELLED, 0),
        CancelRefused(number, 0, 1),
        FateUnknown(number, 0, "x"),
        OrderStatus(number, 0, 1, OPEN, 0),
        OrderNotFound(number, 0),
    )
    for event in strangers:
        assert r.step(event) == []
    assert r.node.state() == before


def test_an_order_wanted_gone_before_its_ack_is_cancelled_at_the_ack() -> None:
    r = rig()
    order = sent(r)
    r.node.desk.cancel(order, [])
    assert order.state == PENDING_NEW and order.cancel_wanted
    assert r.step(OrderAcked(order.client_id, 0, 77), answered=False) == [CancelOrder(order.client_id, 0)]
    assert order.state == PENDING_CANCEL


def test_an_order_wanted_gone_is_cancelled_at_its_first_fill() -> None:
    r = rig()
    order = sent(r)
    r.node.desk.cancel(order, [])
    assert r.step(fill(order, 1, 1), answered=False)[0] == CancelOrder(order.client_id, 0)


def test_ids_count_up_and_are_reserved_before_use() -> None:
    r = rig(desk={"ids_block": 4})
    agent = r.node.desk.agents[1]
    reserved, used = 0, []
    for number in range(20):
        agent.strategy = Scripted(quotes((1, 9_980 + number % 7, 1000 + number)))
        r.tick()
        r.wait(0.1)
    for action in r.log:
        if isinstance(action, ReserveIds):
            assert (action.shard, action.epoch) == (1, 1) and action.upto > reserved
            reserved = action.upto
        elif isinstance(action, SendOrder):
            shard, epoch, sequence = client_id_parts(action.client_id)
            assert (shard, epoch) == (1, 1) and sequence < reserved
            used.append(sequence)
    assert used == list(range(len(used))) and len(used) == 20


def test_no_ids_left_is_a_refusal() -> None:
    r = rig(quotes((1, 9_999, 1000)))
    agent = r.node.desk.agents[1]
    agent.sequence = agent.reserve_at = SEQUENCE_MAX
    (refused,) = r.tick()
    assert isinstance(refused, RefusedOrder) and refused.reason == RefusalReason.IDS_EXHAUSTED
    agent.strategy = Scripted(target(1000, "take"))
    agent.hold_buy_ns = 0
    (refused,) = r.tick()
    assert isinstance(refused, RefusedOrder) and refused.reason == RefusalReason.IDS_EXHAUSTED


def test_a_refused_side_is_held_back_while_the_other_goes_on() -> None:
    r = rig(*(quotes((1, 9_000, 1000), (-1, 10_001, 1000)) for _ in range(3)))
    actions = r.tick()
    assert [type(a) for a in actions if not isinstance(a, ReserveIds)] == [RefusedOrder, SendOrder]
    r.now_ns += 1
    assert r.tick() == []
    r.now_ns += S
    assert [type(a) for a in r.tick()] == [RefusedOrder]


def test_ended_orders_are_remembered_up_to_a_bound() -> None:
    r = rig(desk={"closed_orders_max": 3})
    numbers = []
    for number in range(6):
        order = sent(r, quotes((1, 9_990 + number, 1000)))
        numbers.append(order.client_id)
        r.step(OrderRefusedByVenue(order.client_id, 0, -1, "no"))
        r.now_ns += S
    assert list(r.node.desk.closed) == numbers[3:]
    late = fill(order, 5, 1, client_id=numbers[0])
    assert alarms(r.step(late)) == []
    assert r.node.desk.agents[1].position.net_lots == 5, "the shard in the id says whose it was"


def test_taking_orders_are_ioc_within_the_cap() -> None:
    r = rig(target(1000, "take"))
    (order,) = [a.approved.intent for a in r.tick() if isinstance(a, SendOrder)]
    assert (order.tif, order.price_ticks) == (TimeInForce.IOC, 10_001 + 20)
