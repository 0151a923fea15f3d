"""Who trades in a node: its agents, and the arbitrage groups with a hand on every market of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents import strategies
from agents.agent import Agent
from agents.arbitrage.arbitrageur import Arbitrageur
from agents.arbitrage.hand import hand_of
from agents.view import AgentView
from domain.errors import ConfigError

if TYPE_CHECKING:
    from agents.config import AgentConfig
    from agents.market import Market
    from agents.node import Node


def enlist(node: Node) -> tuple[Arbitrageur, ...]:
    """Put every agent of the config on its market and at the desk; give the arbitrage groups."""
    for config in node.config.agents:
        market = _market(node, config)
        strategy = strategies.build(config.strategy, config.parameters, market.instrument)
        view = AgentView(node.desk, node.markets, node.minds)
        agent = view.agent = Agent(config, market, strategy, view)
        node.desk.agents[config.shard] = agent
        market.agents.append(agent)
    groups = []
    for group in node.config.arbitrage:
        hands = [
            hand_of(config, _market(node, config), node.desk, node.markets, node.minds)
            for config in node.config.hands(group)
        ]
        groups.append(Arbitrageur(group, node.config, node.desk, node.pipeline, node.mandate, hands))
    return tuple(groups)


def _market(node: Node, config: AgentConfig) -> Market:
    for market in node.markets.values():
        if (market.instrument.venue, market.instrument.symbol) == (config.venue, config.symbol):
            return market
    raise ConfigError(
        f"agent {config.name} trades {config.symbol}, which {config.venue} does not offer",
        where=node.config.node,
        mend="name a symbol of the venue's exchange information",
    )
