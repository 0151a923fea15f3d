"""What a strategy sees: no copies, and no way to send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.instrument import Instrument
from domain.position import Position
from domain.protocols import BookView, RingView

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.desk import Desk
    from agents.market import Market

_FLAT = Position()


class AgentView:
    """Show one agent its node's markets and its own position."""

    __slots__ = ("_desk", "_markets", "agent")

    agent: Agent

    def __init__(self, desk: Desk, markets: dict[int, Market]) -> None:
        self._desk, self._markets = desk, markets

    @property
    def now_ns(self) -> int:
        """Give the time of the event being stepped on."""
        return self._desk.now_ns

    def instrument(self, index: int) -> Instrument:
        """Give what the market's integers mean."""
        return self._markets[index].instrument

    def book(self, index: int) -> BookView:
        """Give the market's book."""
        return self._markets[index].book

    def ring(self, index: int) -> RingView:
        """Give the market's latest ticks."""
        return self._markets[index].ring

    def position(self, index: int) -> Position:
        """Give this agent's own position in the market."""
        return self.agent.position if index == self.agent.instrument else _FLAT

    def signal_bps(self, index: int) -> float | None:
        """Give the model's latest opinion, `None` where there is none."""
        return self._markets[index].signal_bps
