"""Quantiles of a stream's latest values are those of the values themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.worth.quantile import Window

VALUES = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1, max_size=60)


@settings(max_examples=80, deadline=None)
@given(VALUES, st.integers(1, 20), st.floats(0, 1))
def test_a_quantile_is_the_exact_one_of_what_is_in_the_window(
    values: list[float], size: int, frac: float
) -> None:
    window = Window(size)
    for value in values:
        window.add(value)
    latest = values[-size:]
    assert window.oldest_first() == latest
    assert len(window) == len(latest) <= size
    assert window.quantile(frac) == pytest.approx(float(np.quantile(latest, frac)), rel=1e-9, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(VALUES, VALUES, st.integers(1, 20))
def test_a_window_made_again_goes_on_as_the_old_one(first: list[float], then: list[float], size: int) -> None:
    window = Window(size)
    for value in first:
        window.add(value)
    again = Window(size, window.oldest_first())
    for value in then:
        window.add(value)
        again.add(value)
        assert window.quantile(0.7) == again.quantile(0.7)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_our_own_mistake(value: float) -> None:
    with pytest.raises(AssertionError, match="not finite"):
        Window(3).add(value)


def test_an_empty_window_has_no_quantile() -> None:
    with pytest.raises(AssertionError, match="no values"):
        Window(3).quantile(0.5)
