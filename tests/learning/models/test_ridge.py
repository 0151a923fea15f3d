from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from domain.errors import SwarmError
from learning.models import layers
from learning.models.model import F8
from learning.models.ridge import Ridge
from learning.train.calibration import reliability
from tests.learning.builders import rows_with_signal


def test_blocks_give_the_weights_of_the_textbook_recursion_row_by_row() -> None:
    rows = rows_with_signal(700)
    model = Ridge({"keep_frac": 0.995, "ridge": 2.0, "block": 64})
    model.learn(rows.x, rows.y)
    norm = layers.norm_of(rows.x, np.ones(len(rows)))
    wide = np.column_stack([layers.normed(norm, rows.x), np.ones(len(rows))])
    assert np.allclose(model.score_weights, recursion(wide, rows.y - 1.0, 0.995, 2.0), atol=1e-9)


def recursion(wide: npt.NDArray[Any], target: npt.NDArray[Any], keep: float, ridge: float) -> F8:
    """Run recursive least squares as in Haykin, Adaptive Filter Theory, table 10.1."""
    inverse, found = np.eye(wide.shape[1]) / ridge, np.zeros(wide.shape[1])
    for row, wanted in zip(wide, target, strict=True):
        gain = inverse @ row / (keep + row @ inverse @ row)
        found = found + gain * (wanted - row @ found)
        inverse = (inverse - np.outer(gain, row @ inverse)) / keep
    return found


def test_two_halves_learn_what_the_whole_does() -> None:
    rows = rows_with_signal(640)
    whole, again = Ridge({"block": 32}), Ridge({"block": 32})
    whole.learn(rows.x, rows.y)
    again._norm = whole._norm
    again.learn(rows.x[:320], rows.y[:320])
    again.learn(rows.x[320:], rows.y[320:])
    assert np.allclose(again.score_weights, whole.score_weights, atol=1e-9)


def test_its_probabilities_are_calibrated_on_rows_it_has_not_seen() -> None:
    fit, new = rows_with_signal(3000), rows_with_signal(3000, seed=8)
    model = Ridge()
    model.learn(fit.x, fit.y)
    assert reliability(model.predict(new.x), new.y).error < 0.03


def test_columns_that_it_shall_not_see_do_not_matter() -> None:
    rows = rows_with_signal(500)
    model = Ridge({"only": "0,1"})
    model.learn(rows.x, rows.y)
    other = rows.x.copy()
    other[:, 2:] = 9.0
    assert model.predict(other).tobytes() == model.predict(rows.x).tobytes()
    with pytest.raises(SwarmError, match="no column 16"):
        Ridge({"only": "0,16"})


def test_few_rows_are_scored_afterwards_rather_than_not_at_all() -> None:
    rows = rows_with_signal(60)
    model = Ridge()
    model.learn(rows.x, rows.y)
    assert np.ptp(model.predict(rows.x)[:, 2]) > 0.1


def test_a_layer_that_is_not_that_of_its_state_is_refused() -> None:
    rows = rows_with_signal(300)
    model = Ridge()
    model.learn(rows.x, rows.y)
    exported = model.export()
    exported.tensors["l0.bias"][0] += 1
    with pytest.raises(SwarmError, match="not that of its state"):
        Ridge.load(exported)
