"""Trades that bring inventory back: made where they may be, held back with a reason, even in the end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.arbitrage.planning import Planning
from arbitrage.filter.rejection import RejectReason
from arbitrage.stock.moves import MoveState
from domain.control_events import HaltSet, LeaseRevoked, MovesPlanned
from domain.market_events import FeedLost
from domain.moves import TRADE, Proposal
from tests.agents.arbitrage.rebalancing import BTC, SHARES, WAY, move, order, plan, rig, state
from tests.agents.arbitrage.rig import BTC_A, BTC_B, A, B, Meets, Rig, alarms, group_table, sent


def test_a_trade_that_is_worth_its_cost_is_made_by_the_node_itself() -> None:
    r = rig()
    plan(r)
    before = len(r.log)
    r.quiet(1)
    assert sent(r.log[before:]) == [(BTC_B, -1, 499), (BTC_A, 1, 500)]  # 50 USDT at most, far leg first
    assert state(r) == MoveState.TRADED and move(r).note.startswith("flat: 0.4999500000 BTC came")
    assert r.balances_agree() and r.node.report(r.now_ns).reconciled
    assert r.group.rebalancer.moves.counts == {"proposed": 1, "trading": 1, "traded": 1}
    assert r.group.valuation.capital.bound_atoms() == 0
    assert r.group.valuation.shadows.outcomes.pooled.count == 0  # nothing is learnt of opportunities by it
    (report,) = [one for one in r.node.report(r.now_ns).moves if one.move == "arb-1"]
    assert (report.state, report.kind, report.node, report.amount) == (
        "traded",
        "trade",
        "test-1",
        "2.0000000000",
    )


def test_moves_come_one_at_a_time_with_a_pause_until_there_is_no_need() -> None:
    r = rig(trade_every_s=2.0, trade_max=200_000, every_s=2.0, group={"limits": {
        "order_notional_max": 200_000, "position_notional_max": 900_000, "collar_bps": 500}})  # fmt: skip
    planning = Planning(r.node, r.step, lambda: r.now_ns)
    held = [r.venues[A].totals["BTC"]]
    for _ in range(40):
        planning.step()
        r.quiet(1)
        held.append(r.venues[A].totals["BTC"])
        assert r.balances_agree()
    steps = [after - before for before, after in pairwise(held)]
    assert all(step >= 0 for step in steps)  # it never goes back
    assert sum(step > 0 for step in steps) <= 21 and held[-1] > 120 * BTC
    assert r.group.rebalancer.moves.trading() is None


def test_without_leave_nothing_is_traded_until_an_operator_asks_for_it() -> None:
    r = rig(execute=False)
    plan(r)
    before = len(r.log)
    r.quiet(2)
    assert sent(r.log[before:]) == [] and state(r) == MoveState.PROPOSED
    (told,) = r.node.report(r.now_ns).moves
    assert told.note == "rebalance.execute does not allow it"
    assert order(r, 1, "arb-1", "take") == ""
    r.quiet(1)
    assert len(sent(r.log[before:])) == 2 and state(r) == MoveState.TRADED


def halted(r: Rig) -> None:
    r.step(HaltSet(r.now_ns, True, 1, "test"))


def reduce_only(r: Rig) -> None:
    r.step(LeaseRevoked(r.now_ns, "test"))
    r.wait(0.1)


def stale(r: Rig) -> None:
    r.step(FeedLost(A, r.now_ns, "test"))


def crossed(r: Rig) -> None:
    r.tick(BTC_A, 10_001, 9_999)


def in_a_saga(r: Rig) -> None:
    r.venues[B].script.append("mute")
    r.gap()


def unlinked(r: Rig) -> None:
    r.lose(B)


def dear(r: Rig) -> None:
    r.tick(BTC_A, 10_029, 10_031)


def moderately_dear(r: Rig) -> None:
    r.tick(BTC_A, 10_007, 10_009)


@pytest.mark.parametrize(
    ("happens", "changes", "why"),
    [
        (halted, {}, "halted"),
        (reduce_only, {}, "reduce-only"),
        (stale, {}, "stale"),
        (crossed, {}, "stale"),
        (in_a_saga, {}, "busy"),
        (unlinked, {}, "standby"),
        (dear, {}, "cost"),  # more than is ever paid
        (moderately_dear, {"group": {"inventory": {**SHARES, "slope_bps": 1.0}}}, "cost"),
        (None, {"between": ["other-x"]}, "elsewhere"),
        (None, {"trade_max": 0.05}, "thin"),
        (None, {"trade_max": 1}, "notional_min"),
        (None, {"group": {"losses": {"BTC": 1}}}, "budget"),
        (None, {"group": {"losses": {"USDT": 0.05}}}, "budget"),
        (None, {"group": {"capital": 20}}, "bound"),
    ],
)  # fmt: skip
def test_a_trade_is_held_back_and_says_why(
    happens: Callable[[Rig], None] | None, changes: dict[str, Any], why: str
) -> None:
    changes = dict(changes)
    table = {"inventory": SHARES, **changes.pop("group", {})}
    r = Rig(group_table(rebalance={"execute": True, "trade_max": 50, **changes}, **table))
    r.start()
    plan(r)
    if happens is not None:
        happens(r)
    before = len(r.log)
    r.wait(0.5)
    assert sent(r.log[before:]) == [] and state(r) == MoveState.PROPOSED
    assert move(r).note.startswith(why), move(r).note
    assert r.group.rebalancer.moves.counts[why] >= 1
    assert r.group.valuation.capital.bound_atoms() == 0 or happens is in_a_saga


def test_the_filter_has_its_say_on_a_trade_as_on_any_cycle() -> None:
    r = rig()
    r.wait(3)  # the books are believed for longer than the filter believes a quote
    plan(r)
    before = len(r.log)
    r.wait(0.5)
    assert sent(r.log[before:]) == [] and move(r).note == "stale: a-x:BTCUSDT"
    assert r.group.sight.filter.counts[RejectReason.STALE] > 0


def test_the_second_of_two_trades_waits_for_the_first_and_then_for_its_pause() -> None:
    r = rig()
    plan(r)
    first = move(r).proposal
    r.venues[A].script.append("mute")
    other = msgspec.structs.replace(first, asset="ETH", legs=((4, -1), (1, 1)), atoms=BTC)
    r.step(MovesPlanned(r.now_ns, "arb", (first, other), r.now_ns))
    r.wait(0.5)
    assert state(r) == MoveState.TRADING
    waiting = next(one for one in r.group.rebalancer.moves.live.values() if one.proposal.asset == "ETH")
    assert waiting.note == "one at a time"
    r.quiet(3)
    assert state(r) in (MoveState.TRADED, MoveState.UNDONE) and waiting.note.startswith("interval: ")


def test_what_nobody_knows_or_has_no_hand_on_is_no_trade() -> None:
    r = rig()
    gone = Proposal(TRADE, "BTC", B, A, BTC, 0, 0, ((77, -1), (BTC_A, 1)), "of another config")
    r.step(MovesPlanned(r.now_ns, "arb", (gone,), r.now_ns))
    r.step(MovesPlanned(r.now_ns, "other", (), r.now_ns))
    r.wait(0.5)
    assert move(r).note == "no hand on a market of it"


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ({"a": [200]}, MoveState.TRADED),  # partly filled: driven on
        ({"a": ["reject"] * 9}, MoveState.UNDONE),  # cannot be driven on: the other is taken back
        ({"a": ["reject"], "b": ["reject"]}, MoveState.UNDONE),
        ({"a": ["unsent"], "b": [0]}, MoveState.UNDONE),
        ({"b": ["silent"]}, MoveState.TRADED),
        ({"a": ["mute"]}, MoveState.TRADED),
        ({"b": ["never"]}, MoveState.TRADED),
    ],
)
def test_a_trade_that_goes_wrong_ends_flat_or_taken_back_as_any_saga(
    script: dict[str, list[Meets]], end: MoveState
) -> None:
    r = rig(trade_every_s=500.0)
    for name, meets in script.items():
        r.venues[{"a": A, "b": B}[name]].script.extend(meets)
    plan(r)
    r.quiet(20)
    assert not r.group.execution.sagas.living and not r.group.execution.working
    assert r.balances_agree() and r.node.report(r.now_ns).reconciled
    assert all(hand.risk.position_lots == 0 for hand in r.group.hands.values())
    if end == MoveState.TRADED and state(r) == MoveState.UNDONE:
        assert move(r).note.startswith("unwound")  # the other leg was lost, and was taken back
        assert script == {"b": ["never"]}
    else:
        assert state(r) == end, move(r)


def test_a_trade_that_stays_unknown_is_stuck_and_alarmed_and_goes_on_in_the_end() -> None:
    r = rig()
    r.venues[B].script.append("mute")
    plan(r)
    r.wait(0.3)
    r.lose(B)
    out = r.wait(25)
    assert any(kind.startswith("saga-stuck") for kind in alarms(out))
    assert state(r) == MoveState.TRADING and move(r).note.startswith("stuck: ")
    r.find(B)
    r.quiet(15)
    assert state(r) in (MoveState.TRADED, MoveState.UNDONE) and r.balances_agree()


def test_a_restart_in_the_middle_of_a_trade_carries_it_to_its_end() -> None:
    r = rig()
    plan(r)
    r.venues[A].script.append("mute")
    r.venues[B].script.append("mute")
    r.wait(0.3)
    assert state(r) == MoveState.TRADING
    r.restart(2)
    r.quiet(15)
    assert state(r) == MoveState.TRADED, move(r)
    assert r.balances_agree() and r.node.report(r.now_ns).reconciled


FATES = st.lists(
    st.sampled_from([0, 100, 300, "reject", "unsent", "silent", "mute", "never", "rest"]), max_size=6
)


@settings(max_examples=6, deadline=None)
@given(a=FATES, b=FATES, dies=st.booleans())
def test_whatever_venues_do_a_trade_ends_even_or_is_alarmed(
    a: list[Meets], b: list[Meets], dies: bool
) -> None:
    r = rig(trade_every_s=500.0)
    r.venues[A].script.extend(a)
    r.venues[B].script.extend(b)
    plan(r)
    r.wait(0.4)
    if dies:
        r.restart(2)
    r.quiet(20)
    if r.group.execution.sagas.living:
        r.quiet(60)  # one unknown order after another
    if r.group.execution.sagas.living:
        assert any(kind.startswith("saga-stuck") for kind in alarms(r.log)) and state(r) == MoveState.TRADING
        return
    assert state(r) in (MoveState.TRADED, MoveState.UNDONE)
    assert all(hand.risk.position_lots == 0 for hand in r.group.hands.values())
    assert r.balances_agree() and abs(r.moved("BTC")) < BTC // 9  # less than the smallest order


def test_what_is_to_be_sent_can_be_typed() -> None:
    r = Rig(group_table(inventory={"shares": {"BTC": {A: 0.7, B: 0.3}, "ETH": {A: 0.812345, B: 0.187655}}},
                        ways=[WAY, {**WAY, "asset": "ETH"}]))  # fmt: skip
    r.start()
    plan(r)
    assert {one.asset: one.amount for one in r.node.report(r.now_ns).moves} == {
        "BTC": "40.0000000000",
        "ETH": "624.6000000000",
    }
