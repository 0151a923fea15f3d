"""What everything is worth: one value per asset against USDT, and a small offset per exchange."""

from __future__ import annotations

import math
from collections import deque
from random import Random

from domain.draws import stream
from sim.market.config import PriceConfig

BPS = 1e-4


class PriceProcess:
    """Move all assets together: a common shock, each asset's own, momentum and two volatility regimes.

    The value at a time depends on the seed and on the times that `step` was given, on nothing else;
    stepping twice to one time changes nothing, so any number of exchanges can share one process.
    """

    def __init__(self, config: PriceConfig, seed: int, exchanges: tuple[str, ...]) -> None:
        self.config = config
        self.exchanges = exchanges
        self.assets = tuple(config.assets)
        self._index = {asset: place for place, asset in enumerate(self.assets)}
        self._log = [math.log(one.price_usdt) for one in config.assets.values()]
        self._loads = [
            (config.quantum_frac(one), one.common_frac, math.sqrt(1 - one.common_frac**2))
            for one in config.assets.values()
        ]
        self._momentum = [0.0] * len(self.assets)
        self._offsets = {name: [0.0] * len(self.assets) for name in exchanges}
        self._common = stream(seed, "market", "common")
        self._own = [stream(seed, "market", "asset", asset) for asset in self.assets]
        self._offset_draws = {name: stream(seed, "market", "offset", name) for name in exchanges}
        self._wild = False
        self._quantum: int | None = None
        self._history: deque[tuple[float, ...]] = deque(maxlen=config.history_quanta)
        self._history.append(tuple(self._log))

    def step(self, now_ns: int) -> None:
        """Move on to a time; a gap longer than the catch-up bound is skipped, not simulated."""
        target = now_ns // self.config.step_ns
        if self._quantum is None:
            self._quantum = target
        count = min(target - self._quantum, self.config.catch_up_quanta)
        for _ in range(count):
            self._move()
        self._quantum = max(target, self._quantum)

    def value(self, exchange: str, asset: str, age: int = 0) -> float:
        """Give an asset's value at an exchange as it was some quanta ago."""
        place = self._index[asset]
        past = self._history[max(0, len(self._history) - 1 - age)]
        return math.exp(past[place] + self._offsets[exchange][place])

    def pair(self, exchange: str, base: str, quote: str, age: int = 0) -> float:
        """Give the fair price of a pair at an exchange."""
        return self.value(exchange, base, age) / self.value(exchange, quote, age)

    def change_bps(self, base: str, quote: str, quanta: int) -> float:
        """Tell how far a pair moved over the last quanta."""
        now, then = self._history[-1], self._history[max(0, len(self._history) - 1 - quanta)]
        one, other = self._index[base], self._index[quote]
        return ((now[one] - now[other]) - (then[one] - then[other])) / BPS

    def anchor(self, asset: str, price_usdt: float) -> None:
        """Set an asset's value, as a recovered exchange does from its own books."""
        self._log[self._index[asset]] = math.log(price_usdt)
        self._history.clear()
        self._history.append(tuple(self._log))

    def _move(self) -> None:
        config = self.config
        self._wild = self._common.random() < (
            1 - config.wild_end_frac if self._wild else config.wild_begin_frac
        )
        scale = config.wild_multiple if self._wild else 1.0
        common = self._common.gauss(0.0, 1.0)
        memory = config.momentum_memory_frac
        for place, (sigma, shared, alone) in enumerate(self._loads):
            shock = scale * sigma * (shared * common + alone * self._own[place].gauss(0.0, 1.0))
            change = shock + config.momentum_frac * self._momentum[place]
            self._momentum[place] = memory * self._momentum[place] + (1 - memory) * change
            self._log[place] += change
        for name, draws in self._offset_draws.items():
            self._drift(self._offsets[name], draws)
        self._history.append(tuple(self._log))

    def _drift(self, offsets: list[float], draws: Random) -> None:
        keep = self.config.offset_keep_frac
        spread = math.sqrt(1 - keep * keep) * BPS
        for place, one in enumerate(self.config.assets.values()):
            offsets[place] = keep * offsets[place] + spread * one.offset_bps * draws.gauss(0.0, 1.0)
