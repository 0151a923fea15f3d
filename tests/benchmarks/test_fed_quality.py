"""Regions that learn together come near to one that has all rows, and past any that is alone."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.fed_quality import SEEDS, once
from benchmarks.improved import KINDS, at_home, measured, table
from benchmarks.region_rows import regions
from learning.train.config import TrainConfig


def test_one_seed_has_the_shape_of_the_claim() -> None:
    federated, single, _, pooled = once(regions(1, 500, 300), seed=1, rounds=2)
    assert federated < single
    assert federated < 1.1 * pooled


@pytest.mark.soak
def test_five_seeds_hold_the_claim() -> None:
    found = np.array([once(regions(seed), seed, rounds=12) for seed in SEEDS])
    federated, single, _, pooled = found.T
    assert (federated < single).all()
    assert float((federated / pooled - 1).mean()) <= 0.02


def test_later_rows_are_later_than_all_that_was_known_when_learning_ended() -> None:
    for each in regions(2, 120, 60).values():
        assert each.fit.table["label_ns"].max() < each.test.table["at_ns"].min()
        assert len(each.test) == 60 and 100 <= len(each.fit) <= 120


def test_the_table_has_a_line_for_every_model_the_best_first() -> None:
    rows = regions(3, 200, 60)
    models = {kind: at_home(rows, TrainConfig(kind=kind), 3) for kind in KINDS[:3]}
    head, rule, *lines = table([measured(models, rows)] * 2)
    assert head.startswith("| model | log-loss |") and rule.count("---") == 8
    assert len(lines) == 3
    losses = [float(line.split("|")[2].split("±")[0]) for line in lines]
    assert losses == sorted(losses)
