"""The order desk: what the venue says, in every order it can say it."""

from __future__ import annotations

import itertools
from typing import Any

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
    Order,
)
from domain.actions import Action, Alarm, CancelOrder, FetchAccount, QueryOrder, ReserveIds, SendOrder
from domain.control_events import Clocked
from domain.desire import Desire
from domain.events import Event
from domain.ids import SEQUENCE_MAX, client_id_parts
from domain.order import RefusalReason, RefusedOrder, TimeInForce
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from tests.agents.builders import MS, Rig, S, Scripted, agent_table, quotes, target


def rig(*wanted: Desire | None, **changes: Any) -> Rig:
    """Give a started node whose one agent wants what a script says, tick by tick."""
    made = Rig(agent_table(1), **changes)
    made.node.desk.agents[1].strategy = Scripted(*wanted)
    made.start()
    return made


def sent(r: Rig, *wanted: Desire) -> Order:
    """Send one resting order, unanswered."""
    r.node.desk.agents[1].strategy = Scripted(*(wanted or (quotes((1, 9_999, 1000)),)))
    r.now_ns += 10 * MS
    actions = r.step(r.tick_event(), answered=False)
    (order,) = [action for action in actions if isinstance(action, SendOrder)]
    r.node.desk.agents[1].desire = None
    return r.node.desk.working[order.client_id]


def fill(order: Order, size: int, trade_id: int, **changes: Any) -> Fill:
    wanted: dict[str, Any] = {
        "client_id": order.client_id,
        "local_ts_ns": 0,
        "instrument": order.instrument,
        "trade_id": trade_id,
        "venue_order_id": 77,
        "side": order.side,
        "price_ticks": order.price_ticks,
        "size_lots": size,
        "fee_atoms": 0,
        "fee_asset": "BTC",
        "maker": True,
        "exchange_ts_ns": 0,
        **changes,
    }
    return Fill(**wanted)


def kinds(actions: list[Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


def alarms(actions: list[Action]) -> list[str]:
    return [action.kind for action in actions if isinstance(action, Alarm)]


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


def test_an_unclear_submit_is_asked_for_with_growing_pauses() -> None:
    r = rig()
    order = sent(r)
    r.step(FateUnknown(order.client_id, 0, "timeout"))
    assert order.state == UNKNOWN
    asked = []
    for _ in range(20 * 12):
        r.now_ns += 50 * MS
        if QueryOrder(order.client_id, 0) in r.step(Clocked(r.now_ns), answered=False):
            asked.append(r.now_ns)
    pauses = [round((later - earlier) / S, 1) for earlier, later in itertools.pairwise(asked)]
    assert pauses == [0.5, 1.0, 2.0, 4.0]


def test_an_unanswered_submit_becomes_unknown_by_itself() -> None:
    r = rig()
    order = sent(r)
    r.now_ns += 2 * S
    r.step(Clocked(r.now_ns), answered=False)
    assert order.state == UNKNOWN and r.node.report(0).agents[0].orders.unknown == 1


def test_an_unanswered_cancel_becomes_unknown_and_is_sent_again_where_the_order_stands() -> None:
    r = rig()
    order = sent(r)
    r.step(OrderAcked(order.client_id, 0, 77))
    r.node.desk.cancel(order, [])
    r.now_ns += 2 * S
    r.step(Clocked(r.now_ns), answered=False)
    assert order.state == UNKNOWN
    actions = r.step(OrderStatus(order.client_id, 0, 77, OPEN, 0), answered=False)
    assert actions == [CancelOrder(order.client_id, 0)]


def test_not_found_is_no_proof_while_the_submit_may_still_arrive() -> None:
    r = rig()
    order = sent(r)
    r.step(FateUnknown(order.client_id, 0, "timeout"))
    r.step(OrderNotFound(order.client_id, 0))
    assert order.not_found_ns == 0 and order.state == UNKNOWN


def test_not_found_is_proof_with_a_later_account_that_shows_no_trade() -> None:
    r = rig()
    order = sent(r)
    r.step(FateUnknown(order.client_id, 0, "timeout"))
    r.now_ns += 6 * S
    r.step(Clocked(r.now_ns), answered=False)
    r.step(OrderNotFound(order.client_id, r.now_ns))
    assert order.state == UNKNOWN and r.node.desk.agents[1].risk.buy_lots == 1000
    r.wait(0.5)
    assert order.state == REJECTED and r.node.desk.agents[1].risk.buy_lots == 0


def test_not_found_after_it_stood_is_a_cancelled_order() -> None:
    r = rig()
    order = sent(r)
    r.step(OrderAcked(order.client_id, 0, 77))
    r.now_ns += 6 * S
    r.step(OrderNotFound(order.client_id, r.now_ns))
    assert order.state == UNKNOWN
    r.wait(0.5)
    assert order.state == CANCELLED


def test_a_trade_in_the_account_outweighs_not_found() -> None:
    r = rig()
    order = sent(r)
    r.step(FateUnknown(order.client_id, 0, "timeout"))
    r.now_ns += 6 * S
    r.step(Clocked(r.now_ns), answered=False)
    r.step(OrderNotFound(order.client_id, r.now_ns))
    r.step(fill(order, 1000, 3))
    assert order.state == FILLED


def test_a_status_tells_of_an_end() -> None:
    r = rig()
    order = sent(r)
    r.step(FateUnknown(order.client_id, 0, "timeout"))
    r.step(OrderStatus(order.client_id, 0, 77, FILLED, 1000), answered=False)
    assert order.state == UNKNOWN, "its fills are still to come"
    r.step(OrderStatus(order.client_id, 0, 77, OPEN, 0), answered=False)
    assert order.state == UNKNOWN, "an end that was told is not taken back"
    r.step(fill(order, 1000, 3))
    assert order.state == FILLED


def test_a_status_with_more_fills_than_known_fetches_them() -> None:
    r = rig()
    order = sent(r)
    r.step(FateUnknown(order.client_id, 0, "timeout"))
    r.step(OrderStatus(order.client_id, 0, 77, PARTIALLY_FILLED, 500), answered=False)
    assert order.state == OPEN
    r.now_ns += 50 * MS
    assert any(isinstance(a, FetchAccount) for a in r.step(Clocked(r.now_ns), answered=False))


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
