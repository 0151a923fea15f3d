from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import SwarmError
from hw.inference.trees import Trees
from learning.models.lightgbm import Lightgbm
from learning.models.lightgbm_text import TINY
from learning.models.model import Exported
from tests.learning.builders import rows_with_signal

HUGE = np.finfo(np.float32).max
SMALL = (0.0, -0.0, 1e-45, -1e-45, 1e-38, TINY, -TINY, 2 * TINY, -2 * TINY, 1e-30, 7.0, -1e20)
EDGES = (*SMALL, HUGE, -HUGE)


def learnt() -> Lightgbm:
    rows = rows_with_signal(500)
    model = Lightgbm({"rounds": 10, "rounds_max": 12, "again_rounds": 3})
    model.learn(rows.x, rows.y)
    return model


class Told(Lightgbm):
    """Keeps LightGBM's own trees beside those that were read of them."""

    theirs: Any

    def _text(self, *given: Any) -> str:
        import lightgbm

        text = super()._text(*given)
        self.theirs = lightgbm.Booster(model_str=text)
        return text


def on_edges(model: Told, seed: int) -> np.ndarray:
    """Draw rows of thresholds, of what is just beside them, and of numbers that are odd."""
    draw = np.random.default_rng(seed)
    on = model.export().tensors["trees.thresholds"].astype(np.float32)
    values = np.concatenate([on, np.nextafter(on, np.float32(9)), np.nextafter(on, np.float32(-9)), EDGES])
    return draw.choice(values.astype(np.float32), size=(300, model.columns))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**31), leaves=st.integers(2, 40), rounds=st.integers(1, 12))
def test_every_row_is_told_as_lightgbm_tells_it_to_the_bit_of_its_scores(
    seed: int, leaves: int, rounds: int
) -> None:
    draw, rows = np.random.default_rng(seed), rows_with_signal(240, seed)
    x = rows.x.copy()
    x[:, 8:11] = draw.choice(np.array(SMALL, np.float32), size=(240, 3))
    x[:, 11] = np.round(x[:, 11])
    y = np.where(x[:, 8] > draw.choice(np.array(SMALL)), rows.y, 2 - rows.y).astype(np.int8)
    model = Told({"rounds": rounds, "leaves": leaves, "leaf_rows": 5, "rate": 0.3}, seed)
    model.learn(x, y)
    assert model._forest is not None
    for each in (x, on_edges(model, seed)):
        scores = model.theirs.predict(each, raw_score=True, num_threads=1)
        assert scores.tobytes() == Trees(model._forest, np.inf).scores(each).tobytes()
        assert np.abs(model.predict(each) - model.theirs.predict(each, num_threads=1)).max() < 1e-7


def test_going_on_gives_the_trees_that_lightgbm_gives_going_on() -> None:
    import lightgbm

    first, more = rows_with_signal(500), rows_with_signal(300, seed=1)
    model = Told({"rounds": 10, "again_rounds": 6})
    model.learn(first.x, first.y)
    rows = lightgbm.Dataset(more.x, more.y, params={"verbosity": -1})
    theirs = lightgbm.train(model._parameters(), rows, num_boost_round=6, init_model=model.theirs)
    model.config = model.config.model_copy(update={"held_frac": 0.0})
    model.learn(more.x, more.y)
    assert model._forest is not None and len(model._forest.roots) == 16
    scores: Any = theirs.predict(more.x, raw_score=True)
    assert scores.tobytes() == Trees(model._forest, np.inf).scores(more.x).tobytes()


def test_what_is_kept_is_arrays_that_need_no_lightgbm() -> None:
    tensors = learnt().export().tensors
    assert {str(each.dtype) for each in tensors.values()} == {"float32", "float64", "int32"}
    assert tensors["trees.roots"].shape == (10, 3)
    assert tensors["norm.mean"].shape == (16,)


def test_trees_that_lead_back_or_out_of_their_arrays_are_refused() -> None:
    for name, value in (("trees.left", 0), ("trees.right", 1 << 20), ("trees.roots", -(1 << 31))):
        exported = learnt().export()
        exported.tensors[name].reshape(-1)[-1] = value
        with pytest.raises(SwarmError, match=r"leads back|of the trees is reached"):
            Lightgbm.load(exported)


def test_trees_for_other_columns_are_refused() -> None:
    exported = learnt().export()
    with pytest.raises(SwarmError, match="not for 15 columns"):
        Lightgbm.load(Exported("lightgbm", exported.tensors, exported.config | {"inputs": 15}))


def test_learning_again_adds_trees_until_it_begins_anew() -> None:
    model, rows = learnt(), rows_with_signal(500, seed=1)
    assert model.learn(rows.x, rows.y)["rounds"] == 13
    assert model.learn(rows.x, rows.y)["rounds"] <= 10


def test_a_class_that_never_came_is_learnt_when_it_comes() -> None:
    rows = rows_with_signal(500)
    two, model = rows.pick(rows.y != 1), Lightgbm({"rounds": 10, "again_rounds": 3})
    model.learn(two.x, two.y)
    with pytest.raises(SwarmError, match="all 9 rows are 'flat'"):
        model.learn(two.x[:9], np.ones(9, np.int8))
    model.learn(rows.x, rows.y)
    assert abs(model.predict(rows.x)[:, 1].mean() - (rows.y == 1).mean()) < 0.05


def test_it_begins_anew_before_it_has_more_splits_than_a_node_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = learnt(), rows_with_signal(500, seed=1)
    splits = len(model.export().tensors["trees.columns"])
    monkeypatch.setattr("learning.models.lightgbm.SPLITS_MAX", splits + 3 * 3 * 14)
    assert model.learn(rows.x, rows.y)["rounds"] == 13
    model = learnt()
    monkeypatch.setattr("learning.models.lightgbm.SPLITS_MAX", splits + 3 * 3 * 14 - 1)
    assert model.learn(rows.x, rows.y)["rounds"] <= 10


def test_weights_count() -> None:
    rows = rows_with_signal(500)
    model = Lightgbm({"rounds": 5})
    model.learn(rows.x, rows.y, np.where(rows.y == 2, 50.0, 1.0).astype(np.float32))
    assert model.predict(rows.x)[:, 2].mean() > 0.8
