"""Wanted quotes become the fewest messages."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.order import FILLED, UNKNOWN
from domain.actions import Action, CancelOrder, SendOrder
from domain.control_events import Clocked
from domain.order import OrderState, TimeInForce
from domain.order_events import FateUnknown
from tests.agents.builders import MS, Rig, S, Scripted, agent_table, quotes


def rig(**changes: object) -> Rig:
    made = Rig(agent_table(1), **changes)
    made.start()
    return made


def want(r: Rig, *wanted: tuple[int, int, int]) -> list[Action]:
    """Let the agent want quotes, and give the messages that follow before any answer."""
    r.node.desk.agents[1].strategy = Scripted(quotes(*wanted))
    r.now_ns += S
    actions = r.step(r.tick_event(), answered=False)
    for action in actions:
        for reply in r.venue.answer(action, r.now_ns):
            r.step(reply)
    return [action for action in actions if isinstance(action, SendOrder | CancelOrder)]


def standing(r: Rig) -> list[tuple[int, int, int]]:
    return sorted(
        (order.intent.side, order.intent.price_ticks, order.left)
        for order in r.venue.orders.values()
        if order.state < FILLED
    )


def test_missing_quotes_are_sent_post_only() -> None:
    r = rig()
    actions = want(r, (1, 9_990, 1000), (-1, 10_010, 900))
    assert [a.approved.intent.tif for a in actions if isinstance(a, SendOrder)] == [TimeInForce.POST] * 2
    assert standing(r) == [(-1, 10_010, 900), (1, 9_990, 1000)]


def test_equal_quotes_need_no_message() -> None:
    r = rig()
    want(r, (1, 9_990, 1000), (-1, 10_010, 900))
    assert want(r, (-1, 10_010, 900), (1, 9_990, 1000)) == []


def test_a_price_within_the_hysteresis_is_kept() -> None:
    r = rig(desk={"requote_ppm": 200})
    want(r, (1, 9_990, 1000))
    assert want(r, (1, 9_991, 1000)) == []
    assert [type(a) for a in want(r, (1, 9_993, 1000))] == [CancelOrder, SendOrder]


def test_the_nearest_order_keeps_the_quote() -> None:
    r = rig(desk={"requote_ppm": 1000})
    want(r, (1, 9_990, 1000), (1, 9_985, 1000))
    (cancelled,) = want(r, (1, 9_986, 1000))
    assert isinstance(cancelled, CancelOrder)
    assert standing(r) == [(1, 9_990, 1000)] or standing(r) == [(1, 9_985, 1000)]


def test_a_partly_filled_quote_is_kept_down_to_half_its_size() -> None:
    r = rig()
    want(r, (1, 9_990, 1000))
    (order,) = r.venue.orders.values()
    for event in r.venue.fill(order.client_id, 500, r.now_ns):
        r.step(event)
    assert want(r, (1, 9_990, 1000)) == []
    for event in r.venue.fill(order.client_id, 1, r.now_ns):
        r.step(event)
    assert [type(a) for a in want(r, (1, 9_990, 1000))] == [CancelOrder, SendOrder]


def test_an_empty_set_cancels_everything() -> None:
    r = rig()
    want(r, (1, 9_990, 1000), (-1, 10_010, 900))
    assert [type(a) for a in want(r)] == [CancelOrder, CancelOrder]
    assert standing(r) == []


def test_an_unknown_order_stops_new_ones_on_its_side_only() -> None:
    r = rig()
    want(r, (1, 9_990, 1000))
    (order,) = r.node.desk.working.values()
    r.node.desk.doubt(order)
    assert order.state == UNKNOWN
    actions = want(r, (1, 9_980, 1000), (-1, 10_010, 900))
    assert [a.approved.intent.side for a in actions if isinstance(a, SendOrder)] == [-1]
    assert not any(isinstance(action, CancelOrder) for action in actions)


def test_an_order_on_its_way_is_the_quote_that_it_will_be() -> None:
    r = rig()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_990, 1000)), quotes((1, 9_990, 1000)))
    for sends in (1, 0):
        r.now_ns += 10 * MS
        actions = r.step(r.tick_event(), answered=False)
        assert sum(isinstance(action, SendOrder) for action in actions) == sends


def test_a_quote_that_would_meet_our_own_waits() -> None:
    r = rig()
    want(r, (-1, 10_005, 1000))
    (order,) = r.node.desk.working.values()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 10_005, 1000)))
    r.now_ns += S
    actions = r.step(r.tick_event(10_004, 10_020), answered=False)
    assert [type(a) for a in actions] == [CancelOrder], "the old one goes first"
    for event in r.venue.cancel(order.client_id, r.now_ns):
        r.step(event)
    actions = r.step(Clocked(r.now_ns))
    assert [type(a) for a in actions] == [SendOrder], "the standing wish is worked on when time passes"


def test_a_lost_submit_is_not_sent_again() -> None:
    r = rig()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_990, 1000)), quotes((1, 9_990, 1000)))
    (sent,) = [a for a in r.step(r.tick_event(), answered=False) if isinstance(a, SendOrder)]
    r.step(FateUnknown(sent.client_id, r.now_ns, "timeout"))
    r.now_ns += 10 * MS
    assert not any(isinstance(a, SendOrder) for a in r.step(r.tick_event(), answered=False))


ladders = st.lists(
    st.tuples(st.just(1), st.integers(9_950, 9_990), st.integers(150, 600))
    | st.tuples(st.just(-1), st.integers(10_010, 10_050), st.integers(150, 600)),
    max_size=4,
    unique_by=lambda quote: quote[:2],
)


@settings(max_examples=60, deadline=None)
@given(wishes=st.lists(ladders, min_size=1, max_size=5))
def test_what_stands_is_what_is_wanted_with_no_message_too_many(
    wishes: list[list[tuple[int, int, int]]],
) -> None:
    r = rig(desk={"requote_ppm": 0})
    for wish in wishes:
        before = standing(r)
        actions = want(r, *wish)
        stands = standing(r)
        kept = [old for old in before if old in stands]
        assert len(stands) == len(wish)
        for side, price, size in wish:
            assert any((s, p) == (side, price) and left <= size <= 2 * left for s, p, left in stands)
        cancels = sum(isinstance(action, CancelOrder) for action in actions)
        assert cancels == len(before) - len(kept) and len(actions) - cancels == len(wish) - len(kept)
    assert all(order.state in (OrderState.OPEN, OrderState.CANCELLED) for order in r.venue.orders.values())
