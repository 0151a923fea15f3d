"""Each gate says what it measured, against what, and why it holds a version back."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from learning.models.model import Exported
from learning.registry.gates import OFFLINE, GatesConfig, live_gate, offline_gates, told
from learning.registry.manifest import Gate, Manifest, decode_manifest, encode_manifest
from learning.registry.standing import LIVE
from tests.hw.inference.forests import forest
from tests.learning.registry.versions import exported

GOOD = {"log_loss": 0.95, "calibration_error": 0.03, "skill_frac": 0.9, "gain_bps": 0.4}
CHAMPION = {"log_loss": 0.96, "calibration_error": 0.02, "skill_frac": 0.85, "gain_bps": 0.3}
BASELINES = {"logistic": {"log_loss": 0.97}, "persistence": {"log_loss": 1.05}}


def gates(
    model: Exported | None = None, schema: str = "f1", champion: Any = CHAMPION, **figures: Any
) -> dict[str, Gate]:
    found = offline_gates(model or exported(), schema, GOOD | figures, champion, BASELINES)
    assert tuple(gate.name for gate in found) == OFFLINE
    return {gate.name: gate for gate in found}


def held(found: dict[str, Gate]) -> list[str]:
    return [name for name, gate in found.items() if not gate.passed]


def test_a_version_that_is_better_passes_every_gate() -> None:
    assert held(gates()) == [] and held(gates(champion=None)) == []
    assert gates(champion=None)["log_loss"].reason == "no champion to compare with"


@pytest.mark.parametrize(
    ("figures", "name", "limit"),
    [
        ({"log_loss": 0.9621}, "log_loss", 0.962),
        ({"calibration_error": 0.11}, "calibration", 0.1),
        ({"skill_frac": 0.74}, "sharpe", 0.75),
        ({"gain_bps": 0.19}, "gain", 0.2),
    ],
)
def test_a_figure_beyond_its_limit_holds_a_version_back(
    figures: dict[str, Any], name: str, limit: float
) -> None:
    found = gates(**figures)
    assert held(found) == [name]
    assert found[name].figure == next(iter(figures.values()))
    assert found[name].limit == pytest.approx(limit)


def test_a_version_that_no_baseline_is_worse_than_is_held_back() -> None:
    assert held(gates(log_loss=0.971)) == ["log_loss", "baselines"]
    (gate,) = (each for each in offline_gates(exported(), "f1", GOOD, None, {}) if each.name == "baselines")
    assert not gate.passed and gate.reason == "no baseline was measured"


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_no_number_passes_nothing(wrong: float) -> None:
    figures: dict[str, Any] = dict.fromkeys(GOOD, wrong)
    compared = ["log_loss", "baselines", "calibration", "sharpe", "gain"]
    assert held(gates(**figures)) == held(gates(champion=None, **figures)) == compared
    found = offline_gates(exported(), "f1", {}, CHAMPION, BASELINES)
    assert [gate.name for gate in found if not gate.passed] == compared


def test_without_a_champion_skill_must_be_likelier_than_not() -> None:
    assert held(gates(champion=None, skill_frac=0.49)) == ["sharpe"]


def test_without_a_champion_its_decisions_must_not_lose() -> None:
    assert held(gates(champion=None, gain_bps=0.0)) == []  # it says that nothing pays
    found = gates(champion=None, gain_bps=-0.11)
    assert held(found) == ["gain"] and found["gain"].limit == -0.1


def changed(name: str, value: float) -> Exported:
    model = exported()
    model.tensors[name] = np.full_like(model.tensors[name], value)
    return model


def test_tensors_that_are_not_finite_or_too_large_hold_a_version_back() -> None:
    found = gates(changed("l0.bias", math.nan))
    assert held(found) == ["finite", "served", "norm"] and found["finite"].reason == "not finite: l0.bias"
    found = gates(changed("l0.weight", 101.0))
    assert held(found) == ["norm"] and found["norm"].figure == pytest.approx(101)
    assert told(found["norm"]) == "size of l0.weight: 101, limit 100"
    assert held(gates(changed("norm.mean", 1e6))) == []


def test_a_model_without_weights_has_no_norm() -> None:
    trees = Exported("lightgbm", dict(forest().tensors()), {})
    assert gates(trees)["norm"].reason == "no weights" and held(gates(trees)) == []


@pytest.mark.parametrize(("inputs", "classes"), [(15, 3), (16, 2)])
def test_trees_of_another_width_are_held_back_by_name(inputs: int, classes: int) -> None:
    trees = Exported("lightgbm", dict(forest(inputs=inputs, classes=classes).tensors()), {})
    assert held(gates(trees)) == ["served"]
    assert f"{inputs} inputs to {classes} classes" in told(gates(trees)["served"])


def test_a_kind_that_no_node_can_run_is_held_back_by_name() -> None:
    sequence = Exported("tcn", {"c0.weight": np.zeros(4, np.float32)}, {})
    assert held(gates(sequence)) == ["served"]
    assert told(gates(sequence)["served"]).startswith("no node serves the kind 'tcn'")


def test_features_of_another_schema_hold_a_version_back() -> None:
    found = gates(schema="f2")
    assert held(found) == ["schema"] and "'f2', not 'f1'" in found["schema"].reason
    assert told(found["schema"]).endswith("no figure")


def test_a_canary_is_judged_by_the_lower_end_of_its_interval() -> None:
    assert live_gate(-0.4, 1.0, 500, 0.5, 200).passed
    assert not live_gate(-0.6, 1.0, 500, 0.5, 200).passed
    few = live_gate(0.5, 1.0, 199, 0.5, 200)
    assert (few.name, few.passed, few.figure, few.limit) == (LIVE, False, 199, 200)
    assert not live_gate(-math.inf, math.inf, 500, 0.5, 200).passed


def test_bounds_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="norm_max"):
        GatesConfig(norm_max=0)
    with pytest.raises(ValueError, match="loss"):
        GatesConfig.model_validate({"loss": 1})


def test_what_is_not_finite_is_written_as_nothing_and_read_back() -> None:
    made = Manifest("m", "mlp", "tokyo", 1, metrics={"a": math.nan, "b": 1.5})
    back = decode_manifest(encode_manifest(made), "")
    assert back.metrics == {"a": None, "b": 1.5}
    assert msgspec.structs.replace(made, metrics=back.metrics) == back
