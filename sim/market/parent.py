"""Somebody in a hurry: one large order, traded as a chain of market orders on one market of one exchange."""

from __future__ import annotations

from random import Random

from domain.order import Side
from sim.market.config import FlowConfig


class Parent:
    """Draw large orders one after the other, and tell the next part of the one that is being worked."""

    __slots__ = ("_config", "_draws", "_left_usdt", "_side")

    def __init__(self, config: FlowConfig, draws: Random) -> None:
        self._config, self._draws = config, draws
        self._left_usdt, self._side = 0.0, Side.BUY

    def step(self) -> tuple[Side, float]:
        """Give side and value of the next part; the first of them draws the whole."""
        config = self._config
        if self._left_usdt <= 0:
            self._side = Side.BUY if self._draws.random() < 0.5 else Side.SELL
            drawn = config.parent_usdt * self._draws.paretovariate(config.parent_tail)
            self._left_usdt = min(config.parent_usdt_max, drawn)
        part = min(self._left_usdt, config.child_usdt * (0.5 + self._draws.random()))
        self._left_usdt -= part
        return self._side, part

    def wait_s(self) -> float:
        """Draw how long it is until the next part, or until the next large order."""
        working = self._left_usdt > 0
        return self._draws.expovariate(self._config.child_rate if working else self._config.parent_rate)
