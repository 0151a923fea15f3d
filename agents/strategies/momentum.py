"""Follow a trend while two moving averages of the mid say that there is one."""

from __future__ import annotations

import math
from typing import Annotated, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.strategies.stance import edge_side, target_of
from domain.desire import Desire
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import Tick
from domain.protocols import View


class MomentumConfig(BaseModel):
    """Enter when fast and slow differ by `enter_bps`, leave when by less than `leave_bps`.

    Entries wait in the book and are never taken; what `patience_s` could not leave is taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fast_s: Annotated[float, Field(gt=0)] = 2.0
    slow_s: Annotated[float, Field(gt=0)] = 20.0
    enter_bps: Annotated[float, Field(gt=0)] = 2.0
    leave_bps: Annotated[float, Field(ge=0)] = 0.2
    position_notional: Annotated[float, Field(gt=0)] = 1_000.0
    patience_s: Annotated[float, Field(ge=0)] = 20.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fast_s >= self.slow_s:
            raise ValueError("fast_s must be below slow_s")
        if self.leave_bps >= self.enter_bps:
            raise ValueError("leave_bps must be below enter_bps")
        return self


class _State(msgspec.Struct, array_like=True):
    seen_ns: int = 0
    fast: float = 0.0
    slow: float = 0.0
    side: int = 0
    turned_ns: int = 0


class Momentum:
    """Answer ticks with a long, a short or a flat target; a late exit is taken."""

    Config = MomentumConfig

    def __init__(self, config: MomentumConfig, instrument: Instrument) -> None:
        self.config, self._instrument = config, instrument
        self._state = _State()

    def step(self, view: View, event: Event) -> Desire | None:
        """Answer a tick."""
        if type(event) is not Tick or event.bid_ticks <= 0 or event.ask_ticks <= event.bid_ticks:
            return None
        state, mid = self._state, (event.bid_ticks + event.ask_ticks) / 2
        now_ns = event.local_ts_ns
        if state.seen_ns == 0:
            self._state = _State(now_ns, mid, mid, 0, now_ns)
            return None
        elapsed_s = max(0, now_ns - state.seen_ns) / 1e9
        state.seen_ns = now_ns
        state.fast += (mid - state.fast) * -math.expm1(-elapsed_s / self.config.fast_s)
        state.slow += (mid - state.slow) * -math.expm1(-elapsed_s / self.config.slow_s)
        side = self._trend((state.fast - state.slow) / state.slow * 10_000)
        if side != state.side:
            state.side, state.turned_ns = side, now_ns
        held = view.position(self._instrument.index).net_lots
        patient = now_ns - state.turned_ns < self.config.patience_s * 1_000_000_000
        return target_of(self._instrument, side, held, self.config.position_notional, mid, patient)

    def _trend(self, gap_bps: float) -> int:
        return edge_side(self._state.side, gap_bps, self.config.enter_bps, self.config.leave_bps)

    def state(self) -> bytes:
        """Give everything that a restart needs."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self._state = msgspec.msgpack.decode(state, type=_State)
