"""The learner reads, trains and promotes beside nodes that do not know of it, and goes on after any death."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.config import load_region
from deploy.learner import Learner, as_traded
from deploy.learner_config import LearnerConfig
from deploy.plan import region_files
from deploy.rounds import DeployedRounds, region_folder
from federation.run.region_folder import DUE_FILE, PERSONAL_FILE, keep_sent
from federation.run.tensors import write_tensors
from hw.clock import SystemClock
from learning.places import rows_root
from learning.rows.store import Store
from learning.train.config import TrainConfig
from learning.train.schedule import ScheduleConfig
from learning.train.trainer import train
from tests.deploy.running import until
from tests.learning.builders import STEP_NS, rows_with_signal

REGIONS = ("tokyo", "frankfurt")


# As it comes, but without waiting.
AT_ONCE = ScheduleConfig(rows_first=200, step_s=0.001, rest_s=0)
CONFIG = LearnerConfig(look_s=0, kinds={}, schedule=AT_ONCE, together=AT_ONCE)


def tape(state: Path, *, curved: bool = True) -> None:
    """Put a public tape of the same market there, so that none is made of simulated rows."""
    Store(state / "federation" / "holdout").append(rows_with_signal(300, 9, curved=curved, strength=2.5))


def learner(state: Path, *, federated: bool = False) -> Learner:
    return Learner(state, list(REGIONS), federated=federated, config=CONFIG)


def test_without_journals_it_says_so_and_asks_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tape(tmp_path)
    made = learner(tmp_path)
    made.turn()
    made.close()
    assert capfd.readouterr().err.count("there is no journal here") == len(REGIONS)
    assert made.version == 0


def test_regions_with_rows_make_versions_that_are_held_against_gates_and_a_restart_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for seed, region in enumerate(REGIONS):
        Store(rows_root(tmp_path) / region).append(rows_with_signal(1_500, seed, curved=True, strength=2.5))
    tape(tmp_path)
    made = learner(tmp_path)
    until("both regions' versions", lambda: _turned(made), 60)
    version, states = made.version, {name: each.registry.states() for name, each in made.regions.items()}
    made.close()
    reasons = []
    for name, known in states.items():
        for model, standing in known.items():
            assert {gate.name for gate in standing.gates} >= {"log_loss", "baselines", "sharpe"}
            manifest = made.regions[name].registry.show(model)
            assert (manifest.metrics["version"] or 0) <= version
            reasons.append((manifest.config["train.reason"], manifest.config["train.how"]))
    assert ("first", "whole") in reasons, reasons
    assert set(reasons) <= {("first", "whole"), ("other regions' rows", "")}
    again = learner(tmp_path)
    again.turn()
    assert again.version == version
    found = {name: list(each.registry.states()) for name, each in again.regions.items()}
    assert found == {name: list(known) for name, known in states.items()}
    again.close()
    said = capfd.readouterr().err
    assert said.count("trains with the others: first (whole, 1500 rows)") == len(REGIONS), "once, not twice"


def _turned(made: Learner) -> bool:
    made.turn()
    return all(models.registry.states() for models in made.regions.values())


def test_beside_a_deployment_it_marks_who_is_due_and_holds_what_was_sent_against_each_regions_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.rounds.PATIENCE_S", 0.0)
    folder = region_folder(tmp_path / "federation", "tokyo")
    rows = rows_with_signal(600, 1, curved=True, strength=2.5)
    Store(rows_root(tmp_path) / "tokyo").append(rows)
    made = learner(tmp_path, federated=True)
    made.turn()
    assert (folder / DUE_FILE).exists()
    assert made.version == 0
    tensors = train(rows, None, TrainConfig(), 1).exported.tensors
    write_tensors(folder / PERSONAL_FILE, {name: t for name, t in tensors.items() if "norm" in name})
    keep_sent(folder, 4, {name: t for name, t in tensors.items() if "norm" not in name})
    (folder / DUE_FILE).unlink()  # as a node does that has learnt
    made.turn()
    assert made.version == 4
    assert not (folder / DUE_FILE).exists(), "rows that were learnt from are not new"
    (model,) = made.regions["tokyo"].registry.states()
    assert made.regions["tokyo"].registry.show(model).metrics["version"] == 4
    assert made.regions["frankfurt"].registry.states() == {}
    made.turn()
    assert list(made.regions["tokyo"].registry.states()) == [model]
    more = rows_with_signal(600, 2, begin_ns=int(rows.table["at_ns"][-1]) + STEP_NS)
    Store(rows_root(tmp_path) / "tokyo").append(more)
    made.turn()
    assert (folder / DUE_FILE).exists()
    made.close()
    assert DeployedRounds(tmp_path / "federation", ["tokyo"], SystemClock(), lambda region: True).turn() == []


def test_decisions_are_measured_as_the_regions_agents_take_them() -> None:
    (path,) = region_files(["tokyo"])
    tokyo = load_region(path)
    traded = as_traded(LearnerConfig(), tokyo)
    assert traded.train.edge_frac == 0.5 != LearnerConfig().train.edge_frac
    assert traded.schedule == LearnerConfig().schedule


def test_an_update_that_is_worse_on_the_public_tape_is_refused_by_name_and_serves_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tape(tmp_path, curved=False)
    mirrored = rows_with_signal(600, 1, strength=2.5)
    mirrored.table["label"] = 2 - mirrored.table["label"]
    Store(rows_root(tmp_path) / "tokyo").append(mirrored)
    made = Learner(tmp_path, ["tokyo"], config=CONFIG)
    said: list[str] = []

    def refused() -> bool:
        made.turn()
        said.append(capfd.readouterr().err)
        return "tokyo's update does not count: hold-out loss" in "".join(said)

    until("the update is refused", refused, 30)
    assert made.version == 0 and made.regions["tokyo"].registry.states() == {}
    made.close()
