from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from domain.errors import SwarmError
from learning.models import layers
from learning.models.mlp import Mlp, MlpConfig, forward
from tests.learning.builders import rows_with_signal


def learnt(**config: float | int | str) -> Mlp:
    rows = rows_with_signal(600)
    model = Mlp({"epochs": 3, **config}, seed=1)
    model.learn(rows.x, rows.y)
    return model


def test_its_tensors_have_the_names_shapes_and_order_that_are_sent() -> None:
    tensors = learnt().export().tensors
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "norm.mean": (16,),
        "norm.scale": (16,),
        "l0.weight": (32, 16),
        "l0.bias": (32,),
        "l1.weight": (32, 32),
        "l1.bias": (32,),
        "l2.weight": (3, 32),
        "l2.bias": (3,),
    }
    assert list(tensors) == list(layers.shapes_of((16, 32, 32, 3)))
    assert all(tensor.dtype == np.float32 for tensor in tensors.values())


def test_it_predicts_as_torch_does() -> None:
    import torch

    model, rows = learnt(), rows_with_signal(200, seed=2)
    tensors = model.export().tensors
    parts = {name: torch.from_numpy(tensor) for name, tensor in tensors.items() if name[0] == "l"}
    told = torch.softmax(forward(parts, torch.from_numpy(layers.normed(tensors, rows.x))), dim=1)
    assert np.abs(told.numpy() - model.predict(rows.x)).max() < 1e-6


def test_a_curve_is_learnt_that_no_line_can_follow() -> None:
    from learning.models.logistic import Logistic

    fit, new = rows_with_signal(3000, curved=True), rows_with_signal(1000, seed=4, curved=True)
    line, curve = Logistic(), Mlp(seed=1)
    line.learn(fit.x, fit.y)
    curve.learn(fit.x, fit.y)

    def right(model: Logistic | Mlp) -> float:
        return float((model.predict(new.x).argmax(axis=1) == new.y).mean())

    assert right(curve) > right(line) + 0.1


def test_learning_again_goes_on_and_keeps_the_norm() -> None:
    model, rows = learnt(), rows_with_signal(600, seed=5)
    before = model.export().tensors
    figures = model.learn(rows.x + 3, rows.y)
    after = model.export().tensors
    assert after["norm.mean"].tobytes() == before["norm.mean"].tobytes()
    assert figures["loss"] <= figures["begin_loss"]


def test_it_begins_as_the_line_and_stays_it_where_nothing_bends() -> None:
    from learning.models.logistic import Logistic

    rows, new = rows_with_signal(500, strength=0.5), rows_with_signal(500, seed=1)
    line, model = (
        Logistic({"ridge": MlpConfig().line_ridge}),
        Mlp({"rate": 1.0, "epochs": 2, "follow": 1.0}, seed=1),
    )
    line.learn(rows.x, rows.y)
    assert model.learn(rows.x, rows.y)["best_epoch"] == 0
    assert np.abs(model.predict(new.x) - line.predict(new.x)).max() < 1e-5


def test_regions_that_begin_with_the_same_layers_begin_as_lines_whose_mean_is_a_line() -> None:
    given, lines = learnt(epochs=1).export().tensors, []
    shared = {name: tensor for name, tensor in given.items() if name[0] == "l"}
    for seed in (1, 2):
        rows, model = rows_with_signal(600, seed=seed), Mlp({"rate": 1.0, "epochs": 1, "linear_start": 2})
        model.adopt(shared)
        assert model.learn(rows.x, rows.y)["best_epoch"] == 0
        lines.append(model.export().tensors)
    assert lines[0]["l0.weight"][6:].tobytes() == lines[1]["l0.weight"][6:].tobytes()
    norm = {"norm.mean": np.zeros(16, np.float32), "norm.scale": np.ones(16, np.float32)}
    x = rows_with_signal(100, seed=5).x / np.float32(100)

    def logits(layers_of: dict[str, np.ndarray]) -> np.ndarray:
        return layers.logits_of(layers_of | norm, x)

    mean = {name: (lines[0][name] + lines[1][name]) / 2 for name in shared}
    assert np.abs(logits(mean) - (logits(lines[0]) + logits(lines[1])) / 2).max() < 1e-5
    straight = logits(mean)[:, 2] - logits(mean)[:, 0]
    found, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(100)]), straight, rcond=None)
    assert np.abs(np.column_stack([x, np.ones(100)]) @ found - straight).max() < 1e-4


