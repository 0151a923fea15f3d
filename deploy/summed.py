"""Agents summed up, as far as a terminal has no line for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from domain.lifecycle import Lifecycle
from domain.report import AgentReport, OrderCounts
from domain.steering import MemberStatus, SwarmStatus

Group = Callable[[AgentReport], str]


def fitted(status: SwarmStatus, lines: int) -> SwarmStatus:
    """Give the status with as many rows as there are lines for, and none summed up where all have one."""
    for group in (_each, _idle, _strategy, _all):
        shown = msgspec.structs.replace(
            status, members=tuple(_summed(member, group) for member in status.members)
        )
        if _lines(shown) <= lines:
            return shown
    return shown


def _lines(status: SwarmStatus) -> int:
    return sum(1 + len(member.report.agents if member.report else ()) for member in status.members)


def _each(agent: AgentReport) -> str:
    return agent.name


def _idle(agent: AgentReport) -> str:
    """Name hands of arbitrage and agents that never wanted anything by their strategy."""
    resting = agent.orders.intended == 0 and agent.position_lots == 0
    return agent.strategy if resting or agent.strategy == "arbitrage" else agent.name


def _strategy(agent: AgentReport) -> str:
    return agent.strategy


def _all(agent: AgentReport) -> str:
    return "agents"


def _summed(member: MemberStatus, group: Group) -> MemberStatus:
    if member.report is None:
        return member
    found: dict[str, list[AgentReport]] = {}
    for agent in member.report.agents:
        found.setdefault(group(agent), []).append(agent)
    rows = tuple(_sum(name, agents) for name, agents in found.items())
    return msgspec.structs.replace(member, report=msgspec.structs.replace(member.report, agents=rows))


def _life(agents: Sequence[AgentReport]) -> int:
    """Give the state that most wants to be seen: who is held back, else who is not there yet."""
    lives = [agent.lifecycle for agent in agents]
    return max(lives) if max(lives) > Lifecycle.ACTIVE else min(lives)


def _sum(name: str, agents: Sequence[AgentReport]) -> AgentReport:
    """Sum up; one alone keeps its name."""
    if len(agents) == 1:
        return agents[0]
    orders = OrderCounts()
    for agent in agents:
        orders = orders.plus(agent.orders)
    return msgspec.structs.replace(
        agents[0],
        name=f"{len(agents)} {name}",
        symbol="",
        lifecycle=_life(agents),
        orders=orders,
        fills=sum(agent.fills for agent in agents),
        position_lots=0,
        position_text="",
        pnl_quote=sum(agent.pnl_quote for agent in agents),
    )
