"""Whoever answers an agent, somebody does: canary, champion, last good, a rule of thumb, or flat."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from agents.config import MindsConfig
from agents.minds import BASELINE, FLAT, LAST_GOOD, LASTING, MODEL, Minds
from domain.control_events import ModelSet
from domain.report import ModelsReport
from hw.inference.network import linear
from learning.models.model import Exported
from learning.registry.split import serves
from tests.agents.builders import S
from tests.agents.mind_builders import cleared, exported, model_set, trees

QUIET = np.zeros(16, np.float32)
WILD = np.full(16, 1_000, np.float32)


def answered(
    minds: Minds, features: np.ndarray = QUIET, shard: int = 1, now_ns: int = S
) -> tuple[int, str, float]:
    out = np.zeros(3, np.float32)
    mode, model, _ = minds.answer(shard, now_ns, features, out)
    assert out.sum() == pytest.approx(1, abs=1e-6)
    return mode, model, float(out[2] - out[0])


def minds(*told: ModelSet) -> Minds:
    made = Minds(MindsConfig())
    for each in told:
        assert made.set(each) == ""
    return made


def test_without_a_model_a_rule_answers_and_leans_to_the_heavier_side() -> None:
    made, heavy = minds(), QUIET.copy()
    heavy[4] = 1
    assert answered(made) == (BASELINE, "", 0)
    assert answered(made, heavy)[2] > 0 > answered(made, -heavy)[2]
    assert made.failed == {"missing": 6}


def test_the_champion_answers_and_what_is_foreign_to_it_goes_to_the_one_before() -> None:
    first, second = model_set(exported(-1, scale=1_000)), model_set(exported(1))
    made = minds(first, second)
    assert answered(made)[:2] == (MODEL, second.model) and answered(made)[2] > 0
    assert answered(made, WILD)[:2] == (LAST_GOOD, first.model) and answered(made, WILD)[2] < 0
    assert made.failed == {"foreign": 2}


def test_what_is_foreign_to_all_goes_to_the_rule_and_what_is_no_number_to_nobody() -> None:
    made = minds(model_set(exported(1)))
    assert answered(made, WILD)[0] == BASELINE
    assert answered(made, np.full(16, np.nan, np.float32)) == (FLAT, "", 0)


def test_a_late_model_is_not_asked() -> None:
    made = Minds(MindsConfig(age_s_max=10))
    assert made.set(model_set(exported(1), at_ns=S)) == ""
    assert answered(made, now_ns=11 * S)[0] == MODEL
    assert answered(made, now_ns=11 * S + 1)[0] == BASELINE
    assert made.failed == {"late": 1, "missing": 1}


def test_a_canary_serves_its_share_and_the_champion_stands_behind_it() -> None:
    champion, canary = (
        model_set(exported(-1, scale=1_000)),
        model_set(exported(1), "canary", canary_ppm=300_000),
    )
    made = minds(champion, canary)
    drawn = {shard for shard in range(200) if answered(made, shard=shard)[1] == canary.model}
    assert drawn == {shard for shard in range(200) if serves(canary.model, shard, 300_000)}
    assert 30 < len(drawn) < 90
    assert answered(made, WILD, shard=min(drawn))[:2] == (LAST_GOOD, champion.model)
    assert made.set(cleared("canary")) == "" and made.model("canary") == ""
    assert all(answered(made, shard=shard)[1] == champion.model for shard in range(200))


def test_a_promoted_canary_leaves_its_slot_and_a_rollback_brings_the_champion_back() -> None:
    champion, canary = model_set(exported(-1)), model_set(exported(1), "canary", canary_ppm=1)
    made = minds(champion, canary, msgspec.structs.replace(canary, slot="champion", canary_ppm=0))
    assert (made.model("champion"), made.model("canary")) == (canary.model, "")
    assert made.set(champion) == "" and answered(made)[:2] == (MODEL, champion.model)


def test_what_was_taken_back_answers_nobody_any_more() -> None:
    good, bad = model_set(exported(1, scale=0.001)), model_set(exported(-1, scale=1_000))
    made = minds(good, bad, good)
    assert answered(made, WILD)[0] == BASELINE, "not by the one that was rolled back"
    assert minds(bad, good).answer(1, S, WILD, np.zeros(3, np.float32))[0] == LAST_GOOD


def test_an_emptied_slot_leaves_nobody_behind() -> None:
    made = minds(model_set(exported(1)), model_set(exported(2)), cleared("champion"))
    assert answered(made)[0] == BASELINE


@pytest.mark.parametrize(("inputs", "classes"), [(32, 3), (16, 2), (16, 4), (8, 3)])
def test_a_model_of_another_width_is_refused(inputs: int, classes: int) -> None:
    wide = Exported("mlp", dict(linear(inputs, classes)), {})
    champion = model_set(exported(1))
    made = minds(champion)
    assert f"{inputs} inputs to {classes} classes" in made.set(model_set(wide))
    assert answered(made)[:2] == (MODEL, champion.model)


def test_what_cannot_be_opened_after_a_restart_leaves_its_slot_empty() -> None:
    made = minds(model_set(exported(1)), model_set(exported(2), "canary", canary_ppm=500_000))
    kept = made.state()
    kept.slots["canary"] = msgspec.structs.replace(kept.slots["canary"], engine="gone")
    again = Minds(MindsConfig())
    again.restore(kept)
    assert again.model("champion") == made.model("champion") and again.model("canary") == ""


@pytest.mark.parametrize("part", [slice(0, 40), slice(8, None), slice(0, 0, -1)])
def test_a_blob_that_is_damaged_is_refused_by_name_and_the_champion_goes_on(part: slice) -> None:
    champion, other = model_set(exported(1)), model_set(exported(-1))
    made = minds(champion)
    damaged = msgspec.structs.replace(other, blob=other.blob[part] or b"x")
    assert "model" in made.set(damaged) and "\n" not in made.set(damaged)
    assert answered(made)[:2] == (MODEL, champion.model)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("trees.left", 0, "leads back"),
        ("trees.right", 1 << 20, "reached twice, never, or is none"),
        ("trees.columns", 16, "none of 16"),
        ("trees.leaves", 1e30, "too large"),
    ],
)
def test_hostile_trees_are_refused_by_name_and_the_champion_goes_on(
    name: str, value: float, words: str
) -> None:
    champion, hostile = model_set(trees()), trees()
    made = minds(champion)
    hostile.tensors[name][-1] = value
    assert words in made.set(model_set(hostile))
    assert answered(made)[:2] == (MODEL, champion.model)


def test_an_unknown_slot_or_engine_is_refused() -> None:
    champion = model_set(exported(1))
    made = minds(champion)
    assert "king" in made.set(msgspec.structs.replace(champion, slot="king"))
    assert "no engine" in made.set(msgspec.structs.replace(champion, engine="abacus"))


def test_its_state_is_all_that_a_restart_needs() -> None:
    made = minds(
        model_set(exported(-1, scale=1_000)), model_set(exported(1)),
        model_set(exported(2), "canary", canary_ppm=500_000),
    )  # fmt: skip
    for _ in range(LASTING - 1):
        assert not made.turned(1, BASELINE)
    again = Minds(MindsConfig())
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(made.state()), type=type(made.state())))
    for shard in range(20):
        for features in (QUIET, WILD):
            assert answered(again, features, shard) == answered(made, features, shard)
    assert again.state() == made.state()
    assert made.turned(1, BASELINE) and again.turned(1, BASELINE)


def test_somebody_else_is_told_once_it_lasts_and_the_model_again_once_that_does() -> None:
    made = minds()
    modes = [MODEL] * 5 + [BASELINE] * 25 + [MODEL] * 9 + [FLAT] + [MODEL] * 25
    told = [made.turned(1, mode) for mode in modes]
    assert [place for place, each in enumerate(told) if each] == [5 + LASTING - 1, 40 + LASTING - 1]


def test_a_report_tells_who_serves_and_by_whom_agents_are_answered() -> None:
    made = minds()
    assert made.report() == ModelsReport("", "", 0, {"model": 0, "last good": 0, "baseline": 0, "flat": 0})
    for shard in (1, 2, 3):
        for _ in range(LASTING):
            made.turned(shard, BASELINE if shard < 3 else MODEL)
    champion, canary = model_set(exported()), model_set(exported(), slot="canary", canary_ppm=250_000)
    assert made.set(champion) == made.set(canary) == ""
    told = made.report()
    assert (told.champion, told.canary, told.canary_ppm) == (champion.model, canary.model, 250_000)
    assert (told.answers["baseline"], told.answers["model"]) == (2, 1)
