"""Builders of small simulated swarms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.config import RegionConfig, region
from sim.exchange.config import ExchangeConfig, load_exchanges
from sim.swarm import SwarmPlan

EXCHANGES = Path(__file__).parents[2] / "deploy" / "exchanges.toml"


def region_config(name: str, **changes: Any) -> RegionConfig:
    """Build a region with two makers and two momentum agents at its own exchange."""
    symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT"]
    kinds = ["market_maker", "momentum", "market_maker", "momentum"]
    shard = {"tokyo": 10, "frankfurt": 20, "nyc": 30}[name]
    table: dict[str, Any] = {
        "node": f"{name}-1",
        "region": name,
        "coordinator": {"address": "tcp://127.0.0.1:7070"},
        "venues": [
            {
                "name": f"{name}-x",
                "rest_url": "http://127.0.0.1:1",
                "stream_url": "ws://127.0.0.1:1",
                "api_url": "ws://127.0.0.1:1/ws-api/v3",
                "account": f"{name}-main",
                "api_key_env": "KEY",
                "api_secret_env": "SECRET",
                "symbols": symbols,
            }
        ],
        "agents": [
            {
                "name": f"{kind}-{symbol}",
                "shard": shard + n,
                "strategy": kind,
                "venue": f"{name}-x",
                "symbol": symbol,
            }
            for n, (kind, symbol) in enumerate(zip(kinds, symbols, strict=True))
        ],
        **changes,
    }
    return region(table, name)


def exchanges() -> tuple[ExchangeConfig, ...]:
    """Read the exchanges of the demo."""
    return load_exchanges(EXCHANGES)


def plan(seed: int, *names: str) -> SwarmPlan:
    """Build a swarm of these regions, all three where none is named."""
    regions = names or ("tokyo", "frankfurt", "nyc")
    wanted = [one for one in exchanges() if one.name.removesuffix("-x") in regions]
    return SwarmPlan(seed, wanted, [region_config(name) for name in regions])