def test_the_line_of_few_rows_is_held_back_its_bias_too_and_that_of_enough_is_not() -> None:
    rows, new = rows_with_signal(120), rows_with_signal(500, seed=1)
    rows.table["label"][:100] = 2  # a minute in which the market went one way

    def told(line_rows: int, count: int) -> np.ndarray:
        given = {"linear_start": 2, "line_ridge": 0.2, "epochs": 1, "rate": 1e-9}
        model = Mlp({**given, "line_rows": line_rows}, seed=1)
        model.learn(rows.x[:count], rows.y[:count])
        return model.predict(new.x)

    bold, held = told(0, 120), told(2_000, 120)
    assert bold[:, 2].mean() > 0.6 and abs(held[:, 2].mean() - 1 / 3) < 0.1
    assert np.ptp(held[:, 2]) < np.ptp(bold[:, 2]) / 2
    assert told(120, 120).tobytes() == bold.tobytes()


def test_layers_too_narrow_for_a_line_and_those_told_not_to_begin_anywhere() -> None:
    rows = rows_with_signal(500)
    for config in ({"hidden": "5"}, {"linear_start": 0}):
        figures = Mlp({**config, "epochs": 1}, seed=1).learn(rows.x, rows.y)
        assert figures["begin_loss"] > 1.0


def test_the_running_mean_is_kept_rather_than_the_last_step() -> None:
    rows = rows_with_signal(1500, strength=0.3)
    given = {"rate": 0.02, "epochs": 4, "linear_start": 0, "decay": 0.0, "patience": 9}
    losses = [Mlp({**given, "follow": follow}, seed=1).learn(rows.x, rows.y)["loss"] for follow in (1.0, 0.1)]
    assert losses[1] < losses[0]


def distance(model: Mlp, names: tuple[str, ...], start: dict[str, np.ndarray]) -> float:
    tensors = model.export().tensors
    return float(sum(np.square(tensors[name] - start[name]).sum() for name in names))


def test_the_proximal_term_holds_what_is_shared_and_leaves_a_personal_head_free() -> None:
    start, rows = learnt().export().tensors, rows_with_signal(600, seed=6, strength=-1.5)
    shared, head = ("l0.weight", "l1.weight"), ("l2.weight",)
    moved = {}
    for name, config in {
        "plain": {},
        "bound": {"proximal": 5.0},
        "own": {"proximal": 5.0, "personal_head": 1},
    }.items():
        model = Mlp({"epochs": 5, "follow": 1.0, "decay": 0.0, **config}, seed=2)
        model.adopt(start)
        model.learn(rows.x, rows.y)
        moved[name] = (distance(model, shared, start), distance(model, head, start))
    assert moved["bound"][0] < 0.5 * moved["plain"][0]
    assert moved["bound"][1] < 0.5 * moved["plain"][1]
    assert moved["own"][1] > 2 * moved["bound"][1]


def test_the_shape_is_set_by_hand() -> None:
    assert learnt(hidden="8").sizes == learnt(hidden=8).sizes == (16, 8, 3)
    with pytest.raises(SwarmError, match="setting 'hidden'"):
        Mlp({"hidden": "8,0"})


def test_layers_of_another_shape_are_not_adopted() -> None:
    tensors = learnt(hidden="8").export().tensors
    with pytest.raises(SwarmError, match=r"'l0\.weight' is"):
        Mlp().adopt({"l0.weight": tensors["l0.weight"]})
    with pytest.raises(SwarmError, match=r"'l7\.weight' is not one"):
        Mlp().adopt({"l7.weight": tensors["l0.weight"]})
    with pytest.raises(SwarmError, match="not above zero"):
        Mlp().adopt({"norm.scale": np.zeros(16, np.float32)})


def test_predicting_needs_no_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from learning.models import load\n"
        "from learning.models.layers import shapes_of\n"
        "from learning.models.model import Exported\n"
        "t = {n: np.ones(s, np.float32) for n, s in shapes_of((16, 4, 3)).items()}\n"
        "load(Exported('mlp', t, {'hidden': '4'})).predict(np.zeros((2, 16), np.float32))\n"
        "heavy = [m for m in ('torch', 'lightgbm', 'sklearn', 'scipy') if m in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
