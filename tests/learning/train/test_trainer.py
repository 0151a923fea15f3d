from __future__ import annotations

import numpy as np
import pytest

from domain.errors import SwarmError
from learning.models import load
from learning.train.config import EVEN, LAST_MOVE, ORDER_FLOW, TrainConfig
from learning.train.trainer import lagged, mirrored, train
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


def test_training_leaves_the_number_of_threads_as_it_was() -> None:
    import torch

    before = torch.get_num_threads()
    train(rows_with_signal(200), None, TrainConfig(model={"epochs": 1}), seed=0)
    assert torch.get_num_threads() == before


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


def test_a_model_of_sequences_sees_the_rows_before_of_its_own_agent_only() -> None:
    rows = rows_with_signal(60)
    rows.table["shard"] = np.arange(60) % 2
    rows.table["features"][:, 0] = np.arange(60)
    seen = lagged(rows, 3).reshape(60, 3, 16)[:, :, 0]
    assert seen[10].tolist() == [6.0, 8.0, 10.0] and seen[11].tolist() == [7.0, 9.0, 11.0]
    assert seen[0].tolist() == [0.0, 0.0, 0.0] and seen[3].tolist() == [1.0, 1.0, 3.0]
    assert lagged(rows.pick(slice(30)), 3).tobytes() == lagged(rows, 3)[:30].tobytes()


@pytest.mark.parametrize("kind", ["tcn", "hedge", "ridge", "persistence"])
def test_every_kind_is_trained_by_the_one_function(kind: str) -> None:
    quick = {"tcn": {"epochs": 2}, "hedge": {"experts": "logistic,ridge"}}
    trained = train(rows_with_signal(700), None, TrainConfig(kind=kind, model=quick.get(kind, {})), seed=0)
    assert trained.exported.kind == kind
    assert 0 < trained.metrics["log_loss"] < 1.2


def test_a_temperature_mends_a_model_that_is_too_sure_and_stays_in_its_last_layer() -> None:
    rows = rows_with_signal(500, strength=0.3)
    sure = {"epochs": 60, "patience": 60, "held_frac": 0.0, "rate": 0.01}
    plain = train(rows, None, TrainConfig(model=sure), seed=1)
    mended = train(rows, None, TrainConfig(model=sure, calibrate=True), seed=1)
    assert mended.metrics["fit.temperature"] > 1.2
    assert mended.metrics["log_loss"] < plain.metrics["log_loss"]
    assert list(mended.exported.tensors) == list(plain.exported.tensors)
    with pytest.raises(SwarmError, match="no layer to go into"):
        train(rows, None, TrainConfig(kind="prior", calibrate=True), seed=1)


def test_the_columns_that_models_ask_for_are_those_of_our_features() -> None:
    from learning.rows.features import FEATURES

    flow = [name for name in FEATURES if name.split("_")[0] in {"ofi", "imbalance", "micro", "flow"}]
    assert [FEATURES[column] for column in ORDER_FLOW] == flow
    assert FEATURES[LAST_MOVE] == "return_5s_bps"
    assert [FEATURES[column] for column in EVEN] == ["spread_bps", "volatility_bps", "since_move"]
    assert TrainConfig(kind="hedge").settings["persistence/column"] == LAST_MOVE


def test_a_row_and_its_mirror_image_are_learnt_from_so_that_no_side_is_preferred() -> None:
    rows = rows_with_signal(400)
    rows.table["label"][rows.y == 0] = 1  # hours in which it only ever rose
    turned = rows.x.copy()
    turned[:, [column for column in range(16) if column not in EVEN]] *= -1
    for kind, alike in (("logistic", 1e-4), ("prior", 1e-6)):
        even = load(train(rows, None, TrainConfig(kind=kind), seed=0).exported)
        assert np.abs(even.predict(rows.x) - even.predict(turned)[:, ::-1]).max() < alike
        bent = load(train(rows, None, TrainConfig(kind=kind, mirror=False), seed=0).exported)
        assert np.abs(bent.predict(rows.x) - bent.predict(turned)[:, ::-1]).max() > 0.1


def test_the_mirror_image_of_a_row_follows_it_in_every_step_of_a_sequence() -> None:
    rows = rows_with_signal(3)
    x, y, gross = mirrored(lagged(rows, 2), rows.y, rows.table["gross_bps"])
    assert x.shape == (6, 32) and x[0::2].tobytes() == lagged(rows, 2).tobytes()
    assert (y[0::2] == rows.y).all() and (y[1::2] == 2 - rows.y).all()
    assert (gross[1::2] == -rows.table["gross_bps"]).all()
    same = [step * 16 + column for step in range(2) for column in EVEN]
    assert (x[1::2][:, same] == x[0::2][:, same]).all()
    assert (x[1::2][:, [0, 16]] == -x[0::2][:, [0, 16]]).all()
