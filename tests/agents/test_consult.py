"""A strategy is code from outside: whatever it does, the node goes on and the strategy stands still."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from agents.node import Node
from agents.record import encode_action
from domain.actions import Alarm, CancelOrder, SendOrder
from domain.control_events import HaltSet, NodeStarted, SignalUpdated
from domain.desire import Quote, QuoteSet, TargetPosition
from domain.events import Event
from domain.lifecycle import Lifecycle
from domain.market_events import FeedLost, FeedUp, Tick
from domain.order import Side
from domain.protocols import View
from tests.agents.builders import MS, VENUE, Rig, S, Scripted, agent_table, quotes, target


class Raising(Scripted):
    """Divide by nought on the tick after the script."""

    def step(self, view: View, event: Event) -> Any:
        if type(event) is Tick and not self.wanted:
            return 1 // 0
        return super().step(view, event)


def rig(*strategies: Scripted) -> Rig:
    made = Rig(agent_table(1), agent_table(2, symbol="ETHUSDT"))
    for shard, strategy in enumerate(strategies, 1):
        made.node.desk.agents[shard].strategy = strategy
    made.start()
    return made


def test_a_strategy_that_raises_is_halted_alone_and_its_orders_are_cancelled() -> None:
    r = rig(Raising(quotes((1, 9_999, 1000))), Scripted(quotes((1, 9_999, 1000), index=1)))
    r.tick()
    (order,) = r.node.desk.working
    made = r.tick()
    assert CancelOrder(order, 0) in made and not r.node.desk.working
    (alarm,) = [action for action in made if isinstance(action, Alarm)]
    assert alarm.text.startswith("momentum-1 ZeroDivisionError at line ")
    assert r.node.desk.agents[1].lifecycle == Lifecycle.HALTED
    assert not [a for a in r.tick() if isinstance(a, Alarm)], "said once"
    assert [a for a in r.tick(index=1) if isinstance(a, SendOrder)], "the other agent goes on"
    assert r.node.report(0).agents[0].lifecycle == Lifecycle.HALTED and not r.node.gate.halted


def test_a_fault_survives_a_restart_and_ends_with_an_operators_resume() -> None:
    r = rig(Raising(), Scripted())
    r.tick()
    again = Node(r.config, r.instruments)
    again.desk.agents[1].strategy, again.desk.agents[2].strategy = Scripted(), Scripted()
    again.restore(r.node.state())
    assert again.desk.agents[1].fault == r.node.desk.agents[1].fault != ""
    assert again.desk.agents[1].lifecycle == Lifecycle.HALTED
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)))
    r.step(HaltSet(r.now_ns, True, 1, "look"))
    r.step(HaltSet(r.now_ns, False, 2, ""))
    assert r.node.desk.agents[1].lifecycle == Lifecycle.ACTIVE
    assert [a for a in r.tick() if isinstance(a, SendOrder)]


class Forgetful(Scripted):
    """Fail to say what to keep."""

    def state(self) -> bytes:
        raise OSError("no")


def test_a_strategy_that_cannot_take_back_its_state_waits_for_an_operator() -> None:
    r = rig(Forgetful(quotes((1, 9_999, 1000))), Scripted())
    r.tick()
    again = Node(r.config, r.instruments)
    again.desk.agents[2].strategy = Scripted()
    again.restore(r.node.state())
    made = again.step(NodeStarted(r.now_ns, "", ""))
    assert [a.kind for a in made if isinstance(a, Alarm)] == ["strategy-fault"]
    assert again.desk.agents[1].lifecycle == Lifecycle.HALTED and again.desk.working


NONSENSE: list[Any] = [
    "buy",
    QuoteSet(0, (Quote(1, math.nan, 1),)),  # type: ignore[arg-type]
    QuoteSet(0, (Quote(1, 9_999.5, 1),)),  # type: ignore[arg-type]
    QuoteSet(0, (Quote(1, np.int64(9_999), 1),)),  # type: ignore[arg-type]
    QuoteSet(0, (Quote(1, 9_999, True),)),
    QuoteSet(0, (Quote(1, 1 << 70, 1),)),
    QuoteSet(0, (Quote(0, 9_999, 1),)),
    QuoteSet(0, (Quote(1.0, 9_999, 1),)),  # type: ignore[arg-type]
    QuoteSet(0, ((1, 9_999, 1),)),  # type: ignore[arg-type]
    QuoteSet(0, [Quote(1, 9_999, 1)]),  # type: ignore[arg-type]
    QuoteSet(0, (Quote(1, 9_999, 1),) * 257),
    QuoteSet(1, (Quote(1, 9_999, 1000),)),
    TargetPosition(0, math.nan),  # type: ignore[arg-type]
    TargetPosition(0, 1000, 7),
    TargetPosition(1, 1000),
]


@pytest.mark.parametrize("wanted", NONSENSE, ids=repr)
def test_nonsense_is_a_fault_and_never_an_order(wanted: Any) -> None:
    r = rig(Scripted(wanted, quotes((1, 9_999, 1000))), Scripted())
    made = r.tick()
    assert [a.kind for a in made if isinstance(a, Alarm)] == ["strategy-fault"]
    assert r.node.desk.agents[1].desire is None and r.node.desk.agents[1].intended == 0
    assert not [a for a in r.tick() if isinstance(a, SendOrder)]
    assert [encode_action(action) for action in r.log] and r.node.state()


def test_sides_and_urgencies_may_be_named() -> None:
    r = rig(Scripted(QuoteSet(0, (Quote(Side.BUY, 9_999, 1000),)), target(0, "take")), Scripted())
    assert [a for a in r.tick() if isinstance(a, SendOrder)]
    assert r.node.desk.agents[1].fault == ""


def test_quotes_are_not_sent_again_after_the_market_they_were_priced_by_was_lost() -> None:
    r = rig(Scripted(quotes((1, 9_999, 1000))), Scripted())
    r.tick()
    r.step(FeedLost(VENUE, r.now_ns, "cut"))
    assert not r.node.desk.working
    r.now_ns += 60 * S
    r.step(FeedUp(VENUE, r.now_ns))
    r.now_ns += 600 * MS
    assert not r.node.markets[0].risk.stale
    assert not [a for a in r.wait(1) if isinstance(a, SendOrder)]


def test_an_opinion_that_is_no_number_is_alarming_and_no_opinion() -> None:
    r = rig(Scripted(), Scripted())
    r.step(SignalUpdated(0, r.now_ns, 2.0, 1))
    assert r.node.markets[0].signal_bps == 2.0
    made = r.step(SignalUpdated(0, r.now_ns, math.nan, 2))
    assert [a.kind for a in made if isinstance(a, Alarm)] == ["signal-not-finite"]
    assert r.node.markets[0].signal_bps is None
