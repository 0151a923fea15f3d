from __future__ import annotations

import numpy as np

from learning.rows.row import Rows
from learning.train.config import BASELINES, TrainConfig
from learning.train.trial import compared, path_sharpes, tried, with_deflated
from tests.learning.builders import rows_with_signal


def test_the_model_and_its_baselines_are_tried_on_the_same_rows() -> None:
    rows, told = rows_with_signal(1200), []
    config = TrainConfig(kind="ridge", folds=3)
    trials = compared(rows, config, BASELINES, 0, lambda *step: told.append(step))
    assert [trial.kind for trial in trials] == ["ridge", "prior", "persistence", "logistic"]
    for trial in trials:
        assert np.array_equal(trial.held.table["at_ns"], trials[0].held.table["at_ns"])
        assert len(trial.folds) == 3 and trial.figures["tried"] == 1
    ridge, prior, _, logistic = (trial.figures for trial in trials)
    assert ridge["log_loss"] < prior["log_loss"] and logistic["total_bps"] > 0
    assert [step for step in told if step[0] == "prior"] == [("prior", done, 3) for done in range(4)]


def test_the_curve_ends_at_what_was_earned() -> None:
    trial = tried(rows_with_signal(800), TrainConfig(kind="logistic"), 0)
    assert np.isclose(trial.curve()[-1], trial.figures["total_bps"])


def test_having_tried_more_makes_it_less_certain() -> None:
    config = TrainConfig(kind="logistic", cost_bps=0.0)
    trial = tried(rows_with_signal(900, strength=0.3), config, 0)
    alone = with_deflated([trial], config)[0].figures["deflated_frac"]
    others = tuple(np.random.default_rng(0).normal(0.0, 0.4, 50))
    assert with_deflated([trial], config, others)[0].figures["deflated_frac"] < alone


def test_noise_has_no_skill_on_any_path_and_signal_on_all() -> None:
    config = TrainConfig(kind="logistic")
    assert min(path_sharpes(rows_with_signal(900), config, 0)) > 0.3
    noise = path_sharpes(rows_with_signal(900, strength=0.0), config, 0)
    assert len(noise) == 5 and max(noise) < 0.3


def test_outcomes_of_tested_rows_do_not_reach_what_is_told_of_them() -> None:
    rows, config = rows_with_signal(700), TrainConfig(kind="mlp", model={"epochs": 2}, folds=2)
    before = tried(rows, config, 0).probabilities
    table = rows.table.copy()
    last = len(rows) - len(rows) // 3
    table["label"][last:] = 2 - table["label"][last:]
    changed = tried(Rows(table, rows.markets, rows.market), config, 0).probabilities
    assert changed.tobytes() == before.tobytes()
