"""Kraken's counters rise with what is done and fall with time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.exchange.kraken.limits import S_NS, Counter, RateLimits, Step, trading_cost


@pytest.mark.parametrize(
    ("step", "costs"),
    [
        (Step.ADD, (1, 1, 1, 1, 1, 1, 1)),
        (Step.AMEND, (4, 3, 2, 1, 1, 1, 1)),
        (Step.EDIT, (7, 6, 5, 3, 2, 1, 1)),
        (Step.CANCEL, (8, 6, 5, 4, 2, 1, 0)),
    ],
)
def test_a_step_costs_what_the_guide_says_for_the_orders_age(step: Step, costs: tuple[int, ...]) -> None:
    ages_s = (4, 9, 14, 44, 89, 299, 300)
    assert tuple(trading_cost(step, age * S_NS) for age in ages_s) == costs


def test_a_full_counter_refuses_until_it_has_fallen_and_forgets_what_it_refused() -> None:
    counter = Counter(15, 0.5)
    assert all(counter.allow(1, 0) for _ in range(15))
    assert not counter.allow(1, 0)
    assert not counter.allow(1, S_NS)
    assert counter.allow(1, 2 * S_NS)
    assert counter.value(2 * S_NS) == 15
    assert counter.value(100 * S_NS) == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 10)), max_size=40))
def test_a_counter_is_never_below_nought_nor_above_its_limit(steps: list[tuple[int, int]]) -> None:
    counter, now_ns = Counter(10, 1), 0
    for cost, passed_s in steps:
        now_ns = max(0, now_ns + passed_s * S_NS)
        counter.allow(cost, now_ns)
        assert 0 <= counter.value(now_ns) <= 10


def test_cancels_are_counted_and_never_refused() -> None:
    limits = RateLimits("starter")
    assert all(limits.trade(1, 0, Step.CANCEL, 0, 0) for _ in range(10))
    assert limits.trading_count(1, 0, 0) == 80
    assert not limits.trade(1, 0, Step.ADD, 0, 0)
    assert limits.trade(1, 1, Step.ADD, 0, 0) and limits.trade(2, 0, Step.ADD, 0, 0)
    assert limits.trade(1, 0, Step.ADD, 0, 21 * S_NS)
    assert limits.trading_max == 60


def test_keys_are_counted_apart_and_no_tier_counts_nothing() -> None:
    limits = RateLimits("pro")
    assert [limits.call("a", 2, 0) for _ in range(11)] == [True] * 10 + [False]
    assert limits.call("b", 2, 0)
    free = RateLimits("none")
    assert all(free.call("a", 9, 0) and free.trade(0, 0, Step.ADD, 0, 0) for _ in range(100))
    assert free.trading_max is None and free.trading_count(0, 0, 0) == 0
