"""The region of our arbitrage in the study: one group over all markets of all venues, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.config import RegionConfig, region
from sim.exchange.config import ExchangeConfig
from sim.study.world import ACCOUNT, NODE, REGION, Job, StudyConfig

SHARD = 100
# What all sagas that begin in an asset may lose together: some 500 USDT of each that a cycle can begin in.
LOSSES = {"USDT": "500", "BTC": "0.0075", "ETH": "0.15", "SOL": "3", "BNB": "0.8"}
# No message bound may decide what the study finds.
MESSAGES = {"messages_per_s": 1_000, "messages_burst": 1_000}


def ours(job: Job, config: StudyConfig, markets: Sequence[ExchangeConfig]) -> RegionConfig:
    """Write the region: the limits of an order as the naive bot's, those of what is held out of the way."""
    table: dict[str, Any] = {
        "node": NODE,
        "region": REGION,
        "coordinator": {"address": "tcp://127.0.0.1:7070"},
        "venues": [_venue(one) for one in markets],
        "agents": [_idle(markets[0])],
        "arbitrage": [
            {
                "name": "study",
                "shard": SHARD,
                "limits": {
                    "order_notional_max": config.order_usdt_max,
                    "position_notional_max": 1_000_000,
                    "in_flight_max": 64,
                    **MESSAGES,
                },
                "capital": 20 * config.order_usdt_max,
                "losses": LOSSES,
                "reach_us": {REGION: {one.name: job.latency_us for one in markets}},
                **config.ours,
            }
        ],
        "limits": {"gross_notional_max": 100_000_000, **MESSAGES},
    }
    return region(table, "the study's region")


def _venue(one: ExchangeConfig) -> dict[str, Any]:
    return {
        "name": one.name,
        "rest_url": "http://127.0.0.1:1",
        "stream_url": "ws://127.0.0.1:1",
        "api_url": "ws://127.0.0.1:1/ws-api/v3",
        "account": ACCOUNT,
        "api_key_env": "KEY",
        "api_secret_env": "SECRET",
        "symbols": [market.symbol for market in one.markets],
    }


def _idle(one: ExchangeConfig) -> dict[str, Any]:
    """Name the one agent that a region must have; it asks for moves that there are none of."""
    return {
        "name": "idle",
        "shard": SHARD - 1,
        "strategy": "momentum",
        "venue": one.name,
        "symbol": one.markets[0].symbol,
        "parameters": {"enter_bps": 1_000.0},
    }
