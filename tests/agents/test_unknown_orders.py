"""Orders of unknown fate: asked for until the venue gives proof."""

from __future__ import annotations

import itertools

from agents.order import (
    CANCELLED,
    FILLED,
    OPEN,
    PARTIALLY_FILLED,
    REJECTED,
    UNKNOWN,
)
from domain.actions import CancelOrder, FetchAccount, QueryOrder
from domain.control_events import Clocked
from domain.order_events import (
    FateUnknown,
    OrderAcked,
    OrderNotFound,
    OrderStatus,
)
from tests.agents.builders import MS, S
from tests.agents.desk_builders import fill, rig, sent


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
