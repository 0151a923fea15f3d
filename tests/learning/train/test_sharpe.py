"""Figures published by Bailey and López de Prado."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from learning.train.sharpe import deflated, deflated_of, expected_best, moments, probabilistic, sharpe


def test_the_deflated_ratio_is_the_papers() -> None:
    """The Deflated Sharpe Ratio (2014), numerical example: 2.5 a year over 1250 days, 100 trials."""
    daily, variance = 2.5 / sqrt(250), 0.5 / 250
    assert expected_best(100, variance) == pytest.approx(0.1132, abs=5e-5)
    assert deflated(daily, 100, variance, 1250, -3.0, 10.0) == pytest.approx(0.9004, abs=5e-5)


def test_fewer_trials_would_have_made_it_significant() -> None:
    """The same example: after 46 trials the strategy would have passed at 95 in 100."""
    daily, variance = 2.5 / sqrt(250), 0.5 / 250
    assert deflated(daily, 46, variance, 1250, -3.0, 10.0) == pytest.approx(0.9505, abs=5e-5)


def test_the_probabilistic_ratio_is_the_papers() -> None:
    """The Sharpe Ratio Efficient Frontier (2012): two years of months, with and without fat tails."""
    assert probabilistic(0.458, 0.0, 24) == pytest.approx(0.982, abs=1e-3)
    assert probabilistic(0.458, 0.0, 24, -2.448, 10.164) == pytest.approx(0.913, abs=1e-3)


def test_the_best_of_many_without_skill_is_what_draws_show() -> None:
    draws = np.random.default_rng(0).normal(size=(4000, 50))
    assert expected_best(50, 1.0) == pytest.approx(draws.max(axis=1).mean(), abs=0.05)
    assert expected_best(1, 1.0) == 0.0


def test_moments_are_those_of_known_distributions() -> None:
    draws = np.random.default_rng(0).exponential(size=400_000)
    skew, kurtosis = moments(draws)
    assert skew == pytest.approx(2.0, abs=0.1) and kurtosis == pytest.approx(9.0, abs=0.8)


def test_what_stands_still_or_is_short_has_no_ratio() -> None:
    assert sharpe(np.zeros(9)) == sharpe(np.array([1.0])) == 0.0
    assert moments(np.zeros(9)) == (0.0, 3.0)
    assert probabilistic(1.0, 0.0, 1) == 0.5
    assert deflated_of(np.empty(0), []) == 0.5


def test_trying_more_takes_belief_away() -> None:
    gains = np.random.default_rng(1).normal(0.1, 1.0, 300)
    tried = [0.1 * each for each in np.random.default_rng(2).normal(size=200)]
    assert deflated_of(gains, [sharpe(gains)]) > deflated_of(gains, [sharpe(gains), *tried]) + 0.2
