from __future__ import annotations

import pytest

from domain.errors import SwarmError
from learning.models import MODELS, begin
from learning.rows.row import Rows
from learning.train import edition
from learning.train.config import TrainConfig
from learning.train.search import SPACES, search, suggested
from learning.train.trial import silent
from learning.train.validation import held_out
from tests.learning.builders import rows_with_signal


class Asked:
    """Stand in for a trial: give the least or the most of what is asked for."""

    def __init__(self, most: bool) -> None:
        self.most = most

    def suggest_int(self, name: str, least: int, most: int, log: bool) -> int:
        return most if self.most else least

    def suggest_float(self, name: str, least: float, most: float, log: bool) -> float:
        return most if self.most else least

    def suggest_categorical(self, name: str, choices: list[str]) -> str:
        return choices[-1 if self.most else 0]


@pytest.mark.parametrize("kind", list(SPACES))
@pytest.mark.parametrize("most", [False, True])
def test_both_ends_of_every_space_are_settings_that_the_model_takes(kind: str, most: bool) -> None:
    assert kind in MODELS
    begin(kind, suggested(kind, Asked(most)))


def test_a_search_finds_better_settings_prunes_and_repeats_by_seed() -> None:
    rows = rows_with_signal(500, strength=0.3)
    config = TrainConfig(kind="logistic", model={"ridge": 1e-5}, folds=3)
    told: list[tuple[str, int, int]] = []
    one = search(rows, config, 14, 3, lambda *step: told.append(step))
    assert float(one.settings["ridge"]) > 1e-3
    assert one.tried == 14 and one.pruned > 0
    assert len(one.sharpes) == one.tried - one.pruned
    assert told[0] == ("search", 0, 14) and told[-1] == ("search", 14, 14)
    assert search(rows, config, 14, 3) == one
    assert search(rows, config, 14, 4) != one


def test_a_model_without_settings_has_none_to_search() -> None:
    with pytest.raises(SwarmError, match="no settings to search"):
        search(rows_with_signal(100), TrainConfig(kind="prior"), 2, 0)


def test_settings_are_chosen_without_the_rows_that_the_gates_judge_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, given = rows_with_signal(300), list[Rows]()
    monkeypatch.setattr(edition, "search", lambda rows, *_: given.append(rows))
    edition._searched(rows, edition.Order(TrainConfig(), "tokyo", searches=2), silent)
    first_judged_ns = rows.table["at_ns"][held_out(rows, TrainConfig().held_frac).held[0]]
    assert len(given[0]) > 200 and (given[0].table["label_ns"] < first_judged_ns).all()
