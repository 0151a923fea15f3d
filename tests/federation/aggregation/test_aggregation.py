"""Every aggregator against Flower's own; the mean to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.aggregation import AGGREGATORS
from federation.aggregation.adam import AdamConfig, Moments, fedadam
from federation.aggregation.krum import chosen
from federation.aggregation.mean import BLOCK, fedavg, mean_of, shares
from federation.aggregation.robust import trimmed_mean
from federation.update import Update, digest
from tests.federation.aggregation.flowers import answer, strategy, update

LIKE = update("model", 1, 0).arrays
COUNTS = st.lists(st.integers(1, 10_000), min_size=1, max_size=11)
FLOWERS = {
    "fedavg": "FedAvg",
    "fedprox": "FedProx",
    "trimmed_mean": "FedTrimmedAvg",
    "median": "FedMedian",
    "krum": "Krum",
}


def drawn(counts: list[int], seed: int, dtype: type = np.float32) -> list[Update]:
    return [update(f"r{place}", count, seed + place, dtype) for place, count in enumerate(counts)]


def ours(name: str, updates: list[Update]) -> list[np.ndarray]:
    return AGGREGATORS[name](updates, shares([each.examples for each in updates]), updates[0].arrays)


@settings(max_examples=25, deadline=None)
@given(COUNTS, st.integers(0, 1000), st.sampled_from([np.float32, np.float64]))
def test_the_mean_is_flowers_to_the_bit(counts: list[int], seed: int, dtype: type) -> None:
    updates = drawn(counts, seed, dtype)
    for mine, theirs in zip(ours("fedavg", updates), answer(strategy("FedAvg"), updates), strict=True):
        assert (
            mine.tobytes() == theirs.tobytes() and mine.dtype == theirs.dtype and mine.shape == theirs.shape
        )


def test_the_mean_of_arrays_longer_than_a_block_is_flowers_to_the_bit() -> None:
    draws = np.random.default_rng(1)
    updates = [
        Update(f"r{i}", "base", [draws.normal(size=(3, BLOCK)).astype(np.float32).T], 7 * i + 1)
        for i in range(4)
    ]
    assert ours("fedavg", updates)[0].tobytes() == answer(strategy("FedAvg"), updates)[0].tobytes()


def test_the_mean_is_the_same_without_compiled_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    updates = drawn([3, 40, 7, 1, 2, 9], seed=5)
    compiled = ours("fedavg", updates)
    monkeypatch.setenv("SWARM_KERNELS", "off")
    for mine, other in zip(ours("fedavg", updates), compiled, strict=True):
        assert mine.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", sorted(FLOWERS))
@pytest.mark.parametrize("count", [1, 2, 3, 5, 10])
def test_every_aggregator_is_flowers(name: str, count: int) -> None:
    updates = drawn([10 * i + 5 for i in range(count)], seed=count)
    theirs = answer(strategy(FLOWERS[name]), updates)
    for mine, other in zip(ours(name, updates), theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7)
        assert mine.dtype == other.dtype and mine.shape == other.shape


def test_every_aggregator_has_an_oracle() -> None:
    assert set(AGGREGATORS) == {*FLOWERS, "fedadam"}


def test_the_servers_step_is_flowers_over_many_versions() -> None:
    flower, current, moments = strategy("FedAdam"), LIKE, None
    for step in range(1, 6):
        updates = drawn([30, 10, 20], seed=step * 10)
        theirs = answer(flower, updates, current, step)
        mean = fedavg(updates, shares([30, 10, 20]), current)
        mine, moments = fedadam(mean, current, moments, step, AdamConfig())
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
            assert one.dtype == np.float32
        current = mine
    assert isinstance(moments, Moments)


def test_krum_takes_one_of_the_crowd_and_never_the_stranger() -> None:
    updates = drawn([1, 1, 1, 1], seed=3)
    near = [Update(f"n{i}", "base", [array + 0.01 * i for array in LIKE], 1) for i in range(4)]
    assert chosen([*near, updates[0]], faulty=1) != 4
    assert chosen([updates[0], *near], faulty=1) != 0


def test_one_poisoned_update_does_not_move_the_robust_means_far() -> None:
    good = [Update(f"g{i}", "base", [array + 0.01 * i for array in LIKE], 1) for i in range(4)]
    bad = Update("bad", "base", [array * -1000 for array in LIKE], 10**9)
    for name in ("trimmed_mean", "median", "krum"):
        for mine, model in zip(ours(name, [*good, bad]), LIKE, strict=True):
            assert np.abs(mine - model).max() <= 0.04
    assert (
        max(
            np.abs(array - model).max()
            for array, model in zip(ours("fedavg", [*good, bad]), LIKE, strict=True)
        )
        > 1
    )


def test_more_than_half_cannot_be_trimmed() -> None:
    with pytest.raises(AssertionError, match="nothing"):
        trimmed_mean(drawn([1], 1), [1.0], LIKE, cut_frac=0.5)


def test_a_region_with_thrice_the_examples_counts_thrice() -> None:
    mean = mean_of([np.array([1.0]), np.array([5.0])], shares([3, 1]), np.array([0.0]))
    assert mean == [2.0]


def test_the_sources_are_not_touched() -> None:
    updates = drawn([3, 4], 9)
    before = [digest(("a", "b", "c"), each.arrays) for each in updates]
    for name in AGGREGATORS:
        ours(name, updates)
    assert before == [digest(("a", "b", "c"), each.arrays) for each in updates]


def test_whole_numbers_are_our_own_mistake_since_their_mean_would_be_cut() -> None:
    with pytest.raises(AssertionError, match="a mean of int64 would be cut"):
        mean_of([np.array([1, 2]), np.array([3, 4])], [0.5, 0.5], np.array([0, 0]))
