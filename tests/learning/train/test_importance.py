from __future__ import annotations

import warnings
from itertools import combinations
from math import comb

import numpy as np
import pytest

from learning.models.logistic import Logistic
from learning.models.mlp import Mlp
from learning.models.model import F4, F8
from learning.rows.row import DOWN, UP
from learning.train.importance import importance, shapley
from tests.learning.builders import rows_with_signal


class Linear(Logistic):
    """Tell a gap between up and down that is a line, whose Shapley values are known."""

    weights = np.linspace(0.0, 0.01, 16)

    def predict(self, x: F4) -> F4:
        gap = x.astype(np.float64) @ self.weights
        return np.column_stack([0.4 - gap / 2, 0.2 + 0 * gap, 0.4 + gap / 2]).astype(np.float32)


def curved() -> Logistic:
    """Learn three columns."""
    rows = rows_with_signal(400)
    model = Logistic({"inputs": 3})
    model.learn(rows.x[:, :3], rows.y)
    return model


def test_the_values_of_a_line_are_its_weights_times_the_distance_from_the_mean() -> None:
    x = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)
    found = shapley(Linear(), x[:8], x, seed=0)
    assert np.allclose(found, Linear.weights * (x[:8] - x.mean(axis=0)), atol=1e-6)


def test_the_values_are_those_of_shapleys_formula_over_all_coalitions() -> None:
    model, x = curved(), rows_with_signal(60, seed=3).x[:, :3]
    background = x[20:30]

    def ahead(row: F4, known: tuple[int, ...]) -> float:
        mixed = background.copy()
        mixed[:, list(known)] = row[list(known)]
        told = model.predict(mixed)
        return float((told[:, UP].astype(np.float64) - told[:, DOWN]).mean())

    def by_formula(row: F4) -> list[float]:
        found = [0.0, 0.0, 0.0]
        for column in range(3):
            others = [each for each in range(3) if each != column]
            for size in range(3):
                for known in combinations(others, size):
                    gain = ahead(row, (*known, column)) - ahead(row, known)
                    found[column] += gain / (3 * comb(2, size))
        return found

    exact = np.array([by_formula(row) for row in x[:5]])
    found = shapley(model, x[:5], background, seed=0)
    assert np.abs(found - exact).max() < 0.01
    assert np.allclose(found.sum(axis=1), exact.sum(axis=1), atol=1e-6)


def test_the_columns_that_move_the_rows_are_the_most_important_and_seeds_repeat() -> None:
    rows = rows_with_signal(600)
    model = Logistic()
    model.learn(rows.x, rows.y)
    found = importance(model, rows.x, seed=1)
    assert np.argsort(found)[::-1][:3].tolist() == [0, 1, 2]
    assert found[5] == 0.0
    assert importance(model, rows.x, seed=1).tobytes() == found.tobytes()


@pytest.mark.soak
def test_the_values_are_those_of_the_shap_package() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap

    rows = rows_with_signal(800)
    model = Mlp({"epochs": 10}, seed=1)
    model.learn(rows.x, rows.y)

    def ahead(x: F4) -> F8:
        told = model.predict(x.astype(np.float32)).astype(np.float64)
        gap: F8 = told[:, UP] - told[:, DOWN]
        return gap

    oracle = shap.explainers.Permutation(ahead, shap.maskers.Independent(rows.x[:32]), seed=0)
    theirs = oracle(rows.x[:20], max_evals=10 * 33, silent=True).values
    found = shapley(model, rows.x[:20], rows.x[:32], seed=0)
    assert np.allclose(found.sum(axis=1), theirs.sum(axis=1), atol=1e-6)
    # Two seeds of the package differ by 0.028 here.
    assert np.abs(found - theirs).max() < 0.05
    assert np.corrcoef(found.ravel(), theirs.ravel())[0, 1] > 0.995
