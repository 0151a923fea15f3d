"""The accountant against published figures, and against the exact curve where there is one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from federation.privacy.accountant import ORDERS, epsilon_of, rdp_of_release


def exact_epsilon(releases: int, noise: float, delta: float) -> float:
    """Solve the Gaussian mechanism's own curve (Balle and Wang 2018): composing adds squares."""
    mu = math.sqrt(releases) / noise

    def excess(epsilon: float) -> float:
        left = norm.cdf(mu / 2 - epsilon / mu)
        right = math.exp(epsilon + norm.logcdf(-mu / 2 - epsilon / mu))
        return float(left - right - delta)

    return float(brentq(excess, 0.0, 500.0))


def classic_epsilon(rdp: np.ndarray, delta: float) -> float:
    """Turn divergences into an epsilon as the first papers did (Mironov 2017, proposition 3)."""
    return float((rdp + math.log(1 / delta) / (np.array(ORDERS) - 1)).min())


@pytest.mark.parametrize(("epochs", "published"), [(100, 1.26), (400, 2.55)])
def test_the_moments_accountants_published_figures_are_met(epochs: int, published: float) -> None:
    """Abadi et al. 2016, section 3.2 and figure 2: rate 0.01, noise 4, delta 1e-5."""
    rdp = epochs * 100 * rdp_of_release(noise=4.0, rate=0.01)
    assert classic_epsilon(rdp, 1e-5) == pytest.approx(published, rel=0.015)
    assert 0.8 * published < epsilon_of(rdp, 1e-5) < published


@settings(max_examples=30)
@given(st.integers(1, 400), st.floats(0.8, 20.0), st.sampled_from([1e-5, 1e-6]))
def test_it_never_tells_less_than_the_truth_and_not_much_more(
    releases: int, noise: float, delta: float
) -> None:
    told = epsilon_of(releases * rdp_of_release(noise), delta)
    truth = exact_epsilon(releases, noise, delta)
    assert told >= truth * (1 - 1e-6)
    assert told <= 1.25 * truth + 0.1 or truth > 20


def test_drawing_a_member_less_often_tells_less() -> None:
    assert (rdp_of_release(1.0, 0.1) < rdp_of_release(1.0, 0.5)).all()
    np.testing.assert_allclose(rdp_of_release(2.0, 0.999999), rdp_of_release(2.0), rtol=1e-3)


def test_nothing_told_is_nothing_spent() -> None:
    assert epsilon_of(np.zeros(len(ORDERS)), 1e-5) == 0.0
