"""What a strategy sees: no copies, and no way to send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from agents.minds import FLAT
from domain.actions import Observed
from domain.instrument import Instrument
from domain.market_events import Tick
from domain.position import Position
from domain.protocols import BookView, RingView

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.desk import Desk
    from agents.market import Market
    from agents.minds import Minds

_FLAT = Position()
NOTHING = b"", b""


class AgentView:
    """Show one agent its node's markets and its own position."""

    __slots__ = ("_answer", "_asked", "_desk", "_markets", "_minds", "agent", "seen")

    agent: Agent

    def __init__(self, desk: Desk, markets: dict[int, Market], minds: Minds) -> None:
        self._desk, self._markets, self._minds = desk, markets, minds
        self._asked, self._answer = NOTHING, (FLAT, "", "")
        # What the strategy had kept in this step, for the node to tell.
        self.seen: Observed | None = None

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

    def ask_model(self, features: NDArray[np.float32], out: NDArray[np.float32]) -> int:
        """Have this agent's model write down, flat and up; give who answered."""
        self._answer = self._minds.answer(self.agent.shard, self._desk.now_ns, features, out)
        self._asked = features.tobytes(), out.tobytes()
        return self._answer[0]

    def observed(self, event: Tick, decision_ppm: int) -> None:
        """Keep what was asked last, and what was decided on it, as a row to learn from."""
        mode, model, engine = self._answer
        self.seen = Observed(
            self.agent.shard,
            event.instrument,
            event.local_ts_ns,
            model,
            engine,
            mode,
            *self._asked,
            decision_ppm,
            event.bid_ticks + event.ask_ticks,
            event.ask_ticks - event.bid_ticks,
        )
