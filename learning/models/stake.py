"""AdaHedge (de Rooij et al., 2014): shares that follow the experts' gains, without a rate to tune."""

from __future__ import annotations

import math

import numpy as np

from learning.models.model import F8


class Stake:
    """Hold a share for each expert.

    Its gain stays within S·√(T·ln K) + S·(4/3·ln K + 2) of the best expert's, S the widest spread seen.
    """

    def __init__(self, experts: int) -> None:
        self.gains: F8 = np.zeros(experts)
        self.gap = 0.0

    @property
    def shares(self) -> F8:
        """Give the shares, which sum to one."""
        behind = self.gains - self.gains.max()
        rate = self._rate()
        raw = (behind == 0.0).astype(np.float64) if math.isinf(rate) else np.exp(rate * behind)
        told: F8 = raw / raw.sum()
        return told

    def _rate(self) -> float:
        experts = len(self.gains)
        return math.log(experts) / self.gap if self.gap > 0.0 and experts > 1 else math.inf

    def step(self, gains: F8) -> float:
        """Take one round's gains, and give what the shares have earned in it."""
        shares, rate = self.shares, self._rate()
        earned = float(shares @ gains)
        if math.isinf(rate):
            mixed = float(gains[shares > 0].max())
        else:
            top = float(gains.max())
            mixed = top + math.log(float(shares @ np.exp(rate * (gains - top)))) / rate
        self.gap += max(0.0, mixed - earned)
        self.gains = self.gains + gains
        return earned
