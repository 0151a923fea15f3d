from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.models.stake import Stake


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(1, 120), st.floats(0.01, 1000), st.integers(0, 10_000))
def test_the_gain_stays_within_the_published_bound_of_the_best_expert(
    experts: int, rounds: int, scale: float, seed: int
) -> None:
    draws = np.random.default_rng(seed)
    gains = scale * draws.normal(draws.normal(size=experts) * draws.integers(0, 2), 1.0, (rounds, experts))
    stake, earned = Stake(experts), 0.0
    for each in gains:
        assert stake.shares.sum() == pytest.approx(1.0)
        earned += stake.step(each)
    spread = float(np.ptp(gains, axis=1).max())
    log = math.log(experts)
    bound = spread * math.sqrt(rounds * log) + spread * (4 / 3 * log + 2)
    assert gains.sum(axis=0).max() - earned <= bound + 1e-9 * scale


def test_the_better_expert_takes_over_and_loses_its_share_when_it_fails() -> None:
    stake = Stake(2)
    for _ in range(30):
        stake.step(np.array([1.0, 0.0]))
    assert stake.shares[0] > 0.99
    for _ in range(80):
        stake.step(np.array([-1.0, 1.0]))
    assert stake.shares[1] > 0.99


def test_one_expert_has_the_whole_stake() -> None:
    stake = Stake(1)
    assert stake.step(np.array([-3.0])) == -3.0
    assert stake.shares.tolist() == [1.0]
