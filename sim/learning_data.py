"""Rows to learn from, made by the simulated market: three regions that differ in kind, not only in seed.

Each region is one market on an exchange of its own with the usual crowd around it. Its books go through the
same `Features` as a node's, a decision is noted at a fixed cadence, and labels are those of `learning`.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from domain.draws import stream_seed
from domain.order import Side
from learning.rows.features import FEATURES, SPREAD, VOLATILITY, Features
from learning.rows.labels import LabelConfig, label_path, write_labels
from learning.rows.row import FEATURE_COUNT, ROW, UNLABELLED, Rows, Table
from sim.exchange.config import AccountConfig, ExchangeConfig, MarketConfig
from sim.exchange.exchange import Exchange
from sim.exchange.messages import DepthChange, PublicTrade
from sim.market.config import FlowConfig, price_config
from sim.market.prices import PriceProcess
from sim.market.view import MAKER, MOMENTUM, NOISE, ExchangeView, crowd

START_NS = 1_750_000_000_000_000_000
BASELINE = 2
_OFI = FEATURES.index("ofi_1")
_ACCOUNTS = tuple(
    AccountConfig(name=name, unlimited=True, open_orders_max=10_000) for name in (MAKER, NOISE, MOMENTUM)
)


class RegionMarket(BaseModel):
    """One region's market: how far it moves in a day, how wide and busy it is, and how much others know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    shard: int
    volatility_day_frac: Annotated[float, Field(gt=0, lt=1)]
    momentum_frac: Annotated[float, Field(ge=0, lt=1)]
    momentum_memory_frac: Annotated[float, Field(ge=0, lt=1)]
    maker_delay_quanta: Annotated[int, Field(ge=0, le=32)]
    half_spread_bps: Annotated[float, Field(gt=0)]
    maker_rate: Annotated[float, Field(gt=0)]
    noise_rate: Annotated[float, Field(gt=0)]
    momentum_rate: Annotated[float, Field(gt=0)]
    parent_rate: Annotated[float, Field(gt=0)]

    @property
    def exchange(self) -> ExchangeConfig:
        """Give the region's exchange with its one market."""
        market = MarketConfig(
            base="BTC",
            quote="USDT",
            tick="0.1",
            lot="0.00001",
            size_max="1000",
            start_price="68000",
            volatility_day_frac=self.volatility_day_frac,
        )
        return ExchangeConfig(
            name=f"{self.region}-x", assets=("BTC", "USDT"), markets=(market,), accounts=_ACCOUNTS
        )

    @property
    def flow(self) -> FlowConfig:
        """Give the region's crowd."""
        return FlowConfig(
            maker_rate=self.maker_rate,
            maker_delay_quanta=self.maker_delay_quanta,
            maker_half_spread_bps=self.half_spread_bps,
            maker_gap_bps=max(0.5, 0.4 * self.half_spread_bps),
            noise_rate=self.noise_rate,
            momentum_rate=self.momentum_rate,
            parent_rate=self.parent_rate,
        )


REGIONS = (
    RegionMarket(
        region="tokyo",
        shard=1,
        volatility_day_frac=0.03,
        momentum_frac=0.5,
        momentum_memory_frac=0.98,
        maker_delay_quanta=6,
        half_spread_bps=3.5,
        maker_rate=3.0,
        noise_rate=1.0,
        momentum_rate=0.8,
        parent_rate=1 / 30,
    ),
    RegionMarket(
        region="frankfurt",
        shard=2,
        volatility_day_frac=0.06,
        momentum_frac=0.4,
        momentum_memory_frac=0.98,
        maker_delay_quanta=10,
        half_spread_bps=5.0,
        maker_rate=1.5,
        noise_rate=0.6,
        momentum_rate=0.3,
        parent_rate=1 / 45,
    ),
    RegionMarket(
        region="nyc",
        shard=3,
        volatility_day_frac=0.045,
        momentum_frac=0.6,
        momentum_memory_frac=0.98,
        maker_delay_quanta=4,
        half_spread_bps=2.5,
        maker_rate=4.0,
        noise_rate=2.0,
        momentum_rate=1.6,
        parent_rate=1 / 20,
    ),
)


