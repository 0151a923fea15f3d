from __future__ import annotations

import numpy as np
import pytest

from domain.errors import SwarmError
from learning.models.hedge import Hedge
from learning.models.model import Exported
from tests.learning.builders import rows_with_signal


def test_the_share_goes_to_the_model_whose_decisions_earn() -> None:
    rows = rows_with_signal(1500)
    model = Hedge({"experts": "prior,logistic"})
    figures = model.learn(rows.x, rows.y, gross_bps=rows.table["gross_bps"])
    assert figures["share.logistic"] > 0.95
    mixed, best = model.predict(rows.x), model.experts[1].predict(rows.x)
    assert np.abs(mixed - best).max() < 0.1


def test_a_cost_that_no_move_covers_gives_the_share_to_the_model_that_stays_out() -> None:
    rows = rows_with_signal(1500, strength=0.5)
    model = Hedge({"experts": "prior,logistic", "cost_bps": 100.0})
    shares = model.learn(rows.x, rows.y)
    assert model.experts[0].predict(rows.x)[0].argmax() == 1
    assert shares["share.prior"] > 0.95


def test_what_it_learns_again_is_first_staked_on() -> None:
    rows, turned = rows_with_signal(1000), rows_with_signal(1000, seed=2, strength=-1.5)
    model = Hedge({"experts": "prior,logistic"})
    model.learn(rows.x, rows.y)
    before = model.stake.gains[1]
    model.learn(turned.x, turned.y)
    assert model.stake.gains[1] < before


@pytest.mark.parametrize(
    ("experts", "words"),
    [
        ("logistic,logistic", "one too many"),
        ("hedge", "one too many"),
        ("tcn", "more than one row"),
        ("oak", "no such"),
    ],
)
def test_an_ensemble_that_cannot_be_is_refused(experts: str, words: str) -> None:
    with pytest.raises(SwarmError, match=words):
        Hedge({"experts": experts})


def test_a_spoilt_expert_is_refused_by_name() -> None:
    rows = rows_with_signal(300)
    model = Hedge({"experts": "prior,logistic"})
    model.learn(rows.x, rows.y)
    exported = model.export()
    tensors = {name: each for name, each in exported.tensors.items() if name != "logistic/l0.bias"}
    with pytest.raises(SwarmError, match=r"'l0\.bias' is missing \(model logistic\)"):
        Hedge.load(Exported("hedge", tensors, exported.config))
    with pytest.raises(SwarmError, match="below zero"):
        Hedge.load(Exported("hedge", exported.tensors | {"hedge.gap": np.array([-1.0])}, exported.config))
