"""The world of a run: the demo's exchanges with one more account each, and everybody equally far away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agents.config import RegionConfig
from sim.exchange.config import AccountConfig, ExchangeConfig, load_exchanges
from sim.market.config import FlowConfig
from sim.study.naive import NaiveConfig
from sim.swarm import SwarmPlan
from sim.wan import WanConfig

ACCOUNT, NODE, REGION = "study", "study-1", "study"
HELD = {
    "BTC": "20",
    "ETH": "400",
    "SOL": "8000",
    "BNB": "2500",
    "XRP": "2000000",
    "ADA": "3000000",
    "DOGE": "9000000",
    "LTC": "16000",
    "USDT": "5000000",
    "EUR": "5000000",
}


class StudyConfig(BaseModel):
    """What every run of a study shares; `ours` is what our group's table says beyond its defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: float = Field(default=10.0, gt=0, le=24 * 60)
    taker_fee_ppm: int = Field(default=230, ge=0, lt=1_000_000)
    order_usdt_max: float = Field(default=5_000.0, gt=0)
    naive: NaiveConfig = NaiveConfig()
    ours: dict[str, Any] = Field(default_factory=dict)
    flow: FlowConfig = FlowConfig()


class Job(BaseModel):
    """One run: whose, how far from every venue (one way), and on which seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bot: str = Field(pattern=r"^(naive|ours)$")
    latency_ms: float = Field(gt=0, le=1_000)
    seed: int

    @property
    def latency_us(self) -> int:
        """Give the distance as paths take it."""
        return round(self.latency_ms * 1000)


def exchanges(path: Path, config: StudyConfig) -> tuple[ExchangeConfig, ...]:
    """Read the exchanges, and give each the study's account, so rich that no run ends for want of money."""
    kept = {"account_trades_kept": 100_000, "ended_orders_kept": 100_000}
    return tuple(
        one.model_copy(update={"accounts": (*one.accounts, _account(one, config)), **kept})
        for one in load_exchanges(path)
    )


def _account(exchange: ExchangeConfig, config: StudyConfig) -> AccountConfig:
    return AccountConfig(
        name=ACCOUNT,
        balances={asset: held for asset, held in HELD.items() if asset in exchange.assets},
        maker_fee_ppm=min(110, config.taker_fee_ppm),
        taker_fee_ppm=config.taker_fee_ppm,
    )


def plan(
    job: Job, config: StudyConfig, markets: Sequence[ExchangeConfig], regions: Sequence[RegionConfig] = ()
) -> SwarmPlan:
    """Put a region as far from every venue as the job says; the coordinator stays near."""
    pinned = {REGION: {one.name: job.latency_us for one in markets}}
    wan = WanConfig(pinned_us=pinned, coordinator_us={REGION: 400})
    return SwarmPlan(job.seed, markets, regions, wan, config.flow)
