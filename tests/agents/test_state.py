"""A node's state as data, also under a config or a venue's list that changed."""

from __future__ import annotations

from agents.config import RegionConfig
from agents.node import Node
from agents.order import UNKNOWN
from domain.control_events import Clocked, NodeStarted
from domain.desire import TargetPosition
from tests.agents.builders import VENUE, Rig, agent_table, config, instrument


def busy() -> Rig:
    r = Rig(
        agent_table(1, "market_maker", parameters={"order_notional": 300.0}),
        agent_table(2, "momentum", symbol="ETHUSDT"),
    )
    r.start()
    for number in range(40):
        r.tick(9_999 + number, 10_001 + number)
        r.tick(9_999, 10_001, index=1)
        for order in list(r.venue.orders.values()):
            if number % 9 == 0:
                for event in r.venue.fill(order.client_id, 700, r.now_ns):
                    r.step(event)
    return r


def test_a_restored_node_says_the_same() -> None:
    r = busy()
    again = Node(r.config, r.instruments)
    again.restore(r.node.state())
    assert again.state() == r.node.state()
    assert again.report(5) == r.node.report(5)
    assert again.desk.working == r.node.desk.working and again.desk.working


def test_markets_are_found_again_when_the_venue_lists_more() -> None:
    r = busy()
    moved = (
        instrument(0, "ADA"),
        instrument(1, "ETH", "BTC", tick="0.00001", notional_atoms_min=0),
        instrument(2, "ETH"),
        instrument(3),
    )
    again = Node(r.config, moved)
    again.restore(r.node.state())
    assert again.desk.agents[1].position == r.node.desk.agents[1].position
    assert {order.instrument for order in again.desk.working.values() if order.agent == 1} == {3}
    assert again.markets[3].trades.watermark == r.node.markets[0].trades.watermark
    assert again.markets[3].ring.last(3).tolist() == r.node.markets[0].ring.last(3).tolist()
    desire = again.desk.agents[1].desire
    assert desire is None
    again.step(NodeStarted(r.now_ns, "", ""))
    again.step(Clocked(r.now_ns))
    assert all(order.state == UNKNOWN for order in again.desk.working.values())


def test_agents_and_strategies_may_change() -> None:
    r = busy()
    fewer = config(agent_table(1, "momentum"))
    again = Node(fewer, r.instruments)
    again.restore(r.node.state())
    assert list(again.desk.agents) == [1]
    assert {order.agent for order in again.desk.working.values()} == {1}
    assert again.desk.agents[1].position.net_lots == r.node.desk.agents[1].position.net_lots
    assert again.desk.agents[1].strategy.state() != r.node.desk.agents[1].strategy.state()


def test_an_account_that_the_config_dropped_is_forgotten() -> None:
    r = busy()
    table = r.config.model_dump()
    table["venues"][0]["name"] = "other-x"
    table["agents"] = (agent_table(1, venue="other-x"),)
    moved = RegionConfig.model_validate(table)
    again = Node(moved, tuple(instrument(index, venue="other-x") for index in (0,)))
    again.restore(r.node.state())
    assert not again.accounts["other-x"].opened and VENUE not in again.accounts
    assert not again.desk.working and not isinstance(again.desk.agents[1].desire, TargetPosition)
