"""What a strategy sees: no copies, and no way to send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

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

    def bars(self, index: int, resolution: Literal["1m", "1h"] = "1m") -> NDArray[np.void]:
        """Give the market's closed bars, oldest first, without copying."""
        return self._markets[index].pipeline.bars(index, resolution)

    def indicator(self, index: int, name: str) -> float | None:
        """Give one of the region's indicators by name, `None` while it is not warm."""
        return self._markets[index].pipeline.indicator(index, name)

    def quality(self, index: int) -> int:
        """Tell how far the market's latest data can be believed."""
        return int(self._markets[index].pipeline.quality(index).level)

    def position(self, index: int) -> Position:
        """Give this agent's own position in the market."""
        return self.agent.position if index == self.agent.instrument else _FLAT

    def signal_bps(self, index: int) -> float | None:
        """Give the model's latest opinion, `None` where there is none."""
        return self._markets[index].signal_bps
