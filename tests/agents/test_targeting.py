"""A wanted position becomes at most the orders that it needs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.order import FILLED, PENDING_CANCEL
from domain.actions import Action, CancelOrder, SendOrder
from domain.order import TimeInForce
from tests.agents.builders import Rig, S, Scripted, agent_table, target


def rig(**changes: object) -> Rig:
    made = Rig(agent_table(1), **changes)
    made.start()
    return made


def want(r: Rig, lots: int, urgency: str = "normal", bid: int = 9_999, ask: int = 10_001) -> list[Action]:
    r.node.desk.agents[1].strategy = Scripted(target(lots, urgency))
    r.now_ns += S
    actions = r.step(r.tick_event(bid, ask), answered=False)
    for action in actions:
        for reply in r.venue.answer(action, r.now_ns):
            r.step(reply)
    return [action for action in actions if isinstance(action, SendOrder | CancelOrder)]


def intents(actions: list[Action]) -> list[tuple[int, int, int, int]]:
    found = [action.approved.intent for action in actions if isinstance(action, SendOrder)]
    return [(intent.side, intent.tif, intent.price_ticks, intent.size_lots) for intent in found]


POST, IOC = int(TimeInForce.POST), int(TimeInForce.IOC)


def test_passive_rests_at_the_touch() -> None:
    assert intents(want(rig(), 1000, "passive")) == [(1, POST, 9_999, 1000)]
    assert intents(want(rig(), -1000, "passive")) == [(-1, POST, 10_001, 1000)]


def test_normal_improves_the_touch_where_the_spread_has_room() -> None:
    assert intents(want(rig(), 1000)) == [(1, POST, 10_000, 1000)]
    assert intents(want(rig(), -1000)) == [(-1, POST, 10_000, 1000)]
    assert intents(want(rig(), 1000, bid=10_000, ask=10_001)) == [(1, POST, 10_000, 1000)]


def test_take_crosses_up_to_its_cap() -> None:
    assert intents(want(rig(), 1000, "take")) == [(1, IOC, 10_021, 1000)]
    assert intents(want(rig(), -1000, "take")) == [(-1, IOC, 9_980, 1000)]


def test_a_reached_target_needs_nothing() -> None:
    r = rig()
    want(r, 1000, "take")
    assert r.node.desk.agents[1].position.net_lots == 1000
    assert want(r, 1000, "take") == [] and want(r, 1000) == []


def test_what_works_already_counts_towards_the_target() -> None:
    r = rig()
    want(r, 1000)
    assert want(r, 1000) == []
    assert [size for *_, size in intents(want(r, 1500))] == [500]


def test_an_order_that_became_the_touch_is_not_outbid_by_ourselves() -> None:
    r = rig()
    want(r, 1000)
    assert want(r, 1000, bid=10_000, ask=10_001) == []
    assert want(r, 1000, bid=9_990, ask=10_001) == []


def test_a_target_that_turned_cancels_the_other_side_first() -> None:
    r = rig()
    want(r, 1000)
    actions = want(r, -1000, bid=9_990, ask=9_999)
    assert [type(action) for action in actions] == [CancelOrder], "it would meet our own bid"
    assert intents(want(r, -1000)) == [(-1, POST, 10_000, 1000)]


def test_an_order_left_behind_is_cancelled_and_its_size_not_sent_twice() -> None:
    r = rig()
    want(r, 1000)
    (order,) = r.node.desk.working.values()
    r.node.desk.agents[1].strategy = Scripted(target(1000))
    r.now_ns += S
    actions = r.step(r.tick_event(10_050, 10_052), answered=False)
    assert actions == [CancelOrder(order.client_id, 0)] and order.state == PENDING_CANCEL
    assert want(r, 1000, bid=10_050, ask=10_052) == []
    for event in r.venue.cancel(order.client_id, r.now_ns):
        r.step(event)
    assert intents(want(r, 1000, bid=10_050, ask=10_052)) == [(1, POST, 10_051, 1000)]


def test_a_resting_order_is_cancelled_before_taking() -> None:
    r = rig()
    want(r, 1000)
    assert [type(action) for action in want(r, 1000, "take")] == [CancelOrder]
    assert intents(want(r, 1000, "take")) == [(1, IOC, 10_021, 1000)]


def test_too_much_on_its_way_is_cancelled() -> None:
    r = rig()
    want(r, 1000)
    assert [type(action) for action in want(r, 500)] == [CancelOrder]


def test_a_target_that_only_drifted_costs_no_message_unless_it_would_turn_the_position() -> None:
    r = rig()
    want(r, 1600, "passive")
    assert want(r, 1510, "passive") == []
    assert [type(action) for action in want(r, 1490, "passive")][:1] == [CancelOrder]
    held = rig()
    want(held, 1600, "take")
    want(held, 600, "passive")
    assert [type(action) for action in want(held, 610, "passive")][:1] == [CancelOrder]


def test_an_unknown_order_stops_new_ones() -> None:
    r = rig()
    want(r, 1000)
    (order,) = r.node.desk.working.values()
    r.node.desk.doubt(order)
    assert want(r, 5000) == []


def test_sizes_are_cut_to_what_the_gate_allows() -> None:
    r = rig()
    r.node.desk.agents[1].risk.order_value_atoms_max //= 100
    assert [size for *_, size in intents(want(r, 100_000))] == [500]


def test_what_is_below_the_venues_minimum_is_left() -> None:
    assert want(rig(), 50) == []


def test_a_market_without_both_sides_gives_no_price() -> None:
    assert want(rig(), 1000, bid=0, ask=10_001) == []


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(-30, 30).map(lambda lots: lots * 100),
            st.sampled_from(("passive", "normal", "take")),
            st.integers(9_950, 10_050),
            st.integers(0, 2000),
        ),
        max_size=12,
    )
)
def test_working_orders_never_lead_beyond_the_target(steps: list[tuple[int, str, int, int]]) -> None:
    r = rig()
    agent = r.node.desk.agents[1]
    for lots, urgency, mid, filled in steps:
        held = agent.risk.position_lots
        sends = intents(want(r, lots, urgency, mid - 1, mid + 1))
        assert len(sends) <= 1
        for side, _, _, size in sends:
            assert side * (lots - held) >= size
        standing = [order for order in r.venue.orders.values() if order.state < FILLED]
        assert all(order.intent.tif == POST for order in standing)
        for order in standing:
            for event in r.venue.fill(order.client_id, filled, r.now_ns):
                r.step(event)


def test_what_a_fee_took_in_base_is_not_sold() -> None:
    r = Rig(agent_table(1))
    r.venue.totals["BTC"] = 0
    r.start()
    want(r, 1000, "take")
    assert r.node.desk.agents[1].position.net_lots == 1000
    assert intents(want(r, 0, "take")) == [(-1, IOC, 9_980, 999)], "a thousandth went to the venue"
