"""Trade what a model expects of the next seconds, where it expects more than trading costs."""

from __future__ import annotations

from typing import Annotated, Self

import msgspec
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.strategies.stance import edge_side, target_of
from domain.desire import Desire
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import Tick, Trade
from domain.protocols import View
from learning.rows.features import Features, FeaturesConfig

FULL_PPM = 1_000_000
FLAT_MODE = 3


class LearnedConfig(BaseModel):
    """Ask the model every `decide_ms`; enter where up less down passes `enter_frac`, leave at `leave_frac`.

    Entries wait in the book and are never taken; what `patience_s` could not leave is taken. Without `trades`
    it only tells what it saw and would have done, to learn from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trades: bool = True
    decide_ms: Annotated[int, Field(ge=50, le=60_000)] = 500
    enter_frac: Annotated[float, Field(gt=0, lt=1)] = 0.25
    leave_frac: Annotated[float, Field(ge=0, lt=1)] = 0.05
    position_notional: Annotated[float, Field(gt=0)] = 500.0
    patience_s: Annotated[float, Field(ge=0)] = 10.0
    features: FeaturesConfig = FeaturesConfig()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.leave_frac >= self.enter_frac:
            raise ValueError("leave_frac must be below enter_frac")
        return self


class _State(msgspec.Struct, array_like=True):
    features: bytes = b""
    decided_ns: int = 0
    side: int = 0
    turned_ns: int = 0


class Learned:
    """Keep the features of one market up, and want what the model's answer says."""

    Config = LearnedConfig
    wants_trades = True

    def __init__(self, config: LearnedConfig, instrument: Instrument) -> None:
        self.config, self._instrument = config, instrument
        self._features, self._state = Features(config.features), _State()
        self._vector, self._chances = np.zeros(16, np.float32), np.zeros(3, np.float32)

    def step(self, view: View, event: Event) -> Desire | None:
        """Take a trade into the features; answer a tick, at most once per `decide_ms`."""
        if type(event) is Trade:
            self._features.trade(event)
            return None
        if type(event) is not Tick or event.bid_ticks <= 0 or event.ask_ticks <= event.bid_ticks:
            return None
        state, now_ns = self._state, event.local_ts_ns
        self._features.step(event, view.book(self._instrument.index))
        if now_ns - state.decided_ns < self.config.decide_ms * 1_000_000:
            return None
        if not self._features.vector(now_ns, self._vector):
            return None
        state.decided_ns = now_ns
        side = self._side(view.ask_model(self._vector, self._chances))
        if side != state.side:
            state.side, state.turned_ns = side, now_ns
        view.observed(event, side * FULL_PPM)
        if not self.config.trades:
            return None
        held = view.position(self._instrument.index).net_lots
        patient = now_ns - state.turned_ns < self.config.patience_s * 1_000_000_000
        mid = (event.bid_ticks + event.ask_ticks) / 2
        return target_of(self._instrument, side, held, self.config.position_notional, mid, patient)

    def _side(self, mode: int) -> int:
        """Tell what the answer wants held: 1 long, -1 short, 0 nothing; nobody's answer wants nothing."""
        if mode == FLAT_MODE:
            return 0
        edge = float(self._chances[2] - self._chances[0])
        return edge_side(self._state.side, edge, self.config.enter_frac, self.config.leave_frac)

    def state(self) -> bytes:
        """Give everything that a restart needs."""
        self._state.features = self._features.state()
        return msgspec.msgpack.encode(self._state)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self._state = msgspec.msgpack.decode(state, type=_State)
        if self._state.features:
            self._features.restore(self._state.features)
