"""An order's states: what may follow what."""

from __future__ import annotations

import pytest

from agents.order import FILLED, OPEN, PENDING_NEW, UNKNOWN, Order, legal
from domain.order import LEGAL_TRANSITIONS, OrderState
from tests.agents.builders import Rig, agent_table, quotes
from tests.agents.desk_builders import sent


def test_transitions_are_the_domains() -> None:
    for before in OrderState:
        for after in OrderState:
            assert legal(before, after) == (after in LEGAL_TRANSITIONS[before])


def test_in_flight_is_where_an_answer_is_outstanding() -> None:
    order = Order(1, 1, 0, 1, 3, 10, 10, 10, 0, 0)
    seen = {}
    for state in OrderState:
        order.state = int(state)
        seen[state] = (order.in_flight, order.terminal)
    assert [state.name for state, (flying, _) in seen.items() if flying] == [
        "PENDING_NEW",
        "PENDING_CANCEL",
        "UNKNOWN",
    ]
    assert all(terminal == state.terminal for state, (_, terminal) in seen.items())


def test_an_illegal_transition_stops_the_process() -> None:
    r = Rig(agent_table(1))
    r.start()
    order = sent(r, quotes((1, 9_990, 1000)))
    agent = r.node.desk.agents[1]
    order.state = FILLED
    with pytest.raises(AssertionError, match="may not become"):
        r.node.desk._to(order, agent, OPEN)
    order.state = PENDING_NEW
    r.node.desk._to(order, agent, UNKNOWN)
    assert agent.unknown == 1 and agent.risk.in_flight == 1
