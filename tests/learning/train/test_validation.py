from __future__ import annotations

import numpy as np
import pytest

from domain.errors import SwarmError
from learning.rows.row import Rows
from learning.train.validation import Fold, combinatorial, held_out, paths_of, purged, stretches, walk_forward
from tests.learning.builders import HORIZON_NS, STEP_NS, rows_with_signal

HORIZON = HORIZON_NS // STEP_NS


def every_fold(rows: Rows) -> list[Fold]:
    return [held_out(rows, 0.2), *walk_forward(rows, 4), *combinatorial(rows, 6, 2, 5 * STEP_NS)]


def test_no_fitted_row_knows_anything_of_a_tested_one() -> None:
    rows = rows_with_signal(300)
    rows.table["label_ns"] += np.random.default_rng(0).integers(0, 20, 300) * STEP_NS
    at, ends = rows.table["at_ns"], rows.table["label_ns"]
    folds = every_fold(rows)
    assert len(folds) == 1 + 4 + 15
    for fold in folds:
        begins, closes = at[fold.fit][:, None], ends[fold.fit][:, None]
        apart = (closes < at[fold.held]) | (begins > ends[fold.held])
        assert apart.all() and len(fold.fit) > 0


def test_the_walk_forward_and_the_held_out_rows_are_after_the_fitted_ones() -> None:
    rows = rows_with_signal(300)
    tested = []
    for fold in walk_forward(rows, 5):
        assert fold.fit.max() < fold.held.min() - HORIZON + 1
        tested.append(fold.held)
    assert np.concatenate(tested).tolist() == list(range(50, 300))


def test_nothing_later_changes_an_earlier_fold() -> None:
    rows = rows_with_signal(300)
    (first, *_), (again, *_) = walk_forward(rows, 5), walk_forward(rows.pick(slice(0, 300)), 5)
    assert np.array_equal(first.fit, again.fit)
    held = held_out(rows.pick(slice(0, 250)), 0.2)
    assert held.held.tolist() == list(range(200, 250)) and held.fit.max() == 199 - HORIZON


def test_rows_of_equal_length_are_purged_as_skfolio_does() -> None:
    from skfolio.model_selection import CombinatorialPurgedCV

    rows, embargo = rows_with_signal(300), 7
    oracle = CombinatorialPurgedCV(6, 2, purged_size=HORIZON, embargo_size=embargo)
    ours = list(combinatorial(rows, 6, 2, embargo * STEP_NS))
    theirs = list(oracle.split(np.empty((300, 1))))
    assert len(ours) == len(theirs) == 15
    for fold, (fit, tested) in zip(ours, theirs, strict=True):
        assert np.array_equal(fold.fit, fit)
        assert np.array_equal(fold.held, np.concatenate(tested))
        assert fold.ends == (len(tested[0]),)


def test_each_path_goes_once_through_every_stretch() -> None:
    rows = rows_with_signal(300)
    folds = list(combinatorial(rows, 6, 2, 0))
    paths = paths_of(6, 2)
    assert len(paths) == 5
    used = set()
    for path in paths:
        places = [np.split(folds[split].held, folds[split].ends)[stretch] for split, stretch in path]
        assert np.concatenate(places).tolist() == list(range(300))
        used |= set(path)
    assert len(used) == 30


def test_the_embargo_leaves_out_what_begins_soon_after() -> None:
    rows = rows_with_signal(100)
    kept = purged(rows, np.arange(100), [np.arange(20, 30)], embargo_ns=5 * STEP_NS)
    assert kept.tolist() == [*range(20 - HORIZON), *range(30 + HORIZON + 5, 100)]


def test_outcomes_that_last_longer_than_the_rows_are_refused() -> None:
    rows = rows_with_signal(60)
    rows.table["label_ns"] += 1000 * STEP_NS
    with pytest.raises(SwarmError, match="none is left to fit on"):
        list(combinatorial(rows, 6, 2, 0))
    assert list(walk_forward(rows, 4)) == []
    with pytest.raises(SwarmError, match="no stretch has two classes"):
        stretches(rows, 4)


def test_a_stretch_before_which_only_one_class_is_known_is_left_out() -> None:
    rows = rows_with_signal(120)
    rows.table["label"][:30] = 1
    assert [fold.held[0] for fold in walk_forward(rows, 5)] == [20, 40, 60, 80, 100]
    assert [fold.held[0] for fold in stretches(rows, 5)] == [60, 80, 100]
