"""How far a maker's price leans against what it was made to hold."""

from __future__ import annotations

from sim.market.config import FlowConfig


class Lean:
    """Remember what a maker bought and sold lately; it is hedged elsewhere over time, and so forgotten."""

    __slots__ = ("_config", "_held_lots", "_now_ns")

    def __init__(self, config: FlowConfig) -> None:
        self._config, self._held_lots, self._now_ns = config, 0.0, 0

    def step(self, now_ns: int, bought_lots: int, quote_lots: float) -> float:
        """Take what was bought since the last step, and give the factor on fair value that follows."""
        config = self._config
        aged_s = (now_ns - self._now_ns) / 1e9
        self._held_lots = self._held_lots * 0.5 ** (aged_s / config.lean_half_life_s) + bought_lots
        self._now_ns = now_ns
        bps = -config.lean_bps * self._held_lots / quote_lots
        return 1 + max(-config.lean_bps_max, min(config.lean_bps_max, bps)) * 1e-4
