from __future__ import annotations

import random

import numpy as np
import pytest

from learning.train.drift import Drift, DriftConfig


def fired(errors: list[float], drift: Drift) -> list[int]:
    return [place for place, error in enumerate(errors) if drift.step(error)]


def test_it_fires_where_rivers_own_example_does() -> None:
    """river 0.26, doctest of drift.ADWIN: drift at 1023."""
    draws = random.Random(12345)
    stream = draws.choices([0, 1], k=1000) + draws.choices(range(4, 8), k=1000)
    assert fired([float(each) for each in stream], Drift()) == [1023]


def test_an_error_that_stays_as_it_is_never_fires() -> None:
    draws = np.random.default_rng(0)
    assert fired(draws.random(5000).tolist(), Drift()) == []


def test_an_error_that_falls_does_not_fire_and_is_the_new_mean() -> None:
    draws, drift = np.random.default_rng(0), Drift()
    errors = [*(1 + draws.random(1000)), *draws.random(1000)]
    assert fired(errors, drift) == []
    assert drift.mean < 0.7 and drift.rows == 2000


def test_more_doubt_fires_sooner() -> None:
    draws = np.random.default_rng(0)
    errors = [*(draws.random(1000) < 0.3), *(draws.random(1000) < 0.45)]
    sure, doubtful = (
        fired([float(each) for each in errors], Drift(DriftConfig(doubt_frac=doubt))) for doubt in (1e-6, 0.2)
    )
    assert 1000 <= doubtful[0] < sure[0]


def test_an_error_that_is_no_number_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        Drift().step(float("nan"))
