"""Write a strategy and watch it trade in the simulator: python examples/custom_strategy.py [MINUTES]

A strategy is a value with a frozen config. It sees events and a view, and answers with what it wants to hold
or quote; the order desk works out the orders, the gate checks them, and the same value would run live.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import msgspec
from pydantic import BaseModel, ConfigDict

from agents.config import RegionConfig, load_region
from agents.strategies import STRATEGIES
from domain.desire import Desire, TargetPosition, Urgency
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import Tick
from domain.protocols import View
from sim.exchange.config import load_exchanges
from sim.swarm import SwarmModel, SwarmPlan, readable

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


class ReversionConfig(BaseModel):
    """Buy after a fall of `enter_bps` below the mean of `ticks`, sell after a rise, and be flat between."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ticks: int = 50
    enter_bps: float = 2.0
    notional: float = 500.0


class Reversion:
    """Bet on a return to the mean of the latest ticks."""

    Config = ReversionConfig

    def __init__(self, config: ReversionConfig, instrument: Instrument) -> None:
        self.config, self._instrument = config, instrument
        self._side = 0

    def step(self, view: View, event: Event) -> Desire | None:
        """Answer a tick with a target position."""
        if not isinstance(event, Tick):
            return None
        ring = view.ring(event.instrument)
        if len(ring) < self.config.ticks:
            return None
        recent = ring.last(self.config.ticks)  # a view of the ring: nothing is copied
        mean = float((recent["bid_ticks"] + recent["ask_ticks"]).mean()) / 2
        mid = (event.bid_ticks + event.ask_ticks) / 2
        gap_bps = (mid - mean) / mean * 10_000
        if abs(gap_bps) >= self.config.enter_bps:
            self._side = -1 if gap_bps > 0 else 1
        elif self._side * gap_bps > 0:
            self._side = 0
        value = self._instrument.notional_atoms(event.bid_ticks, 1) / 10**10
        lots = int(self.config.notional / value)
        return TargetPosition(event.instrument, self._side * lots, int(Urgency.PASSIVE))

    def state(self) -> bytes:
        """Give everything that a restart needs."""
        return msgspec.msgpack.encode(self._side)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self._side = msgspec.msgpack.decode(state, type=int)


def tokyo_with(strategy: str) -> RegionConfig:
    """Take the demo's Tokyo region; let its agents on dollar markets run another strategy, as it comes."""
    region = load_region(DEPLOY / "regions" / "tokyo" / "region.toml")
    agents = tuple(
        agent.model_copy(update={"strategy": strategy, "parameters": {}}) for agent in region.agents
    )
    return region.model_copy(update={"agents": agents})


def main(minutes: float) -> None:
    """Simulate and tell."""
    STRATEGIES["reversion"] = cast(Any, Reversion)
    exchanges = [one for one in load_exchanges(DEPLOY / "exchanges.toml") if one.name == "tokyo-x"]
    model = SwarmModel(SwarmPlan(seed=1, exchanges=exchanges, regions=[tokyo_with("reversion")]))
    model.run_for(minutes * 60)
    for agent in model.nodes[0].report().agents:
        print(
            f"{agent.name}: {agent.orders.sent} orders sent, {agent.fills} fills, holds {agent.position_text}"
        )
    model.stop()
    summary = model.summary(readable)
    print(f"PnL {summary.pnl_quote:+.2f}, positions match: {summary.positions_match}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
