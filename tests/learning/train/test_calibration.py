from __future__ import annotations

import numpy as np
import pytest

from learning.models.model import F4, I1
from learning.train.calibration import brier, cooled, log_loss, reliability, temperature


def told_and_came(count: int = 12_000, sharper: float = 1.0) -> tuple[F4, I1]:
    """Draw classes from probabilities, then tell those probabilities made sharper."""
    draws = np.random.default_rng(0)
    true = draws.dirichlet([1.0, 1.0, 1.0], count)
    came = (draws.random((count, 1)) > true.cumsum(axis=1)).sum(axis=1).astype(np.int8)
    return cooled(true.astype(np.float32), 1 / sharper), came


def test_the_brier_score_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import brier_score_loss
    from sklearn.metrics import log_loss as oracle

    told, came = told_and_came(500)
    assert brier(told, came) == pytest.approx(brier_score_loss(came, told, scale_by_half=False), abs=1e-6)
    assert log_loss(told, came) == pytest.approx(oracle(came, told), abs=1e-5)


def test_true_probabilities_are_reliable_and_sharpened_ones_are_not() -> None:
    told, came = told_and_came()
    assert reliability(told, came).error < 0.01
    sure = reliability(*told_and_came(sharper=3.0))
    assert sure.error > 0.05
    assert sure.counts.sum() == 3 * 12_000
    assert sure.stated[-1] > sure.found[-1]


@pytest.mark.parametrize("rows", [30, 100, 1_000])
def test_few_rows_are_not_held_against_true_probabilities_and_do_not_hide_false_ones(rows: int) -> None:
    true, false = told_and_came(), told_and_came(sharper=4.0)
    folds = range(0, 40 * rows if rows < 300 else 12_000, rows)
    told = [np.mean([_error(which, at, rows) for at in folds]) for which in (true, false)]
    assert told[0] < 0.03 and told[1] > 0.08


def _error(which: tuple[F4, I1], at: int, rows: int) -> float:
    return reliability(which[0][at : at + rows], which[1][at : at + rows]).error


def test_the_temperature_undoes_what_sharpened() -> None:
    told, came = told_and_came(sharper=3.0)
    found = temperature(told, came)
    assert found == pytest.approx(3.0, rel=0.05)
    assert reliability(cooled(told, found), came).error < 0.01


def test_a_class_that_was_ruled_out_costs_much_but_not_everything() -> None:
    told = np.array([[1.0, 0.0, 0.0]], np.float32)
    assert 10 < log_loss(told, np.array([2], np.int8)) < 20


def test_no_rows_have_no_error() -> None:
    assert reliability(np.empty((0, 3), np.float32), np.empty(0, np.int8)).error == 0.0
