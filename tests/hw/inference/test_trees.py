"""Trees are told as one comparison after the other tells them, and what are no trees is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import ExitCode, SwarmError
from hw.inference import forest as flat
from hw.inference.engine import ENGINES, engine_of, fastest
from hw.inference.network import FAR
from hw.inference.trees import Trees
from tests.hw.inference.forests import forest, told
from tests.hw.inference.networks import Floats


def rows(count: int = 40, seed: int = 0, inputs: int = 16) -> Floats:
    """Draw rows, many of them exactly on a threshold."""
    draw = np.random.default_rng(seed)
    return np.round(draw.normal(size=(count, inputs)), 1).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32), rounds=st.integers(1, 9), splits=st.integers(0, 20), classes=st.integers(2, 5)
)
def test_trees_of_any_shape_are_told_as_comparisons_tell_them(
    seed: int, rounds: int, splits: int, classes: int
) -> None:
    trees, x = forest(seed, rounds, splits, 9, classes), rows(20, seed, 9)
    engine, batch = engine_of("fused", trees.tensors()), np.full((2, 20, classes), np.nan, np.float32)
    assert engine.batch(x, batch[0]) == sum(engine.run(x[at], batch[1, at]) for at in range(20)) == 0
    assert batch[0].tobytes() == batch[1].tobytes()
    np.testing.assert_allclose(batch[0], told(trees, x), atol=1e-6)


def test_every_name_of_an_engine_opens_the_one_for_trees_and_another_name_none() -> None:
    tensors = forest().tensors()
    assert all(isinstance(engine_of(name, tensors), Trees) for name in ENGINES)
    assert fastest(tensors) in ENGINES
    with pytest.raises(SwarmError, match="no engine 'fusde'"):
        engine_of("fusde", tensors)


def test_a_row_that_is_not_finite_or_far_off_gets_equal_chances_and_is_counted() -> None:
    trees, x = forest(), rows(8)
    for at, value in enumerate((np.nan, np.inf, -np.inf, 3e38, -3e38)):
        x[at, at] = value
    x[5] = trees.mean + 2 * FAR * trees.scale
    out = np.zeros((8, 3), np.float32)
    assert Trees(trees).batch(x, out) == 6
    np.testing.assert_array_equal(out[:6], np.float32(1 / 3))
    assert out[6].std() > 0.01
    # Whoever learns takes all that is finite.
    assert np.isfinite(Trees(trees, np.inf).scores(x[3:])).all()
    with pytest.raises(AssertionError, match="not taken"):
        Trees(trees, np.inf).scores(x)


def test_a_row_of_another_length_is_refused_and_not_read_beyond() -> None:
    out = np.zeros(3, np.float32)
    assert Trees(forest()).run(np.zeros(15, np.float32), out) == 1
    np.testing.assert_array_equal(out, np.float32(1 / 3))
    with pytest.raises(AssertionError, match="fit"):
        Trees(forest()).batch(np.zeros((2, 15), np.float32), np.zeros((2, 3), np.float32))


def refused(tensors: Any) -> str:
    with pytest.raises(SwarmError) as caught:
        engine_of("fused", tensors)
    assert caught.value.code == ExitCode.BAD_DATA and "\n" not in str(caught.value)
    return caught.value.what


def test_arrays_that_are_no_trees_are_refused_by_name() -> None:
    good: dict[str, Any] = forest(3).tensors()
    for name in flat.ALL - {flat.ROOTS}:
        found = refused({key: each for key, each in good.items() if key != name})
        assert name in found and "missing" in found
    assert refused({key: each for key, each in good.items() if key != flat.ROOTS}) == "0 weights, not 1 to 8"
    splits = len(good[flat.COLUMNS])
    wrongs: tuple[tuple[str, Any, str], ...] = (
        (flat.LEFT, good[flat.LEFT][:-1], "trees.left has"),
        (flat.LEAVES, good[flat.LEAVES][:-1], "trees.leaves has"),
        (flat.THRESHOLDS, good[flat.THRESHOLDS].astype(np.float32), "trees.thresholds is float32"),
        (flat.ROOTS, good[flat.ROOTS].reshape(-1), "trees.roots is int32"),
        (flat.ROOTS, good[flat.ROOTS][:0], "trees.roots has shape"),
        (flat.COLUMNS, good[flat.COLUMNS] + np.int32(16), "none of 16"),
        (flat.COLUMNS, good[flat.COLUMNS] - np.int32(16), "none of 16"),
        (flat.THRESHOLDS, good[flat.THRESHOLDS] * np.nan, "not finite"),
        (flat.LEAVES, good[flat.LEAVES] * 1e7, "too large"),
        (flat.LEFT, np.arange(splits, dtype=np.int32), "trees.left leads back"),
        (flat.RIGHT, np.zeros(splits, np.int32), "trees.right leads back"),
        (flat.LEFT, np.full(splits, 1 << 30, np.int32), "a split of the trees"),
        (flat.RIGHT, np.full(splits, -(1 << 31), np.int32), "of the trees is reached"),
        (flat.ROOTS, np.full_like(good[flat.ROOTS], -1), "of the trees is reached"),
        ("head", good["norm.mean"], "unknown tensor 'head'"),
    )
    for name, wrong, word in wrongs:
        assert word in refused({**good, name: wrong})


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from((flat.ROOTS, flat.LEFT, flat.RIGHT, flat.COLUMNS)),
    place=st.integers(0, 1 << 20),
    value=st.one_of(st.integers(-40, 40), st.sampled_from((-(1 << 31), (1 << 31) - 1))),
)
def test_a_number_changed_in_an_array_is_refused_or_still_a_tree(name: str, place: int, value: int) -> None:
    tensors: dict[str, Any] = forest(5).tensors()
    changed = tensors[name].copy()
    changed.reshape(-1)[place % changed.size] = value
    same = (changed == tensors[name]).all()
    try:
        engine = engine_of("fused", tensors | {name: changed})
    except SwarmError:
        assert not same
        return
    assert same or name == flat.COLUMNS, "what leads elsewhere is reached twice or never"
    assert engine.run(rows(1)[0], np.empty(3, np.float32)) == 0


def test_two_of_a_tree_may_change_places_and_more_than_a_node_takes_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trees = forest(1)
    turned: Any = trees.tensors()
    turned[flat.LEFT], turned[flat.RIGHT] = trees.right, trees.left
    assert isinstance(engine_of("fused", turned), Trees)
    monkeypatch.setattr(flat, "SPLITS_MAX", 5)
    assert "splits, over 5" in refused(trees.tensors())
    monkeypatch.setattr(flat, "SPLITS_MAX", 1_000)
    monkeypatch.setattr(flat, "TREES_MAX", 11)
    assert "it has 12 trees, over 11" in refused(trees.tensors())
