"""Aggregation equals Flower's own, and bad updates do not count."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.aggregate import Update, aggregate, weighted_mean

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
with warnings.catch_warnings():  # typer, which flwr imports, uses a name that click has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
    from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

SHAPES = ((3, 2), (2,), ())


def update(region: str, examples: int, seed: int, dtype: type = np.float32) -> Update:
    """Build a region's update out of seeded noise."""
    draws = np.random.default_rng(seed)
    return Update(region, [np.asarray(draws.normal(size=shape), dtype=dtype) for shape in SHAPES], examples)


def flowers_mean(updates: list[Update]) -> list[np.ndarray]:
    """Ask Flower."""
    records = [
        RecordDict(
            {
                "arrays": ArrayRecord({str(i): Array(array) for i, array in enumerate(one.arrays)}),
                "metrics": MetricRecord({"num-examples": one.examples}),
            }
        )
        for one in updates
    ]
    return [array.numpy() for array in aggregate_arrayrecords(records, "num-examples").values()]


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=5), st.integers(0, 1000))
def test_the_mean_is_flowers(examples: list[int], seed: int) -> None:
    updates = [update(f"r{i}", count, seed + i) for i, count in enumerate(examples)]
    for ours, theirs in zip(weighted_mean(updates), flowers_mean(updates), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape


def test_a_region_with_thrice_the_examples_counts_thrice() -> None:
    tokyo = Update("tokyo", [np.array([1.0])], 3)
    nyc = Update("nyc", [np.array([5.0])], 1)
    assert weighted_mean([tokyo, nyc])[0] == [2.0]


LIKE = update("model", 1, 0).arrays
NAN = [LIKE[0], np.array([np.nan, 0], dtype=np.float32), LIKE[2]]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Update("nyc", LIKE, 0), "learnt from 0 examples"),
        (Update("nyc", LIKE[:2], 5), "2 arrays where 3 are due"),
        (Update("nyc", [LIKE[1], *LIKE[1:]], 5), "array 0 is float32(2,) where float32(3, 2) is due"),
        (update("nyc", 5, 1, np.float64), "array 0 is float64(3, 2) where float32(3, 2) is due"),
        (Update("nyc", NAN, 5), "array 1 is not finite"),
    ],
    ids=["no examples", "too few", "shape", "dtype", "NaN"],
)
def test_a_bad_update_is_named_and_does_not_count(bad: Update, reason: str) -> None:
    good = update("tokyo", 7, 1)
    mean, rejected = aggregate([good, bad], LIKE)
    assert mean is not None and all((a == b).all() for a, b in zip(mean, good.arrays, strict=True))
    assert [(one.region, one.reason) for one in rejected] == [("nyc", reason)]


def test_where_nothing_good_came_there_is_no_model() -> None:
    mean, rejected = aggregate([Update("nyc", LIKE, -1)], LIKE)
    assert mean is None and len(rejected) == 1


def test_averaging_nothing_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="nothing"):
        weighted_mean([])
