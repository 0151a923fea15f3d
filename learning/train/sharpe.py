"""Sharpe ratios that know how many were tried (Bailey and López de Prado, 2012 and 2014)."""

from __future__ import annotations

from math import e, sqrt
from statistics import NormalDist

import numpy as np

from learning.models.model import F8

EULER_MASCHERONI = 0.5772156649015329
NORMAL = NormalDist()
DEVIATION_LEAST = 1e-12


def sharpe(gains: F8) -> float:
    """Give mean over deviation, for one period; zero where nothing moves."""
    if len(gains) < 2:
        return 0.0
    deviation = float(gains.std(ddof=1))
    return float(gains.mean()) / deviation if deviation > DEVIATION_LEAST else 0.0


def moments(gains: F8) -> tuple[float, float]:
    """Give skew and kurtosis (three for a normal)."""
    inner = gains - gains.mean()
    deviation = float(gains.std())
    if len(gains) < 2 or deviation < DEVIATION_LEAST:
        return 0.0, 3.0
    return float((inner**3).mean()) / deviation**3, float((inner**4).mean()) / deviation**4


def probabilistic(
    found: float, benchmark: float, periods: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Give the probability that the true ratio is above the benchmark, all for one period."""
    if periods < 2:
        return 0.5
    width = 1.0 - skew * found + (kurtosis - 1.0) / 4.0 * found**2
    return NORMAL.cdf((found - benchmark) * sqrt(periods - 1) / sqrt(max(width, DEVIATION_LEAST)))


def expected_best(trials: int, variance: float) -> float:
    """Give the best ratio to be expected of so many trials without any skill."""
    assert trials >= 1 and variance >= 0
    if trials == 1:
        return 0.0
    low, high = NORMAL.inv_cdf(1 - 1 / trials), NORMAL.inv_cdf(1 - 1 / (trials * e))
    return sqrt(variance) * ((1 - EULER_MASCHERONI) * low + EULER_MASCHERONI * high)


def deflated(
    found: float, trials: int, variance: float, periods: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Give the probability that the best of so many trials has skill; `variance` is of their ratios."""
    return probabilistic(found, expected_best(trials, variance), periods, skew, kurtosis)


def deflated_of(gains: F8, tried: list[float]) -> float:
    """Deflate the ratio of these gains by the ratios of all that were tried, this one among them."""
    variance = float(np.var(tried, ddof=1)) if len(tried) > 1 else 0.0
    skew, kurtosis = moments(gains) if len(gains) > 0 else (0.0, 3.0)
    return deflated(sharpe(gains), max(1, len(tried)), variance, len(gains), skew, kurtosis)
