"""Follow a trend while two moving averages of the mid say that there is one."""

from __future__ import annotations

import math
from typing import Annotated, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.desire import Desire, TargetPosition, Urgency
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
        self._quote_value = instrument.tick_lot_atoms / 10**10
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
        leaving = held * side <= 0 and held != 0
        patient = now_ns - state.turned_ns < self.config.patience_s * 1_000_000_000
        urgency = Urgency.TAKE if leaving and not patient else Urgency.NORMAL
        return TargetPosition(self._instrument.index, self._target(side, held, mid), int(urgency))

    def _target(self, side: int, held: int, mid: float) -> int:
        """Turn round by way of flat, so that what is taken is never an entry."""
        if held * side < 0:
            return 0
        lots = int(self.config.position_notional / (mid * self._quote_value))
        # A size that only drifted with the price is not worth a message.
        return held if side != 0 and 2 * side * held >= lots else side * lots

    def _trend(self, gap_bps: float) -> int:
        held, config = self._state.side, self.config
        if abs(gap_bps) >= config.enter_bps:
            return 1 if gap_bps > 0 else -1
        return held if held * gap_bps > config.leave_bps else 0

    def state(self) -> bytes:
        """Give everything that a restart needs."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self._state = msgspec.msgpack.decode(state, type=_State)
