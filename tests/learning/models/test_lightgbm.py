from __future__ import annotations

import numpy as np
import pytest

from domain.errors import SwarmError
from learning.models.lightgbm import Lightgbm
from learning.models.model import Exported
from tests.learning.builders import rows_with_signal


def learnt() -> Lightgbm:
    rows = rows_with_signal(500)
    model = Lightgbm({"rounds": 10, "rounds_max": 12, "again_rounds": 3})
    model.learn(rows.x, rows.y)
    return model


def test_what_is_kept_is_readable_text_not_code() -> None:
    text = learnt().export().tensors["lightgbm.text"].tobytes()
    assert text.startswith(b"tree\n") and b"Tree=0" in text


@pytest.mark.parametrize("place", [10, 1000, -5])
def test_text_with_one_letter_changed_is_refused_before_it_is_read(place: int) -> None:
    exported = learnt().export()
    exported.tensors["lightgbm.text"][place] ^= 1
    with pytest.raises(SwarmError, match="cut or spoilt"):
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


def test_weights_count() -> None:
    rows = rows_with_signal(500)
    model = Lightgbm({"rounds": 5})
    model.learn(rows.x, rows.y, np.where(rows.y == 2, 50.0, 1.0).astype(np.float32))
    assert model.predict(rows.x)[:, 2].mean() > 0.8
