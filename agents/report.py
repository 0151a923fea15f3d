"""What a node says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.agent import Agent
from domain.ids import client_id_text
from domain.report import AgentReport, MarketReport, NodeReport, OrderCounts
from domain.units import ATOMS_PER_UNIT

if TYPE_CHECKING:
    from agents.node import Node

MARKETS_MAX = 64
MOVES_MAX = 64


def node_report(node: Node, now_ns: int) -> NodeReport:
    """Report a node whole. The shell fills in latencies and journal figures, which are not the core's."""
    desk, accounts = node.desk, node.accounts
    return NodeReport(
        node=node.config.node,
        region=node.config.region,
        ts_ns=now_ns,
        epoch=node.gate.epoch,
        halted=node.gate.halted,
        halt_command_id=node.mandate.halt_command_id,
        stopping=node.mandate.stopping,
        flat_of_orders=not desk.working,
        ticks=node.ticks,
        agents=tuple(agent_report(agent) for agent in desk.agents.values()),
        balances={
            name: {asset: account.wallets[asset].total_atoms for asset in sorted(account.wallets)}
            for name, account in accounts.items()
        },
        open_order_ids={name: _open_ids(node, name) for name in accounts},
        tick_to_order_counts={},
        journal_events=0,
        journal_hash="",
        stale_books=len(node.pipeline.stale()),
        unexplained=tuple(
            f"{name} {key}" for name, account in accounts.items() for key in account.unexplained
        ),
        alarms=tuple(desk.alarms),
        reconciled=all(
            account.opened and account.ready and account.matched and not account.unexplained
            for account in accounts.values()
        ),
        markets=market_reports(node),
        moves=tuple(move for group in node.groups for move in group.rebalancer.reports())[:MOVES_MAX],
        move_command_id=node.mandate.move_command_id,
        move_answer=node.mandate.move_answer,
        models=node.minds.report()
        if any(agent.strategy == "learned" for agent in node.config.agents)
        else None,
    )


def market_reports(node: Node) -> tuple[MarketReport, ...]:
    """Report the markets of which anything was not believed, the first `MARKETS_MAX` of them."""
    found = []
    for index in node.pipeline.doubted()[:MARKETS_MAX]:
        market, quality = node.markets[index], node.pipeline.quality(index)
        found.append(
            MarketReport(
                market.instrument.key,
                market.book.reason.name.lower() if market.book.stale else "",
                quality.level.name.lower(),
                node.pipeline.mode(index).name.lower(),
                round(node.pipeline.rate_per_s(index), 1),
                {reason.name.lower(): count for reason, count in quality.counts.items()},
            )
        )
    return tuple(found)


def _open_ids(node: Node, venue: str) -> tuple[str, ...]:
    return tuple(
        client_id_text(order.client_id)
        for order in node.desk.working.values()
        if node.markets[order.instrument].account.venue == venue
    )


def agent_report(agent: Agent) -> AgentReport:
    """Report one agent; an idle one says the same again as long as nothing happens to it."""
    risk, market = agent.risk, agent.market.risk
    if agent.orders or risk.position_lots != 0:
        return _agent_report(agent)
    seen = (
        agent.lifecycle,
        agent.intended,
        agent.approved,
        agent.refused,
        agent.filled,
        agent.holding.fills,
        market.rate_num,
        market.rate_den,
    )
    if agent.reported is None or agent.reported[0] != seen:
        agent.reported = seen, _agent_report(agent)
    return agent.reported[1]


def _agent_report(agent: Agent) -> AgentReport:
    """Report one agent; money in units of the reporting currency."""
    market, instrument, position = agent.market.risk, agent.market.instrument, agent.position
    pnl_atoms = position.pnl_quote_atoms((market.bid_ticks + market.ask_ticks) // 2, instrument)
    return AgentReport(
        agent=agent.shard,
        name=agent.config.name,
        strategy=agent.config.strategy,
        venue=instrument.venue,
        symbol=instrument.symbol,
        lifecycle=agent.lifecycle,
        orders=OrderCounts(
            agent.intended, agent.approved, agent.refused, agent.approved, agent.filled, agent.unknown
        ),
        fills=position.fills,
        open_orders=len(agent.orders),
        position_lots=position.net_lots,
        position_text=f"{instrument.lot.text(position.net_lots)} {instrument.base}",
        pnl_quote=pnl_atoms * market.rate_num / market.rate_den / ATOMS_PER_UNIT,
        exposure_quote=market.value_atoms(agent.risk.worst_lots) / ATOMS_PER_UNIT,
    )
