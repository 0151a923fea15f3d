"""The watch for drift: what it counts, and how it is laid out."""

from __future__ import annotations

import numpy as np

from benchmarks.drifts import Found, errors, line, told_after
from learning.models.logistic import Logistic
from learning.train.drift import DriftConfig
from tests.learning.builders import rows_with_signal


def test_a_market_that_answers_the_other_way_round_is_told_and_one_that_stays_is_not() -> None:
    rows, model = rows_with_signal(2000), Logistic()
    model.learn(rows.x[:1000], rows.y[:1000])
    stays, turned = errors(model, rows), errors(model, rows, turned=True)
    assert turned.mean() > 2 * stays.mean()
    assert told_after(DriftConfig(), stays[:1000], stays[1000:]) is None
    after = told_after(DriftConfig(), stays[:1000], turned[1000:])
    assert after is not None and 1 <= after < 100


def test_a_line_tells_how_many_changes_were_told_and_when() -> None:
    found = [Found(3, 100, None), Found(0, 300, None)]
    assert line(0.002, found) == "| 0.002 | 2.5 | 2 of 2, 200 | 0 of 2 |"
    assert np.isfinite(float(line(0.02, found).split("|")[2]))
