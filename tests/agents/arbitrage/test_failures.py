"""Every way in which a leg can fail, through the whole node: flat or alarmed, and every atom agrees."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agents.node import Node
from arbitrage.saga.events import SagaState
from domain.actions import Action
from domain.control_events import HaltSet
from domain.order import TimeInForce
from domain.units import ATOMS_PER_UNIT
from tests.agents.arbitrage.rig import A, B, Meets, Rig, alarms, sent

ENDS = (SagaState.FLAT, SagaState.UNWOUND)


def begun(**script: Sequence[Meets]) -> Rig:
    """Take a gap while the venues misbehave as they are told."""
    r = Rig()
    r.start()
    for name, meets in script.items():
        r.venues[{"a": A, "b": B}[name]].script.extend(meets)
    r.gap()
    return r


def ended(r: Rig) -> SagaState:
    """Check that everything is over and agrees, and say how the saga ended."""
    assert not r.group.execution.sagas.living and not r.group.execution.working
    assert r.balances_agree() and r.node.report(r.now_ns).reconciled
    assert all(hand.risk.position_lots == 0 for hand in r.group.hands.values())
    (taken,) = r.group.ring.taken
    assert taken.ended is not None
    realised: dict[str, int] = {}
    for _, asset, atoms in taken.ended.realised:
        realised[asset] = realised.get(asset, 0) + atoms
    assert {asset: r.moved(asset) for asset in realised} == realised
    return SagaState(taken.ended.state)


def test_both_legs_leave_at_once_and_end_flat_with_a_profit() -> None:
    r = Rig()
    r.start()
    out = r.gap(answered=False)
    assert [(market, side) for market, side, _ in sent(out)] == [(3, -1), (0, 1)]  # the farther venue first
    for action in out:
        for event in r.answer(action):
            r.step(event)
    assert ended(r) == SagaState.FLAT and r.moved("USDT") > 0 and abs(r.moved("BTC")) < ATOMS_PER_UNIT // 100
    assert [hand.position.net_lots for hand in r.group.hands.values()] == [2000, 0, 0, -1999, 0, 0]


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ({"a": [700]}, SagaState.FLAT),  # partly filled: driven on
        ({"b": [0]}, SagaState.FLAT),  # nothing filled: driven on
        ({"a": ["reject"]}, SagaState.FLAT),
        ({"b": ["unsent"]}, SagaState.FLAT),
        ({"a": ["reject"] * 9}, SagaState.UNWOUND),  # cannot be driven on: the other is taken back
        ({"b": [300, *["reject"] * 4]}, SagaState.UNWOUND),
        ({"a": [0], "b": [0]}, SagaState.FLAT),  # nothing happened at all
        ({"a": ["reject"], "b": ["reject"]}, SagaState.FLAT),
    ],
)
def test_what_the_venue_says_no_to_is_driven_on_or_taken_back(
    script: dict[str, list[Meets]], end: SagaState
) -> None:
    r = begun(**script)
    r.quiet(2)
    assert ended(r) == end


@pytest.mark.parametrize("leg", ["a", "b"])
@pytest.mark.parametrize("meets", ["silent", "mute", "never"])
def test_an_order_without_an_answer_is_asked_for_and_never_sent_again(leg: str, meets: str) -> None:
    r = begun(**{leg: [meets]})
    orders = sent(r.log)
    assert r.group.execution.sagas.living and len(orders) == 2
    r.quiet(0.5)
    assert len(sent(r.log)) == 2  # nothing is driven on while anything is unknown
    r.quiet(20)
    assert ended(r) in ENDS
    if meets != "never":
        assert len(sent(r.log)) == 2


@pytest.mark.parametrize("name", [A, B])
def test_a_connection_lost_in_the_middle_ends_flat_when_it_is_back(name: str) -> None:
    r = Rig()
    r.start()
    r.venues[name].script.append("mute")
    r.gap()
    r.lose(name)
    r.wait(1)
    r.find(name)
    r.quiet(12)
    assert ended(r) in ENDS


def test_what_stays_unknown_is_alarmed_and_heard_of_in_the_end() -> None:
    r = Rig()
    r.start()
    r.venues[B].script.append("mute")
    r.gap()
    r.lose(B)
    out = r.wait(25)
    assert any(kind.startswith("saga-stuck") for kind in alarms(out))
    assert r.group.execution.sagas.living
    r.find(B)
    r.quiet(15)
    assert ended(r) in ENDS


def test_a_halt_in_the_middle_sends_nothing_more_until_it_is_lifted() -> None:
    r = begun(b=["mute"], a=[0])
    r.step(HaltSet(r.now_ns, True, 1, "test"))
    count = len(sent(r.log))
    r.quiet(5)
    assert len(sent(r.log)) == count and r.group.execution.sagas.living
    r.step(HaltSet(r.now_ns, False, 2, ""))
    r.quiet(15)
    assert ended(r) in ENDS and len(sent(r.log)) > count


def test_a_lost_lease_takes_legs_back_and_begins_nothing() -> None:
    r = Rig()
    r.start()
    r.lease(1, 0.2)
    r.venues[B].script.append(0)
    out = r.gap(answered=False)
    r.wait(0.5)
    for action in out:
        for event in r.answer(action):
            r.step(event)
    r.quiet(5)
    assert ended(r) == SagaState.UNWOUND
    count = len(sent(r.log))
    r.gap()
    assert len(sent(r.log)) == count


@pytest.mark.parametrize("script", [{"a": ["mute"]}, {"b": ["mute", 500]}, {"a": [300], "b": ["never"]}])
def test_a_node_killed_in_the_middle_goes_on_where_it_was(script: dict[str, list[Meets]]) -> None:
    r = begun(**script)
    assert r.group.execution.sagas.living
    r.restart(epoch=2)
    r.quiet(25)
    assert not r.group.execution.sagas.living and r.balances_agree()
    assert all(hand.risk.position_lots == 0 for hand in r.group.hands.values())
    assert abs(r.moved("BTC")) < ATOMS_PER_UNIT // 100


@pytest.mark.parametrize("script", [{}, {"a": [0]}, {"b": [700]}])
def test_a_saga_whose_beginning_a_crash_lost_is_alarmed_and_taken_flat(
    script: dict[str, list[Meets]],
) -> None:
    r = Rig()
    r.start()
    state = r.node.state()
    for name, meets in script.items():
        r.venues[{"a": A, "b": B}[name]].script.extend(meets)
    for action in r.gap(answered=False):
        r.answer(action)
    r.node = Node(r.config, r.instruments)
    r.node.restore(state)
    count = len(r.log)
    r.start(epoch=2)
    r.quiet(3)
    assert "fill-of-no-saga" in alarms(r.log[count:]) and not r.group.execution.orphans
    assert r.balances_agree() and all(hand.risk.position_lots == 0 for hand in r.group.hands.values())
    assert abs(r.moved("BTC")) < ATOMS_PER_UNIT // 100
    r.gap()
    assert r.group.ring.counts["TAKEN", ""] == 1


def test_our_own_quotes_make_way_for_what_makes_us_flat() -> None:
    r = Rig()
    r.start()
    r.venues[B].script.extend(["reject"] * 4)
    out = r.gap(answered=False)
    maker = r.node.desk.agents[1]
    quote: list[Action] = []
    r.node.desk.submit(maker, 1, int(TimeInForce.GTC), 9_999, 500, quote)
    (resting,) = maker.orders.values()
    r.venues[A].script.extend([1 << 40, "rest"])
    for action in [*out, *quote]:
        for event in r.answer(action):
            r.step(event)
    assert resting.client_id in maker.orders
    r.quiet(3)
    assert resting.client_id not in maker.orders and not r.group.execution.waiting
    assert not r.group.execution.sagas.living and r.balances_agree()
    assert all(hand.risk.position_lots == 0 for hand in r.group.hands.values())
    assert not any(kind.startswith("saga-stuck") for kind in alarms(r.log))
