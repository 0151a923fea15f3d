"""What a node runs of a version tells what the version's model tells, whatever its kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from domain.errors import SwarmError
from hw.inference.engine import EXACT, TOLERANCE
from hw.inference.mixture import Mixture, engine_for
from learning.models import MODELS, begin
from learning.models.model import Exported, Settings
from learning.registry.blob import read_blob, write_blob
from learning.registry.served import HEDGE, SINGLE, check_served, served
from tests.learning.builders import rows_with_signal

ROWS = rows_with_signal(600, strength=2.0)


def learnt(kind: str, config: Settings | None = None) -> Any:
    model = begin(kind, config, 1)
    model.learn(ROWS.x[:500], ROWS.y[:500])
    return model


@pytest.mark.parametrize("kind", [*SINGLE, HEDGE])
@pytest.mark.parametrize("engine", EXACT)
def test_every_kind_that_is_served_is_told_alike_by_its_model_and_by_the_node(kind: str, engine: str) -> None:
    model = learnt(kind)
    exported = read_blob(write_blob(model.export()))
    check_served(exported)
    opened = engine_for(engine, served(exported))
    x, out = ROWS.x[500:], np.empty((100, 3), np.float32)
    assert opened.batch(x, out) == 0
    assert np.abs(out - model.predict(x)).max() < 50 * TOLERANCE
    row = np.empty(3, np.float32)
    assert opened.run(x[7], row) == 0 and np.allclose(row, out[7], atol=1e-6)


@pytest.mark.parametrize("engine", EXACT)
def test_a_hedge_of_trees_and_a_network_is_told_alike_by_its_model_and_by_the_node(engine: str) -> None:
    model = learnt(HEDGE, {"experts": "lightgbm,ridge", "lightgbm/rounds": 8})
    opened = engine_for(engine, served(read_blob(write_blob(model.export()))))
    assert isinstance(opened, Mixture)
    out = np.empty((100, 3), np.float32)
    assert opened.batch(ROWS.x[500:], out) == 0
    assert np.abs(out - model.predict(ROWS.x[500:])).max() < 50 * TOLERANCE


def test_a_row_that_is_no_market_gets_equal_chances_also_of_a_mixture() -> None:
    opened, out = engine_for("fused", served(learnt(HEDGE).export())), np.empty(3, np.float32)
    assert isinstance(opened, Mixture)
    assert opened.run(np.full(16, np.nan, np.float32), out) == 1
    assert np.allclose(out, 1 / 3)


@pytest.mark.parametrize("kind", [name for name in MODELS if name not in (*SINGLE, HEDGE)])
def test_other_kinds_are_refused_by_name(kind: str) -> None:
    with pytest.raises(SwarmError, match=f"no node serves the kind '{kind}'"):
        check_served(Exported(kind, {}, {}))


def test_a_hedge_of_what_no_node_runs_and_one_whose_stake_is_spoilt_are_refused() -> None:
    with pytest.raises(SwarmError, match="no node serves a hedge of 'tcn'"):
        served(Exported(HEDGE, {}, {"experts": "ridge,tcn"}))
    good = learnt(HEDGE, {"experts": "ridge,logistic"}).export()
    for name, wrong in (
        ("hedge.gains", np.array([1.0])),
        ("hedge.gains", np.array([np.nan, 0.0])),
        ("hedge.gap", np.array([-1.0])),
    ):
        with pytest.raises(SwarmError, match="the stake of its hedge is not whole"):
            served(Exported(HEDGE, good.tensors | {name: wrong}, good.config))
    cut = {name: each for name, each in good.tensors.items() if name != "ridge/l0.bias"}
    with pytest.raises(SwarmError, match=r"tensor l0\.bias is missing"):
        check_served(Exported(HEDGE, cut, good.config))
