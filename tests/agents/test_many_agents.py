"""A node of very many markets does, on a clock event, in a report, in a reconciliation, what must be."""

from __future__ import annotations

from collections import Counter

import pytest

from agents import node as nodes
from agents.node import Node
from agents.record import encode_action
from domain.actions import FetchAccount, FetchBook, SendOrder
from domain.control_events import Clocked
from domain.market_events import FeedLost
from domain.report import NodeReport
from market.pipeline import Pipeline
from tests.agents.builders import MS, VENUE, Rig, S, Scripted, agent_table, quotes, target

AGENTS = 7


def crowd(shown: int = AGENTS) -> Rig:
    """Give agents that all want a quote which the venue never answers for."""
    made = Rig(*(agent_table(shard) for shard in range(1, shown + 1)))
    for agent in made.node.desk.agents.values():
        agent.strategy = Scripted()
    made.start()
    made.tick()
    for number, agent in enumerate(made.node.desk.agents.values()):
        agent.desire = quotes((1, 9_900 + number, 1000))
    return made


def clock(r: Rig) -> list[int]:
    """Let a clock event pass, and give the shards that sent something."""
    r.now_ns += 50 * MS
    made = r.step(Clocked(r.now_ns), answered=False)
    return [action.approved.intent.agent for action in made if isinstance(action, SendOrder)]


def test_more_agents_than_fit_into_a_clock_event_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "WORKED_MAX", 3)
    r = crowd()
    turns = [clock(r) for _ in range(3)]
    assert [len(turn) for turn in turns] == [3, 3, 1]
    assert Counter(shard for turn in turns for shard in turn) == Counter(range(1, AGENTS + 1))


def test_whose_turn_it_is_outlives_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "WORKED_MAX", 3)
    r = crowd()
    clock(r)
    again = Node(r.config, r.instruments)
    again.restore(r.node.state())
    assert again.worked == r.node.worked == 3
    later = Clocked(r.now_ns + 50 * MS)
    sent = [[encode_action(action) for action in node.step(later)] for node in (again, r.node)]
    assert sent[0] == sent[1] != []


def test_an_agent_that_is_where_it_wants_to_be_is_left_alone() -> None:
    r = crowd(2)
    idle, busy = r.node.desk.agents.values()
    idle.desire, busy.desire = target(0), target(1000)
    assert clock(r) == [2]
    assert [agent.shard for agent in r.node._revalue()] == [2]


def test_only_stale_books_are_asked_for_on_a_clock_event() -> None:
    r = crowd(1)
    assert r.node.pipeline.stale() == []
    r.step(FeedLost(VENUE, r.now_ns, "cut"))
    assert r.node.pipeline.stale() == r.node.pipeline.doubted() == [0, 1, 2]
    r.node.pipeline.feed_up(VENUE, r.now_ns)
    made = r.wait(0.1)
    assert [action.instrument for action in made if isinstance(action, FetchBook)] == [0, 1, 2]
    assert r.node.pipeline.stale() == []


def test_a_quiet_market_is_not_asked_about_again_until_something_is_unexplained() -> None:
    r = crowd(1)
    r.node.desk.agents[1].desire = None
    (first,) = [action for action in r.log if isinstance(action, FetchAccount)]
    assert [index for index, _ in first.since_trade_ids] == [0, 1, 2]
    quiet = [action for action in r.wait(11) if isinstance(action, FetchAccount)]
    assert quiet and all(action.since_trade_ids == () for action in quiet)
    r.venue.totals["ETH"] += 1
    asked = [action.since_trade_ids for action in r.wait(23) if isinstance(action, FetchAccount)]
    assert () in asked and ((0, 0), (1, 0), (2, 0)) in asked
    assert any("ETH" in text for text in r.node.report(r.now_ns).unexplained)


def test_a_market_with_an_open_order_is_asked_about() -> None:
    r = crowd(1)
    r.log.clear()
    r.wait(11)
    asked = [action.since_trade_ids for action in r.log if isinstance(action, FetchAccount)]
    assert asked and set(asked) == {((0, 0),)}


def whole(report: NodeReport) -> tuple[object, ...]:
    """Give what a report says of agents."""
    return tuple(report.agents)


def test_what_an_idle_agent_reported_stands_until_something_happens_to_it() -> None:
    r = crowd(2)
    idle, busy = r.node.desk.agents.values()
    idle.desire, busy.desire = None, quotes((1, 9_999, 1000))
    before = r.node.report(r.now_ns).agents
    clock(r)
    after = r.node.report(r.now_ns).agents
    assert after[0] is before[0] and after[1] != before[1] and after[1].open_orders == 1
    fresh = Node(r.config, r.instruments)
    fresh.restore(r.node.state())
    assert whole(fresh.report(r.now_ns)) == whole(r.node.report(r.now_ns))
    r.now_ns += S
    r.step(FeedLost(VENUE, r.now_ns, "cut"))
    assert whole(r.node.report(r.now_ns))[0] == after[0]


def test_a_pipeline_settles_and_names_what_it_doubts() -> None:
    r = crowd(1)
    pipeline: Pipeline = r.node.pipeline
    pipeline.settle()
    assert pipeline.doubted() == []
    r.step(r.tick_event(10_001, 9_999))
    assert pipeline.doubted() == [0] and r.node.report(0).markets[0].market.endswith("BTCUSDT")
