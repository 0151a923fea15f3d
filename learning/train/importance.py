"""Which columns move a model: SHAP values, by walking permutations of the columns both ways.

Štrumbelj and Kononenko (2014), Lundberg and Lee (2017). The shap package does the same, and its answers are
the tests' oracle, but it compiles for seven seconds before its first one.
"""

from __future__ import annotations

import numpy as np

from learning.models.model import F4, F8, Model
from learning.models.thread import one_thread
from learning.rows.row import DOWN, UP

ROWS_MAX, BACKGROUND_MAX, PERMUTATIONS = 64, 32, 10


def importance(model: Model, x: F4, seed: int) -> F8:
    """Give each column's mean absolute say in how much likelier up is told than down."""
    draws = np.random.default_rng(seed)
    rows = x[np.sort(draws.permutation(len(x))[:ROWS_MAX])]
    background = x[np.sort(draws.permutation(len(x))[:BACKGROUND_MAX])]
    found: F8 = np.abs(shapley(model, rows, background, seed)).mean(axis=0)
    return found


def shapley(model: Model, rows: F4, background: F4, seed: int) -> F8:
    """Give [row, column] what each column adds to up less down, against the background's rows.

    The values of a row sum to what is told of it less what is told of the background.
    """
    draws = np.random.default_rng(seed)
    added = np.zeros(rows.shape)
    with one_thread():
        for _ in range(PERMUTATIONS):
            order = draws.permutation(rows.shape[1])
            for way in (order, order[::-1]):
                _walk(model, rows, background, way, added)
    return added / (2 * PERMUTATIONS)


def _walk(model: Model, rows: F4, background: F4, way: np.ndarray, added: F8) -> None:
    mixed = np.repeat(background[None], len(rows), axis=0)
    before = _ahead(model, mixed)
    for column in way:
        mixed[:, :, column] = rows[:, None, column]
        after = _ahead(model, mixed)
        added[:, column] += after - before
        before = after


def _ahead(model: Model, mixed: F4) -> F8:
    told = model.predict(mixed.reshape(-1, mixed.shape[-1])).astype(np.float64)
    gaps: F8 = (told[:, UP] - told[:, DOWN]).reshape(mixed.shape[:2]).mean(axis=1)
    return gaps
