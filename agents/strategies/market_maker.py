"""Quote both sides around the smoothed mid, wider when it moves, leaning against the inventory."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from domain.desire import Desire, Quote, QuoteSet
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import Tick
from domain.protocols import View

SAMPLE_S = 1.0


class MarketMakerConfig(BaseModel):
    """Sizes are in quote currency; an inventory at its bound leans the quotes by `skew_bps`.

    A flat maker stands `half_spread_bps` from fair value, which has to cover its fee, and farther by
    `volatility_multiple` times a second's usual move, which is what the better informed win from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_spread_bps: Annotated[float, Field(ge=0, le=500)] = 3.3
    fair_s: Annotated[float, Field(ge=0)] = 0.5
    volatility_multiple: Annotated[float, Field(ge=0, le=100)] = 0.3
    volatility_s: Annotated[float, Field(gt=0)] = 20.0
    order_notional: Annotated[float, Field(gt=0)] = 500.0
    inventory_notional_max: Annotated[float, Field(gt=0)] = 3_000.0
    skew_bps: Annotated[float, Field(ge=0, le=500)] = 3.0
    requote_ms: Annotated[int, Field(ge=0, le=60_000)] = 200


class _State(msgspec.Struct, array_like=True):
    seen_ns: int = 0
    fair: float = 0.0
    quoted_ns: int = 0
    sampled_ns: int = 0
    sampled: float = 0.0
    variance: float = 0.0


class MarketMaker:
    """Answer ticks with a bid and an ask, each left out when the inventory is at its bound."""

    Config = MarketMakerConfig

    def __init__(self, config: MarketMakerConfig, instrument: Instrument) -> None:
        self.config, self._instrument = config, instrument
        self._quote_value = instrument.tick_lot_atoms / 10**10
        self._state = _State()

    def step(self, view: View, event: Event) -> Desire | None:
        """Answer a tick, at most once per `requote_ms`."""
        if type(event) is not Tick or event.bid_ticks <= 0 or event.ask_ticks <= event.bid_ticks:
            return None
        config, state, instrument = self.config, self._state, self._instrument
        bid, ask = event.bid_ticks, event.ask_ticks
        mid = (bid + ask) / 2
        fair = self._follow(event.local_ts_ns, mid)
        if event.local_ts_ns - state.quoted_ns < config.requote_ms * 1_000_000:
            return None
        state.quoted_ns = event.local_ts_ns
        lot_value = fair * self._quote_value
        size = max(instrument.size_lots_min, int(config.order_notional / lot_value))
        if size * bid * instrument.tick_lot_atoms < instrument.notional_atoms_min:
            return None
        bound = max(size, int(config.inventory_notional_max / lot_value))
        held = view.position(instrument.index).net_lots
        lean = fair * config.skew_bps / 10_000 * min(1.0, max(-1.0, held / bound))
        moves_frac = config.volatility_multiple * math.sqrt(state.variance)
        half = fair * (config.half_spread_bps / 10_000 + moves_frac)
        # Never take: a quote that its lean would carry across stops a tick short of the other side.
        low, high = min(fair, mid), max(fair, mid)
        bid_ticks = min(math.floor(low - half - lean), ask - 1)
        ask_ticks = max(math.ceil(high + half - lean), bid + 1, bid_ticks + 1)
        quotes = []
        if held < bound and bid_ticks > 0:
            quotes.append(Quote(1, bid_ticks, size))
        if held > -bound:
            quotes.append(Quote(-1, ask_ticks, size))
        return QuoteSet(instrument.index, tuple(quotes))

    def _follow(self, now_ns: int, mid: float) -> float:
        """Follow the mid without its jitter, which would make the best quote the most mistaken one."""
        state, config = self._state, self.config
        gone_s = (now_ns - state.seen_ns) / 1e9
        weight = -math.expm1(-gone_s / config.fair_s) if state.fair > 0 and config.fair_s > 0 else 1.0
        state.seen_ns = now_ns
        state.fair += (mid - state.fair) * weight
        elapsed_s = (now_ns - state.sampled_ns) / 1e9
        if elapsed_s >= SAMPLE_S:
            if state.sampled > 0:
                change = state.fair / state.sampled - 1
                kept = math.exp(-elapsed_s / config.volatility_s)
                state.variance = kept * state.variance + (1 - kept) * change * change / elapsed_s
            state.sampled_ns, state.sampled = now_ns, state.fair
        return state.fair

    def state(self) -> bytes:
        """Give everything that a restart needs."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self._state = msgspec.msgpack.decode(state, type=_State)
