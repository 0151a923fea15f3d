"""However often one looks, chance alone seldom makes a canary look better or worse; a difference is found."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from learning.registry.sequential import BETTER, OPEN, WORSE, Comparison, SequentialConfig

Draws = Callable[[np.random.Generator, int], NDArray[np.float64]]
ALPHA, TRIALS, OUTCOMES = 0.1, 150, 300


def normal(draw: np.random.Generator, count: int) -> NDArray[np.float64]:
    return draw.normal(0, 10, count)


def heavy(draw: np.random.Generator, count: int) -> NDArray[np.float64]:
    return 5 * draw.standard_t(2, count)


def lottery(draw: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Mostly nothing, seldom a lot."""
    return np.where(draw.random(count) < 0.02, 45.0, -1.0)


def coins(draw: np.random.Generator, count: int) -> NDArray[np.float64]:
    return np.where(draw.random(count) < 0.5, 50.0, -50.0)


def looked(seed: int, draws: Draws, share: float, better_bps: float = 0.0) -> Comparison:
    """Take outcomes one by one, and stop at the first verdict: as one who looks after each would."""
    draw = np.random.default_rng(seed)
    comparison = Comparison(SequentialConfig(alpha=ALPHA))
    arms, outcomes = draw.random(OUTCOMES) < share, draws(draw, OUTCOMES)
    for is_canary, outcome in zip(arms.tolist(), outcomes.tolist(), strict=True):
        comparison.add("canary" if is_canary else "champion", outcome + better_bps * is_canary)
        if comparison.verdict != OPEN:
            break
    return comparison


@pytest.mark.parametrize("draws", [normal, heavy, lottery, coins])
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_equal_models_are_seldom_told_apart_by_one_who_peeks(draws: Draws, share: float) -> None:
    wrong = sum(looked(seed, draws, share).verdict != OPEN for seed in range(TRIALS))
    # Not more than alpha, with three deviations for the luck of this many trials.
    assert wrong <= TRIALS * ALPHA + 3 * math.sqrt(TRIALS * ALPHA * (1 - ALPHA))


def test_a_test_that_may_be_fooled_by_peeking_is_fooled_here() -> None:
    """The same trials mislead a test made for one look, so the test above can fail."""
    fooled = 0
    for seed in range(TRIALS):
        draw = np.random.default_rng(seed)
        d = draw.normal(0, 10, OUTCOMES) - draw.normal(0, 10, OUTCOMES)
        count = np.arange(1, OUTCOMES + 1)
        means = np.cumsum(d) / count
        deviations = np.sqrt(np.maximum(np.cumsum(d**2) / count - means**2, 1e-9) / count)
        fooled += bool((np.abs(means / deviations)[20:] > 1.645).any())
    assert fooled > TRIALS * ALPHA + 3 * math.sqrt(TRIALS * ALPHA * (1 - ALPHA))


@pytest.mark.parametrize(("better_bps", "verdict"), [(25.0, BETTER), (-25.0, WORSE)])
def test_a_difference_is_found(better_bps: float, verdict: str) -> None:
    comparisons = [looked(seed, normal, 0.5, better_bps) for seed in range(40)]
    found = [each.verdict for each in comparisons]
    assert found.count(verdict) >= 30 and set(found) <= {verdict, OPEN}


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.booleans(), st.floats(-1e9, 1e9)), max_size=60),
    st.integers(0, 60),
)
def test_it_goes_on_from_what_was_saved_as_if_never_stopped(
    outcomes: list[tuple[bool, float]], cut: int
) -> None:
    whole, part = Comparison(), Comparison()
    for number, (is_canary, outcome) in enumerate(outcomes):
        if number == cut:
            part = Comparison(state=part.save())
        for each in (whole, part):
            each.add("canary" if is_canary else "champion", outcome)
        low, high = whole.interval
        assert low < high
    assert part.interval == whole.interval and part.pairs == whole.pairs


def test_outcomes_beyond_the_limit_count_as_the_limit() -> None:
    plain, wild = Comparison(), Comparison()
    for _ in range(50):
        for each, size in ((plain, 50.0), (wild, 1e12)):
            each.add("champion", -size)
            each.add("canary", size)
    assert plain.interval == wild.interval


def test_nothing_is_known_before_both_have_an_outcome() -> None:
    comparison = Comparison()
    for _ in range(10):
        comparison.add("champion", 1.0)
    assert comparison.pairs == 0 and comparison.interval == (-math.inf, math.inf)
    assert comparison.verdict == OPEN
    comparison.add("canary", 1.0)
    assert comparison.pairs == 1


@pytest.mark.parametrize(("arm", "outcome"), [("canary", math.nan), ("other", 1.0)])
def test_what_is_no_outcome_is_our_mistake(arm: str, outcome: float) -> None:
    with pytest.raises(AssertionError):
        Comparison().add(arm, outcome)
