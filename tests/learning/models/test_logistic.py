from __future__ import annotations

import numpy as np

from learning.models.logistic import Logistic, newton
from tests.learning.builders import rows_with_signal


def test_it_finds_what_scikit_learn_finds() -> None:
    from sklearn.linear_model import LogisticRegression

    rows = rows_with_signal(800)
    model = Logistic({"ridge": 0.01})
    model.learn(rows.x, rows.y)
    tensors = model.export().tensors
    inner = ((rows.x - tensors["norm.mean"]) / tensors["norm.scale"]).astype(np.float64)
    oracle = LogisticRegression(C=1 / (0.01 * len(rows)), tol=1e-10, max_iter=2000).fit(inner, rows.y)
    assert np.abs(oracle.predict_proba(inner) - model.predict(rows.x)).max() < 2e-5


def test_weights_count_as_repeated_rows_do() -> None:
    rows = rows_with_signal(300)
    twice = np.concatenate([np.arange(300), np.arange(100)])
    weight = np.where(np.arange(300) < 100, 2.0, 1.0)
    start = np.zeros((3, 17))
    one, _, _ = newton(rows.x[twice].astype(float), rows.y[twice], np.ones(400), 0.1, start)
    two, _, _ = newton(rows.x.astype(float), rows.y, weight * 300 / 400, 0.1 * 300 / 400, start)
    assert np.abs(one - two).max() < 0.1


def test_separable_rows_do_not_run_away() -> None:
    x = np.linspace(-1, 1, 60, dtype=np.float32)[:, None]
    y = np.digitize(x[:, 0], [-0.3, 0.3]).astype(np.int8)
    model = Logistic({"inputs": 1})
    model.learn(x, y)
    told = model.predict(x)
    assert np.isfinite(told).all() and (told.argmax(axis=1) == y).mean() > 0.9
