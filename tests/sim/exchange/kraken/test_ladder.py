"""A side cut to a depth tells exactly what its listeners need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim.exchange.kraken.ladder import Ladder, Level

DEPTHS = (1, 2, 5, 100)
changes = st.lists(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 3)), max_size=4, unique_by=lambda one: one[0]),
    max_size=30,
)


def follow(seen: dict[int, int], told: list[Level], side: int, depth: int) -> dict[int, int]:
    """Do what Kraken's guide tells a client to do."""
    for price, size in told:
        if size == 0:
            del seen[price]
        else:
            seen[price] = size
    kept = sorted(seen, key=lambda price: -side * price)[:depth]
    return {price: seen[price] for price in kept}


@given(changes, st.sampled_from((1, -1)))
def test_whoever_follows_a_depth_sees_the_best_levels_at_every_moment(
    steps: list[list[Level]], side: int
) -> None:
    ladder, truth = Ladder(side, []), dict[int, int]()
    seen: list[dict[int, int]] = [{} for _ in DEPTHS]
    for levels in steps:
        told = ladder.change(levels, DEPTHS)
        truth |= dict(levels)
        truth = {price: size for price, size in truth.items() if size > 0}
        for at, depth in enumerate(DEPTHS):
            seen[at] = follow(seen[at], told[at], side, depth)
            best = sorted(truth, key=lambda price: -side * price)[:depth]
            assert list(seen[at].items()) == [(price, truth[price]) for price in best]
            assert ladder.best(depth) == [(price, truth[price]) for price in best]


def test_a_level_that_comes_back_into_sight_is_told_and_one_that_falls_out_is_not() -> None:
    asks = Ladder(-1, [(10, 1), (11, 1), (12, 1)])
    assert asks.change([(9, 5)], (2,)) == [[(9, 5)]]
    assert asks.change([(9, 0)], (2,)) == [[(9, 0), (11, 1)]]
    assert asks.change([(12, 7)], (2,)) == [[]]
    assert asks.change([(50, 0)], (2,)) == [[]]