class DataConfig(BaseModel):
    """How often a decision is noted, and how it is labelled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cadence_s: Annotated[float, Field(gt=0)] = 1.0
    labels: LabelConfig = LabelConfig(up_multiple=0.7, down_multiple=0.7)


class _Run:
    """One region's market in virtual time, seen as a strategy sees it."""

    def __init__(self, market: RegionMarket, seed: int) -> None:
        config = market.exchange
        self.exchange = Exchange(config)
        changes = {name: getattr(market, name) for name in ("momentum_frac", "momentum_memory_frac")}
        plan = price_config([config]).model_copy(update=changes)
        prices = PriceProcess(plan, stream_seed(seed, "prices", market.region), (config.name,))
        self.flow = crowd(market.flow, config, prices, stream_seed(seed, market.region))
        self.view, self.features, self.now_ns = ExchangeView(self.exchange), Features(), START_NS
        self.path_ns: list[int] = []
        self.path_mid2: list[int] = []
        self.touch = (0, 0)

    def run(self, until_ns: int) -> None:
        """Let everything happen that is due up to a time."""
        while self.now_ns <= until_ns:
            moved = False
            for command in self.flow.step(self.now_ns, self.view):
                for output in self.exchange.step(command):
                    if type(output) is PublicTrade:
                        self._trade(output)
                    moved = moved or type(output) is DepthChange
            if moved:
                self._tick()
            self.now_ns = max(self.flow.next_ns, self.now_ns + 1)

    def _trade(self, trade: PublicTrade) -> None:
        side = int(Side.SELL if trade.buyer_is_maker else Side.BUY)
        self.features.traded(trade.now_ns, trade.size_lots, side)

    def _tick(self) -> None:
        _, bids, asks = self.exchange.depth(0, 5)
        if not bids or not asks:
            return
        (bid, bid_lots), (ask, ask_lots) = bids[0], asks[0]
        levels = np.array(bids, np.int64).reshape(-1), np.array(asks, np.int64).reshape(-1)
        self.features.see(self.now_ns, bid, bid_lots, ask, ask_lots, *levels)
        if (bid, ask) != self.touch:
            self.touch = (bid, ask)
            self.path_ns.append(self.now_ns)
            self.path_mid2.append(bid + ask)


def region_rows(market: RegionMarket, seed: int, rows: int, config: DataConfig | None = None) -> Rows:
    """Give so many labelled rows of a region's market, in the order of their times.

    Decisions are those of a baseline that follows the order flow, for meta-labels to judge.
    """
    config = config if config is not None else DataConfig()
    run, table = _Run(market, seed), np.zeros(rows, ROW)
    mid2, cadence_ns = np.empty(rows), round(config.cadence_s * 1e9)
    out: NDArray[np.float32] = np.empty(FEATURE_COUNT, np.float32)
    made, now_ns = 0, START_NS
    while made < rows:
        now_ns += cadence_ns
        run.run(now_ns)
        if run.features.vector(now_ns, out):
            table["at_ns"][made], mid2[made] = now_ns, sum(run.touch)
            table["features"][made] = out
            made += 1
    run.run(now_ns + config.labels.horizon_ns + cadence_ns)
    _complete(table, mid2, market, run, config)
    return Rows.of(market.exchange.name, "BTCUSDT", table)


def _complete(
    table: Table, mid2: NDArray[np.float64], market: RegionMarket, run: _Run, config: DataConfig
) -> None:
    features = table["features"]
    table["shard"], table["mode"] = market.shard, BASELINE
    table["probabilities"] = table["realised_bps"] = np.nan
    table["decision_ppm"] = (
        np.where(np.abs(features[:, _OFI]) > 0.5, np.sign(features[:, _OFI]), 0) * 1_000_000
    )
    table["mid"] = mid2 / 2 * run.exchange.instruments[0].tick.value(1)
    table["spread_bps"], table["volatility_bps"] = features[:, SPREAD], features[:, VOLATILITY]
    table["label"] = table["meta"] = UNLABELLED
    path_ns, path_mid2 = np.array(run.path_ns, np.int64), np.array(run.path_mid2, np.float64)
    labels = label_path(
        path_ns, path_mid2, table["at_ns"], mid2, table["volatility_bps"], config.labels, run.now_ns
    )
    write_labels(table, labels, config.labels)
