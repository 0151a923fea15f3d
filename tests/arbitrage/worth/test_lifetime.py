"""How long opportunities last is learnt from whether they were over when their orders came."""

from __future__ import annotations

import random
from math import log

import pytest

from arbitrage.worth.lifetime import LOST_FRAC_MAX, Lifetimes
from tests.arbitrage.markets import MS

ROUTE, OTHER = ((0, 1), (1, -1)), ((2, 1), (3, -1))


def lifetimes(half_life_ms: int = 100, samples: int = 10, memory: int = 2_000, routes: int = 64) -> Lifetimes:
    """Give what knows nothing yet."""
    return Lifetimes(half_life_ms * MS, samples, memory, routes)


def test_half_are_taken_to_be_gone_after_the_half_life() -> None:
    made = lifetimes(100)
    assert made.half_life_ns == pytest.approx(100 * MS)
    assert made.lost_frac(ROUTE, 0) == 0
    assert made.lost_frac(ROUTE, 100 * MS) == pytest.approx(0.5)
    assert made.lost_frac(ROUTE, 200 * MS) == pytest.approx(0.75)
    assert made.odds(ROUTE, 200 * MS) == pytest.approx(3)


@pytest.mark.parametrize("half_life_ms", [20, 700])
@pytest.mark.parametrize("waits_ms", [(2, 40), (50, 100), (400, 400)])
def test_the_half_life_is_found_from_what_was_over_at_whatever_latency(
    half_life_ms: int, waits_ms: tuple[int, int]
) -> None:
    made, draw = lifetimes(100), random.Random(7)
    for _ in range(6_000):
        wait_ns = draw.randint(*waits_ms) * MS
        lived_ns = draw.expovariate(log(2) / (half_life_ms * MS))
        made.add(ROUTE, wait_ns, float(lived_ns < wait_ns))
    if waits_ms[0] < 20 * half_life_ms:  # later than that all are over, whatever the half-life is
        assert made.half_life_ns == pytest.approx(half_life_ms * MS, rel=0.25)
    assert made.half_life_ns < 100 * MS if half_life_ms < 100 else made.half_life_ns > 100 * MS


def test_few_shadows_move_it_little_and_one_latency_tells_of_another() -> None:
    made = lifetimes(100)
    made.add(OTHER, 100 * MS, 1.0)
    assert 0.5 < made.lost_frac(ROUTE, 100 * MS) < 0.55
    for _ in range(50):
        made.add(OTHER, 100 * MS, 1.0)
    assert made.lost_frac(ROUTE, 50 * MS) > 0.5


def test_a_route_that_differs_from_all_others_is_known_for_it() -> None:
    made = lifetimes(100)
    for _ in range(40):
        made.add(ROUTE, 100 * MS, 0.0)
        made.add(OTHER, 100 * MS, 1.0)
    assert made.lost_frac(ROUTE, 100 * MS) < 0.2
    assert made.lost_frac(OTHER, 100 * MS) > 0.8


def test_old_times_fade() -> None:
    made = lifetimes(100, memory=20)
    for lost in [1.0] * 300 + [0.0] * 300:
        made.add(ROUTE, 100 * MS, lost)
    assert made.lost_frac(ROUTE, 100 * MS) < 0.2


def test_what_is_always_gone_has_odds_all_the_same_and_no_wait_tells_no_rate() -> None:
    made = lifetimes(100)
    made.add(OTHER, 0, 1.0)
    assert made.half_life_ns == pytest.approx(100 * MS)
    assert made.lost_frac(ROUTE, 10**18) == LOST_FRAC_MAX
    assert made.odds(ROUTE, 10**18) == pytest.approx(999)
    made.add(OTHER, 1, 0.5)  # so short a wait that its half is as good
    assert made.half_life_ns < 100 * MS


def test_routes_are_bounded_and_all_of_it_is_taken_back() -> None:
    made, other = lifetimes(routes=3), lifetimes(routes=3)
    for market in range(9):
        made.add(((market, 1),), 100 * MS, 1.0)
    assert made.lost_frac(((1, 1),), 100 * MS) == made.lost_frac(((99, 1),), 100 * MS)
    assert made.lost_frac(((8, 1),), 100 * MS) > made.lost_frac(((99, 1),), 100 * MS)
    other.restore(made.state())
    assert other.state() == made.state()
    assert other.odds(((8, 1),), 70 * MS) == made.odds(((8, 1),), 70 * MS)
