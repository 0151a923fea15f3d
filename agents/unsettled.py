"""Which of very many agents a clock event must look at: those at risk, or not where they want to be."""

from __future__ import annotations

from collections.abc import Iterable

from agents.agent import Agent
from domain.desire import TargetPosition
from domain.lifecycle import Lifecycle
from risk.gate import Gate

_ACTIVE, _REDUCE_ONLY = int(Lifecycle.ACTIVE), int(Lifecycle.REDUCE_ONLY)


def unsettled(agents: Iterable[Agent], gate: Gate) -> list[Agent]:
    """Value what is at risk at the present touch; give the agents that may have something to do.

    A target that is reached, with nothing under way, needs nobody.
    """
    found = []
    for agent in agents:
        risk, desire = agent.risk, agent.desire
        lots = risk.position_lots
        if lots != 0 or agent.orders or risk.gross_atoms != 0:
            agent.market.touch()
            gate.revalue(risk, agent.market.risk)
        if agent.lifecycle == _ACTIVE:
            if desire is not None and (
                agent.orders or not isinstance(desire, TargetPosition) or desire.position_lots != lots
            ):
                agent.market.touch()
                found.append(agent)
        elif agent.lifecycle == _REDUCE_ONLY and (lots != 0 or agent.orders):
            found.append(agent)
    return found


def turn(agents: list[Agent], worked: int, most: int) -> list[Agent]:
    """Give the agents whose turn it is, `worked` having had theirs."""
    first = worked % len(agents)
    return (agents[first:] + agents[:first])[:most]
