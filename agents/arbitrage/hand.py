"""A hand of an arbitrage group: an agent on one market that is told what to send and asked nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.agent import Agent
from agents.view import AgentView
from domain.desire import Desire
from domain.events import Event
from domain.protocols import View

if TYPE_CHECKING:
    from agents.config import AgentConfig
    from agents.desk import Desk
    from agents.market import Market
    from agents.minds import Minds


class Idle:
    """Want nothing of its own: sagas decide what a hand does."""

    config = None

    def step(self, view: View, event: Event) -> Desire | None:
        """Want nothing."""
        return None

    def state(self) -> bytes:
        """Keep nothing."""
        return b""

    def restore(self, state: bytes) -> None:
        """Need nothing."""


def hand_of(
    config: AgentConfig, market: Market, desk: Desk, markets: dict[int, Market], minds: Minds
) -> Agent:
    """Make a hand: it is at its desk like any agent, and its market asks it nothing."""
    view = AgentView(desk, markets, minds)
    hand = view.agent = Agent(config, market, Idle(), view)
    hand.heard = []
    desk.agents[config.shard] = hand
    market.hands.append(hand)
    return hand
