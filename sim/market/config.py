"""How the simulated market moves and how busy it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from sim.exchange.config import ExchangeConfig, MarketConfig

REFERENCE = "USDT"
DAY_NS = 86_400 * 1_000_000_000


class AssetConfig(BaseModel):
    """One asset: first value, size of a day's move, and how much of it the whole market shares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    price_usdt: float = Field(gt=0)
    volatility_day_frac: float = Field(default=0.04, ge=0)
    common_frac: float = Field(default=0.75, ge=0, le=1)
    offset_bps: float = Field(default=1.2, ge=0)


class PriceConfig(BaseModel):
    """The factor model, moved in quanta; `speed` packs so many seconds of market into one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    assets: dict[str, AssetConfig] = Field(min_length=1)
    quantum_ns: int = Field(default=100_000_000, gt=0)
    speed: float = Field(default=1.0, gt=0)
    momentum_frac: float = Field(default=0.35, ge=0, lt=1)
    momentum_memory_frac: float = Field(default=0.95, ge=0, lt=1)
    wild_multiple: float = Field(default=3.0, ge=1)
    wild_begin_frac: float = Field(default=0.002, ge=0, le=1)
    wild_end_frac: float = Field(default=0.01, ge=0, le=1)
    offset_keep_frac: float = Field(default=0.985, ge=0, lt=1)
    history_quanta: int = Field(default=64, ge=8)
    catch_up_quanta: int = Field(default=600, ge=1)

    @property
    def step_ns(self) -> int:
        """Give the wall time between two moves."""
        return max(1_000_000, round(self.quantum_ns / self.speed))

    def quantum_frac(self, asset: AssetConfig) -> float:
        """Give the standard deviation of one quantum's calm shock.

        Momentum and wild times enlarge a day's move, so the shocks are as much smaller.
        """
        turns = self.wild_begin_frac + self.wild_end_frac
        wild_frac = self.wild_begin_frac / turns if turns > 0 else 0.0
        regimes = math.sqrt(1 + wild_frac * (self.wild_multiple**2 - 1))
        grown = regimes / (1 - self.momentum_frac)
        return asset.volatility_day_frac * math.sqrt(self.quantum_ns / DAY_NS) / grown


class FlowConfig(BaseModel):
    """Who trades in every market besides us. Rates are per second and market.

    Noise takers know nothing. Momentum takers follow a move before makers have seen all of it, and
    arbitrageurs take what is wrong by more than their fee: these are the informed, a fifth of what takers
    trade (measured, and held by a test). For active stocks the informed share is estimated about as large
    (Easley, Kiefer, O'Hara and Paperman, Journal of Finance 51, 1996: about 0.16 to 0.22); we know of no
    firm figure for crypto spot, which may be higher.

    Now and then somebody works a large parent order on one market of one exchange as a chain of market
    orders. Makers lean against what they were made to hold (`lean_bps` for each quote's worth), so that
    market drifts away from the others and from its triangles until arbitrageurs and the makers' own
    hedging bring it back: such dislocations are all there are, and nobody places them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    maker_rate: float = Field(default=3.0, gt=0)
    maker_levels: int = Field(default=14, ge=1, le=50)
    # Chosen: at 2.5 this maker still earns 0.6 bps after its fee, but one that sees only the book loses.
    maker_half_spread_bps: float = Field(default=3.5, gt=0)
    maker_gap_bps: float = Field(default=1.5, gt=0)
    maker_noise_bps: float = Field(default=0.6, ge=0)
    maker_delay_quanta: int = Field(default=3, ge=0, le=32)
    maker_places_max: int = Field(default=14, ge=1)
    maker_usdt: float = Field(default=4_000.0, gt=0)
    noise_rate: float = Field(default=1.0, gt=0)
    noise_usdt: float = Field(default=150.0, gt=0)
    noise_usdt_max: float = Field(default=25_000.0, gt=0)
    noise_tail: float = Field(default=1.5, gt=1)
    momentum_rate: float = Field(default=0.8, gt=0)
    momentum_quanta: int = Field(default=30, ge=1)
    momentum_bps_min: float = Field(default=1.5, ge=0)
    # Who takes pays the taker fee, so a quote is worth taking only when it is wrong by more than that.
    arbitrage_edge_bps: float = Field(default=5.5, gt=0)
    arbitrage_delay_quanta: int = Field(default=1, ge=0, le=32)
    arbitrage_rate: float = Field(default=8.0, gt=0)
    arbitrage_usdt: float = Field(default=16_000.0, gt=0)
    parent_rate: float = Field(default=1 / 150, gt=0)
    parent_usdt: float = Field(default=10_000.0, gt=0)
    parent_usdt_max: float = Field(default=250_000.0, gt=0)
    parent_tail: float = Field(default=1.2, gt=1)
    child_rate: float = Field(default=6.0, gt=0)
    child_usdt: float = Field(default=12_000.0, gt=0)
    lean_bps: float = Field(default=1.0, ge=0)
    lean_bps_max: float = Field(default=30.0, ge=0)
    lean_half_life_s: float = Field(default=5.0, gt=0)
    slip_bps: float = Field(default=30.0, gt=0)

    def faster(self, speed: float) -> FlowConfig:
        """Give the same crowd in a hurry."""
        rates = ("maker_rate", "noise_rate", "momentum_rate", "arbitrage_rate", "parent_rate", "child_rate")
        update = {name: getattr(self, name) * speed for name in rates}
        return self.model_copy(update={**update, "lean_half_life_s": self.lean_half_life_s / speed})


def price_config(exchanges: Sequence[ExchangeConfig], speed: float = 1.0) -> PriceConfig:
    """Take first values and volatilities from the markets that the exchanges list.

    An asset without a market against USDT gets its value through one that has.
    """
    markets = [market for exchange in exchanges for market in exchange.markets]
    found: dict[str, AssetConfig] = {
        REFERENCE: AssetConfig(price_usdt=1.0, volatility_day_frac=0.0, common_frac=0.0, offset_bps=0.0)
    }
    known = -1
    while known != len(found):
        known = len(found)
        for market in markets:
            if market.base not in found and market.quote in found:
                found[market.base] = _asset(market, found[market.quote].price_usdt)
    missing = [market.symbol for market in markets if market.base not in found or market.quote not in found]
    assert not missing, f"no path of markets to {REFERENCE}: {', '.join(missing)}"
    return PriceConfig(assets=found, speed=speed)


def _asset(market: MarketConfig, quote_usdt: float) -> AssetConfig:
    price = float(market.start_price) * quote_usdt
    # What hardly moves is pegged: it follows nobody and is the same everywhere.
    pegged = market.volatility_day_frac < 0.01
    shared, offset = (0.0, 0.2) if pegged else (0.75, 1.2)
    return AssetConfig(
        price_usdt=price,
        volatility_day_frac=market.volatility_day_frac,
        common_frac=shared,
        offset_bps=offset,
    )
