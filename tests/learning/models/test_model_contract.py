"""Every kind of model, found by name, keeps the same promises."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

from domain.errors import SwarmError
from learning.models import MODELS, begin, load
from learning.models.model import F4, I1, Exported, Model, Settings
from tests.learning.builders import rows_with_signal

QUICK: dict[str, Settings] = {
    "mlp": {"epochs": 3},
    "tcn": {"epochs": 2, "reach": 7, "channels": 4},
    "lightgbm": {"rounds": 12, "again_rounds": 3},
    "hedge": {"experts": "persistence,logistic,ridge", "logistic/ridge": 0.01},
}
KINDS = list(MODELS)


def made(kind: str, seed: int = 0) -> Model:
    return begin(kind, QUICK.get(kind), seed)


def data(model: Model, count: int = 400, seed: int = 0) -> tuple[F4, I1]:
    """Give rows as wide as the model wants, with the real ones last."""
    rows = rows_with_signal(count, seed)
    draws = np.random.default_rng(seed + 1)
    x = draws.normal(size=(count, model.columns)).astype(np.float32)
    x[:, -16:] = rows.x
    return x, rows.y


def learnt(kind: str, count: int = 400) -> Model:
    model = made(kind)
    model.learn(*data(model, count))
    return model


def test_there_are_eight_kinds_of_model() -> None:
    assert len(MODELS) == 8
    assert all(name == each.kind for name, each in MODELS.items())


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_float32_of_three_classes_that_sum_to_one(kind: str) -> None:
    model = learnt(kind)
    told = model.predict(data(model, 50, seed=5)[0])
    assert told.dtype == np.float32 and told.shape == (50, 3)
    assert (told >= 0).all() and np.abs(told.sum(axis=1, dtype=np.float64) - 1).max() < 1e-6
    assert model.predict(data(model, 1)[0][:0]).shape == (0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_export_and_load_give_the_same_bits_also_when_learning_goes_on(kind: str) -> None:
    model = learnt(kind)
    exported = model.export()
    again = load(exported)
    x, y = data(model, 300, seed=9)
    assert again.predict(x).tobytes() == model.predict(x).tobytes()
    assert same(again.export(), exported)
    model.learn(x, y)
    again.learn(x, y)
    assert again.predict(x).tobytes() == model.predict(x).tobytes()
    assert not same(again.export(), exported)


def same(one: Exported, two: Exported) -> bool:
    return (
        one.kind == two.kind
        and one.config == two.config
        and list(one.tensors) == list(two.tensors)
        and all(one.tensors[name].tobytes() == two.tensors[name].tobytes() for name in one.tensors)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_and_rows_give_the_same_bits(kind: str) -> None:
    assert same(learnt(kind).export(), learnt(kind).export())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_exported_is_arrays_and_plain_settings_that_learning_does_not_touch(kind: str) -> None:
    model = learnt(kind)
    exported = model.export()
    kept = {name: tensor.copy() for name, tensor in exported.tensors.items()}
    model.learn(*data(model, 200, seed=3))
    for name, tensor in exported.tensors.items():
        assert tensor.dtype in (np.float32, np.float64, np.int8, np.int32)
        assert tensor.tobytes() == kept[name].tobytes()
    assert all(isinstance(value, str | int | float) for value in exported.config.values())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"prior", "persistence"}])
def test_it_tells_more_than_the_prior_where_there_is_something_to_learn(kind: str) -> None:
    model, prior = learnt(kind, 1500), learnt("prior", 1500)
    if kind == "tcn":
        model = begin("tcn", {"epochs": 6, "reach": 7})
        model.learn(*data(model, 1500))
    x, y = data(model, 1000, seed=77)

    def loss(told: F4) -> float:
        return float(-np.log(told[np.arange(len(y)), y]).mean())

    assert loss(model.predict(x)) < 0.97 * loss(prior.predict(x[:, -16:]))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_cannot_be_used_are_refused_by_name_and_change_nothing(kind: str) -> None:
    model = made(kind)
    x, y = data(model)
    spoiled = x.copy()
    spoiled[17, 3] = np.nan
    cases = [
        ("no rows", x[:0], y[:0], None),
        ("columns are needed", x[:, :-1], y, None),
        ("column 3 of row 17", spoiled, y, None),
        ("all 400 rows are 'flat'", x, np.ones_like(y), None),
        ("400 rows have 399 labels", x, y[:-1], None),
        ("a label is -1", x, np.where(np.arange(400) == 5, -1, y).astype(np.int8), None),
        ("weight", x, y, np.full(400, np.nan, np.float32)),
        ("all weights are zero", x, y, np.zeros(400, np.float32)),
    ]
    for words, rows, labels, weight in cases:
        with pytest.raises(SwarmError, match=words) as caught:
            model.learn(rows, labels, weight)
        assert "\n" not in str(caught.value)
    for use in (model.export, lambda: model.predict(x)):
        with pytest.raises(SwarmError, match="not learnt anything"):
            use()


@pytest.mark.parametrize("kind", KINDS)
def test_a_learnt_model_refuses_rows_of_another_width_and_not_finite_ones(kind: str) -> None:
    model = learnt(kind)
    x, _ = data(model, 20)
    with pytest.raises(SwarmError, match="columns are needed"):
        model.predict(np.column_stack([x, x[:, :1]]))
    x[3, 1] = np.inf
    with pytest.raises(SwarmError, match="column 1 of row 3"):
        model.predict(x)


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_that_does_not_fit_is_refused_by_name(kind: str) -> None:
    exported = learnt(kind).export()
    name, tensor = next(iter(exported.tensors.items()))
    missing = {key: value for key, value in exported.tensors.items() if key != name}
    spoils = [missing, exported.tensors | {name: tensor[:-1]}, exported.tensors | {name: tensor.astype(str)}]
    if tensor.dtype.kind == "f":
        spoils.append(exported.tensors | {name: np.full_like(tensor, np.nan)})
    for tensors in spoils:
        with pytest.raises(SwarmError) as caught:
            load(Exported(kind, tensors, exported.config))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_setting_or_kind_is_refused_by_name(kind: str) -> None:
    with pytest.raises(SwarmError, match=r"setting 'colour'"):
        begin(kind, {"colour": 3})
    with pytest.raises(SwarmError, match="no such kind"):
        begin("oracle")
    with pytest.raises(SwarmError, match="of kind 'oracle'"):
        MODELS[kind].load(Exported("oracle", {}, {}))


def spoilt(exported: Exported, draws: np.random.Generator) -> Exported:
    """Change one thing of an export."""
    tensors, config = dict(exported.tensors), dict(exported.config)
    name = list(tensors)[draws.integers(len(tensors))]
    tensor = tensors[name].copy()
    flat = tensor.reshape(-1)
    values: list[str | int | float] = [-1, 0, 2, "x", 1e9]
    value = values[draws.integers(len(values))]
    changes: list[Callable[[], object]] = [
        lambda: tensors.pop(name),
        lambda: tensors.update({name: tensor.reshape(-1, 1)}),
        lambda: tensors.update({name: np.array(1.0, tensor.dtype)}),
        lambda: tensors.update({name: tensor.astype(np.float16)}),
        lambda: tensors.update({name: np.array(["a"])}),
        lambda: tensors.update({"other": tensor}),
        lambda: config.update(dict.fromkeys([list(config)[draws.integers(len(config))]], value)),
        config.clear,
        *(
            lambda value=value: np.copyto(
                flat[draws.integers(len(flat)) :][:1], np.array([value]), casting="unsafe"
            )
            for value in (np.nan, np.inf, -1.0, 0.0, 3e38, 77.0)
        ),
    ]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        changes[draws.integers(len(changes))]()
    tensors = {
        key: tensor if key == name and value is exported.tensors[name] else value
        for key, value in tensors.items()
    }
    return Exported(exported.kind, tensors, config)


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_export_is_refused_in_one_line_or_still_tells_probabilities(kind: str) -> None:
    model, draws = learnt(kind, 200), np.random.default_rng(0)
    exported, refused = model.export(), list[str]()
    x, y = data(model, 120)
    for _ in range(60):
        try:
            again = load(spoilt(exported, draws))
            told = again.predict(x)
            again.learn(x, y)
        except SwarmError as error:
            refused.append(str(error))
            continue
        assert np.abs(told.sum(axis=1, dtype=np.float64) - 1).max() < 1e-6
    assert len(refused) > 20 and not any("\n" in line for line in refused)
