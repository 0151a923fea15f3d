"""A node's state as data, also under a config or a venue's list that changed."""

from __future__ import annotations

import pytest

from agents.config import RegionConfig
from agents.node import Node
from agents.order import UNKNOWN
from domain.control_events import Clocked, NodeStarted
from domain.desire import TargetPosition
from domain.errors import ConfigError
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


def test_what_a_dropped_agent_risked_no_longer_weighs_on_the_budget() -> None:
    r = busy()
    again = Node(config(agent_table(2, "momentum", symbol="ETHUSDT")), r.instruments)
    again.restore(r.node.state())
    assert again.gate.gross_atoms == again.desk.agents[2].risk.gross_atoms < r.node.gate.gross_atoms


def test_rates_into_another_reporting_currency_are_forgotten() -> None:
    r = busy()
    table = r.config.model_dump()
    table["reporting_currency"] = "BTC"
    again = Node(RegionConfig.model_validate(table), r.instruments)
    again.restore(r.node.state())
    assert [market.risk.rate_num for market in again.markets.values()] == [0, 0, 1]
    assert [market.risk.rate_den for market in again.markets.values()] == [1, 1, 1]


def test_a_market_with_new_ticks_and_lots_keeps_what_it_is_worth() -> None:
    r = busy()
    before = r.node.desk.agents[1]
    for event in r.venue.fill(next(iter(before.orders)), 300, r.now_ns):
        r.step(event)
    orders = {number: (o.side, o.price_ticks, o.open_lots) for number, o in before.orders.items()}
    assert before.risk.position_lots != 0 and orders
    finer = (instrument(0, tick="0.004", lot="0.0001"), *r.instruments[1:])
    again = Node(r.config, finer)
    again.restore(r.node.state())
    agent = again.desk.agents[1]
    assert agent.position.net_lots == 10 * before.position.net_lots
    assert agent.position.base_atoms == before.position.base_atoms
    for number, (side, price, lots) in orders.items():
        order = agent.orders[number]
        assert order.open_lots == 10 * lots
        exact = price * 5 / 2
        assert exact <= order.price_ticks < exact + 1 if side > 0 else exact - 1 < order.price_ticks <= exact
    assert len(again.markets[0].ring) == 0 and again.markets[0].risk.bid_ticks == 0 and agent.desire is None
    assert again.markets[0].trades.watermark == r.node.markets[0].trades.watermark
    again.step(NodeStarted(r.now_ns, "", ""))


def test_a_new_lot_that_does_not_divide_what_is_kept_is_refused_in_one_line() -> None:
    r = busy()
    for event in r.venue.fill(next(iter(r.node.desk.agents[1].orders)), 300, r.now_ns):
        r.step(event)
    coarser = (instrument(0, lot="0.9"), *r.instruments[1:])
    with pytest.raises(ConfigError, match="has a new lot"):
        Node(r.config, coarser).restore(r.node.state())
