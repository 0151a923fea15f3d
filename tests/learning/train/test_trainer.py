from __future__ import annotations

import numpy as np
import pytest

from domain.errors import SwarmError
from learning.models import load
from learning.train.config import TrainConfig
from learning.train.trainer import train
from tests.learning.builders import rows_with_signal


def test_training_beats_the_prior_and_earns_on_rows_it_has_not_seen() -> None:
    rows = rows_with_signal()
    trained = train(rows, None, TrainConfig(kind="mlp"), seed=1)
    shares = np.bincount(rows.y, minlength=3) / len(rows)
    assert trained.metrics["log_loss"] < 0.8 * -(shares * np.log(shares)).sum()
    assert trained.metrics["total_bps"] > 0


def test_the_same_rows_and_seed_give_the_same_bytes() -> None:
    rows = rows_with_signal(600)
    one, two = (train(rows, None, TrainConfig(), seed=3) for _ in range(2))
    assert one.metrics == two.metrics
    for name, tensor in one.exported.tensors.items():
        assert tensor.tobytes() == two.exported.tensors[name].tobytes()
    other = train(rows, None, TrainConfig(), seed=4)
    assert other.exported.tensors["l0.weight"].tobytes() != one.exported.tensors["l0.weight"].tobytes()


def test_shared_layers_alone_are_gone_on_from_with_the_regions_own_norm() -> None:
    rows = rows_with_signal(800)
    first = train(rows, None, TrainConfig(model={"epochs": 5}), seed=1).exported
    shared = {name: tensor for name, tensor in first.tensors.items() if name[:2] in ("l0", "l1")}
    again = train(rows, shared, TrainConfig(model={"epochs": 1, "rate": 1e-6}), seed=2).exported
    assert np.allclose(again.tensors["l0.weight"], shared["l0.weight"], atol=1e-4)
    assert again.tensors["norm.mean"].tobytes() == first.tensors["norm.mean"].tobytes()


def test_rows_that_cannot_be_learnt_from_are_refused_by_name() -> None:
    rows = rows_with_signal(300)
    with pytest.raises(SwarmError, match="0 labelled rows"):
        train(rows.pick(slice(0)), None, TrainConfig(), seed=0)
    with pytest.raises(SwarmError, match="one class"):
        train(rows.pick(rows.y == 1), None, TrainConfig(rows_min=10), seed=0)


def test_rows_without_a_label_are_not_learnt_from() -> None:
    rows = rows_with_signal(400)
    rows.table["label"][:100] = -1
    assert train(rows, None, TrainConfig(kind="logistic"), seed=0).metrics["held_rows"] == 60


def test_the_figures_are_those_of_the_exported_model() -> None:
    rows = rows_with_signal(500)
    trained = train(rows, None, TrainConfig(kind="logistic"), seed=0)
    held = rows.pick(slice(400, None))
    told = load(trained.exported).predict(held.x)
    assert trained.metrics["accuracy_frac"] == (told.argmax(axis=1) == held.y).mean()
