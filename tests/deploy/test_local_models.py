"""A region trains its own kinds in turn, in whole or from where it was, through the gates of any version."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.learner_config import LearnerConfig
from deploy.local_models import LocalModels
from deploy.region_models import HOW, REASON, RegionModels
from learning.places import rows_root
from learning.registry.standing import CHAMPION
from learning.rows.store import Store
from learning.train.config import TrainConfig
from learning.train.schedule import ScheduleConfig
from tests.learning.builders import BEGIN_NS, STEP_NS, rows_with_signal

CONFIG = LearnerConfig(
    train=TrainConfig(rows_min=200),
    schedule=ScheduleConfig(rows_first=200, step_s=0.001, rest_s=60),
    kinds={
        "ridge": {},
        "lightgbm": {"rounds": 5, "again_rounds": 2},
        "hedge": {"experts": "ridge,lightgbm", "lightgbm/rounds": 5},
    },
)


class Region:
    def __init__(self, state: Path, config: LearnerConfig = CONFIG) -> None:
        self.said: list[str] = []
        self.clock_ns, self.count = BEGIN_NS, 0
        self.store = Store(rows_root(state) / "tokyo")
        self.models = RegionModels("tokyo", "tokyo-1", state, config, self.now_ns, self.said.append)
        self.local = LocalModels(self.models)

    def now_ns(self) -> int:
        self.clock_ns += STEP_NS
        return self.clock_ns

    def labelled(self, count: int) -> None:
        self.clock_ns += 3_600 * STEP_NS
        begin_ns = BEGIN_NS + self.count * STEP_NS
        self.store.append(rows_with_signal(count, self.count, strength=2.0, begin_ns=begin_ns))
        self.count += count
        self.models.look()

    def trained(self) -> list[str]:
        told = []
        while self.local.busy:
            told.append(self.local.turn())
            assert len(told) <= len(self.models.config.kinds)
        return told


def test_kinds_take_turns_and_each_is_of_a_kind_that_nodes_run(tmp_path: Path) -> None:
    region = Region(tmp_path)
    region.labelled(600)
    assert region.local.busy
    ridge, trees, hedge = region.trained()
    assert "is champion" in ridge
    for told in (trees, hedge):
        assert "waits" in told or "is canary" in told or "does not serve" in told
    registry = region.models.registry
    by_kind = {registry.show(model).kind: model for model in registry.states()}
    assert list(by_kind) == ["ridge", "lightgbm", "hedge"]
    assert registry.states()[by_kind["ridge"]].state == CHAMPION
    for model in by_kind.values():
        manifest = registry.show(model)
        assert (manifest.source, manifest.config[REASON], manifest.config[HOW]) == ("tokyo", "first", "whole")
        passed = {gate.name for gate in manifest.gates if gate.passed}
        assert manifest.window.rows > 400 and passed >= {"finite", "served", "norm"}
    assert region.local.turn() == "" and not region.local.busy


def test_between_it_goes_on_from_where_it_was_with_new_rows_only(tmp_path: Path) -> None:
    region = Region(tmp_path)
    region.labelled(600)
    region.trained()
    registry = region.models.registry
    first = {registry.show(model).kind: model for model in registry.states()}
    region.labelled(300)
    region.trained()
    for kind, base in first.items():
        later = registry.show(region.models.latest(kind, "tokyo"))
        assert (later.parent, later.config[REASON], later.config[HOW]) == (base, "new rows", "step")
        assert 200 < later.metrics["rows"] < 300, "what was learnt from is not learnt again"  # type: ignore[operator]


def test_a_kind_that_cannot_be_trained_is_told_by_name_and_the_others_are(tmp_path: Path) -> None:
    region = Region(
        tmp_path, CONFIG.model_copy(update={"kinds": {"oracle": {}, "ridge": {"depth": 3}, "prior": {}}})
    )
    region.labelled(600)
    oracle, ridge, prior = region.trained()
    assert "oracle is not trained: " in oracle and "ridge is not trained: " in ridge
    assert "does not serve" in prior
    assert region.models.watch.alone.failures == 0


def test_without_one_that_was_made_the_training_has_failed_and_rests(tmp_path: Path) -> None:
    region = Region(tmp_path, CONFIG.model_copy(update={"kinds": {"oracle": {}}}))
    region.labelled(600)
    region.trained()
    assert region.models.watch.alone.failures == 1


def test_rows_of_one_class_train_nothing_and_say_so(tmp_path: Path) -> None:
    region = Region(tmp_path)
    flat = rows_with_signal(600)
    flat.table["label"] = 1
    region.store.append(flat)
    region.models.look()
    for told in region.trained():
        assert "one class" in told
    assert region.models.registry.states() == {}


@pytest.mark.parametrize("empty", [True, False])
def test_a_region_with_no_or_few_rows_does_not_train(tmp_path: Path, empty: bool) -> None:
    region = Region(tmp_path)
    region.labelled(0 if empty else 199)
    assert not region.local.busy and region.trained() == []
