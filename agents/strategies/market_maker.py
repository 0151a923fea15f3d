"""Quote both sides around the microprice, leaning against the inventory."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from domain.desire import Desire, Quote, QuoteSet
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import Tick
from domain.protocols import View


class MarketMakerConfig(BaseModel):
    """Sizes are in quote currency; an inventory at its bound leans the quotes by `skew_bps`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_spread_bps: Annotated[float, Field(ge=0, le=500)] = 2.0
    join_touch: bool = True
    order_notional: Annotated[float, Field(gt=0)] = 500.0
    inventory_notional_max: Annotated[float, Field(gt=0)] = 3_000.0
    skew_bps: Annotated[float, Field(ge=0, le=500)] = 3.0
    requote_ms: Annotated[int, Field(ge=0, le=60_000)] = 200


class _State(msgspec.Struct, array_like=True):
    quoted_ns: int = 0
    bid_ticks: int = 0
    ask_ticks: int = 0


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
        if event.local_ts_ns - state.quoted_ns < config.requote_ms * 1_000_000:
            return None
        state.quoted_ns = event.local_ts_ns
        bid, ask = event.bid_ticks, event.ask_ticks
        weight = event.bid_lots / max(1, event.bid_lots + event.ask_lots)
        micro = ask * weight + bid * (1 - weight)
        lot_value = micro * self._quote_value
        size = max(instrument.size_lots_min, int(config.order_notional / lot_value))
        if size * bid * instrument.tick_lot_atoms < instrument.notional_atoms_min:
            return None
        bound = max(size, int(config.inventory_notional_max / lot_value))
        held = view.position(instrument.index).net_lots
        lean = micro * config.skew_bps / 10_000 * min(1.0, max(-1.0, held / bound))
        half = micro * config.half_spread_bps / 10_000
        state.bid_ticks = self._bid(micro - half - lean, bid, ask)
        state.ask_ticks = self._ask(micro + half - lean, bid, ask)
        quotes = []
        if held < bound and state.bid_ticks > 0:
            quotes.append(Quote(1, state.bid_ticks, size))
        if held > -bound:
            quotes.append(Quote(-1, max(state.ask_ticks, state.bid_ticks + 1), size))
        return QuoteSet(instrument.index, tuple(quotes))

    def _bid(self, fair: float, bid: int, ask: int) -> int:
        """Never take; where the touch is joined, never stand behind it unless the inventory leans so."""
        price = min(int(fair), ask - 1)
        return max(price, bid) if self.config.join_touch and price >= bid - self._slack(bid) else price

    def _ask(self, fair: float, bid: int, ask: int) -> int:
        price = max(-int(-fair // 1), bid + 1)
        return min(price, ask) if self.config.join_touch and price <= ask + self._slack(ask) else price

    def _slack(self, price: int) -> float:
        return price * self.config.half_spread_bps / 10_000

    def state(self) -> bytes:
        """Give everything that a restart needs."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self._state = msgspec.msgpack.decode(state, type=_State)
