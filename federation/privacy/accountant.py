"""How much a region has told: Rényi differential privacy of blurred steps, composed, as an epsilon."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ORDERS: tuple[int, ...] = (*range(2, 65), 72, 80, 96, 128, 192, 256, 384, 512)


def rdp_of_release(noise: float, rate: float = 1.0) -> NDArray[np.float64]:
    """Give the Rényi divergence at every order of one step clipped to 1 and blurred by `noise`.

    `rate` is the share of releases that a member is drawn for (Mironov, Talwar, Zhang 2019, section 3.3); a
    region that always takes part has 1, and the plain Gaussian's order / (2 * noise ** 2) (Mironov 2017).
    """
    assert noise > 0 and 0 < rate <= 1, "without noise nothing is private"
    if rate == 1.0:
        return np.array([order / (2 * noise**2) for order in ORDERS])
    return np.array([_sampled(order, noise, rate) for order in ORDERS])


def _sampled(order: int, noise: float, rate: float) -> float:
    terms = [
        math.lgamma(order + 1)
        - math.lgamma(k + 1)
        - math.lgamma(order - k + 1)
        + (order - k) * math.log1p(-rate)
        + k * math.log(rate)
        + (k * k - k) / (2 * noise**2)
        for k in range(order + 1)
    ]
    return float(np.logaddexp.reduce(terms)) / (order - 1)


def epsilon_of(rdp: NDArray[np.float64], delta: float) -> float:
    """Turn composed divergences into an epsilon (Canonne, Kamath, Steinke 2020, proposition 12)."""
    if not rdp.any():
        return 0.0
    orders = np.array(ORDERS, np.float64)
    found = rdp + np.log1p(-1 / orders) - (math.log(delta) + np.log(orders)) / (orders - 1)
    return max(0.0, float(found.min()))
