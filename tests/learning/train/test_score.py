from __future__ import annotations

import numpy as np
import pytest

from learning.train.config import NS_PER_S, TrainConfig
from learning.train.score import by_period, confusion, figures, gains_of, periods_of, sides_of
from tests.learning.builders import rows_with_signal

TOLD = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6], [0.44, 0.1, 0.46]], np.float32)


def test_a_side_is_taken_where_it_is_likeliest_and_far_enough_ahead() -> None:
    assert sides_of(TOLD, 0.1).tolist() == [-1, 0, 1, 0]
    assert sides_of(TOLD, 0.0).tolist() == [-1, 0, 1, 1]


def test_a_decision_earns_the_move_less_its_cost() -> None:
    rows = rows_with_signal(4)
    rows.table["gross_bps"] = [-5.0, 9.0, -1.0, 3.0]
    assert gains_of(rows, TOLD, TrainConfig(cost_bps=2.0)).tolist() == [3.0, 0.0, -3.0, 0.0]


def test_gains_are_summed_by_period_and_quiet_ones_count() -> None:
    at_ns = np.array([5, 20, 61, 200], np.int64) * NS_PER_S
    gains = by_period(at_ns, np.array([1.0, 2.0, 4.0, 8.0]), 60 * NS_PER_S)
    assert gains.tolist() == [7.0, 0.0, 0.0, 8.0]
    assert len(by_period(at_ns[:0], np.empty(0), NS_PER_S)) == 0
    assert len(by_period(at_ns, np.ones(4), 1)) <= 1_000_001


def test_periods_are_as_long_as_outcomes_take_where_none_are_set() -> None:
    rows = rows_with_signal(100)
    gains = np.ones(100)
    assert periods_of(rows, gains, TrainConfig()).tolist() == [10.0] * 10
    assert periods_of(rows, gains, TrainConfig(period_s=50)).tolist() == [50.0, 50.0]
    assert len(periods_of(rows.pick(slice(0)), gains[:0], TrainConfig())) == 0


def test_the_confusion_counts_what_came_against_what_was_said() -> None:
    found = confusion(TOLD, np.array([0, 0, 2, 1], np.int8))
    assert found.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_knowing_the_outcome_earns_all_there_is() -> None:
    rows = rows_with_signal(500)
    told = np.eye(3, dtype=np.float32)[rows.y]
    found = figures(rows, told, TrainConfig())
    assert found["accuracy_frac"] == 1.0 and found["brier"] == 0.0 and found["calibration_error"] == 0.0
    assert found["total_bps"] == pytest.approx(np.abs(rows.table["net_bps"]).sum(), rel=1e-6)
    assert found["sharpe"] > 0 and found["skill_frac"] > 0.99


def test_never_taking_a_side_earns_and_costs_nothing() -> None:
    rows = rows_with_signal(50)
    found = figures(rows, np.tile(np.array([0.2, 0.6, 0.2], np.float32), (50, 1)), TrainConfig())
    assert found["taken_frac"] == found["gain_bps"] == found["total_bps"] == found["sharpe"] == 0.0
