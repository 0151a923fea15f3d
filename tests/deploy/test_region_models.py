"""A region lets a version serve only where its own rows say so, and a canary only as long as it earns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deploy.learner_config import CanaryConfig, LearnerConfig
from deploy.region_models import RegionModels
from learning.models.mlp import Mlp
from learning.models.model import Tensors
from learning.places import rows_root
from learning.registry.sequential import SequentialConfig
from learning.rows.row import Rows
from learning.rows.store import Store
from learning.train.config import TrainConfig
from tests.learning.builders import BEGIN_NS, STEP_NS, rows_with_signal

TRAIN = TrainConfig(rows_min=200)
CANARY = CanaryConfig(pairs_min=50, outcomes=SequentialConfig(limit_bps=10.0), less_bps=1.0)
CONFIG = LearnerConfig(train=TRAIN, canary=CANARY)


class Region:
    """A region with rows in its store, and a log."""

    def __init__(self, state: Path) -> None:
        self.said: list[str] = []
        self.store = Store(rows_root(state) / "tokyo")
        self.rows = rows_with_signal(1_500, 1, curved=True, strength=2.5)
        self.store.append(self.rows)
        self.models = RegionModels("tokyo", "tokyo-1", state, CONFIG, lambda: BEGIN_NS, self.said.append)

    def trained(self, shift: float = 0.0) -> Tensors:
        """Train on the older rows, as the federation would; a little shift makes it another version."""
        model = Mlp({}, 1)
        part = self.rows.pick(np.arange(1_000))
        model.learn(part.x, part.y)
        tensors = model.export().tensors
        return tensors | {"l2.bias": tensors["l2.bias"] + np.float32(shift)}

    def outcomes(self, earns_bps: dict[str, float], count: int) -> None:
        """Let models decide and earn after the last row."""
        at_ns = int(self.store.rows().table["at_ns"].max()) + STEP_NS
        draws = np.random.default_rng(count)
        for place, (model, bps) in enumerate(earns_bps.items()):
            table = rows_with_signal(count, place, begin_ns=at_ns + place).table.copy()
            table["shard"], table["model"], table["decision_ppm"] = place, model.encode(), 1_000_000
            table["gross_bps"] = bps + TRAIN.cost_bps + draws.normal(size=count)
            self.store.append(Rows.of("tokyo-x", "BTC/USDT", table))


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return Region(tmp_path)


def champion_and_canary(region: Region) -> tuple[str, str]:
    assert "is champion" in region.models.consider(region.trained(), "federation", {})
    assert "is canary" in region.models.consider(region.trained(0.001), "federation", {})
    pointer = region.models.registry.pointer()
    assert pointer.canary_ppm == 500_000
    return pointer.champion, pointer.canary


def test_what_knows_nothing_does_not_serve_and_says_by_which_gate(region: Region) -> None:
    tensors = region.trained()
    for name in ("l0.weight", "l1.weight", "l2.weight"):
        tensors[name] = np.zeros_like(tensors[name])
    told = region.models.consider(tensors, "federation", {})
    assert "does not serve" in told and "baselines" in told and "limit" in told
    assert region.models.registry.pointer().champion == ""
    assert region.said == [told]
    (page,) = (region.models.registry.folder / "reports").glob("*.html")
    text = page.read_text(encoding="utf-8")
    assert "<td>baselines</td><td>not passed</td>" in text and "mlp, this version" in text
    assert text.count("<svg") == 3


def test_the_first_good_version_is_champion_the_next_a_canary_and_a_third_waits(region: Region) -> None:
    champion, canary = champion_and_canary(region)
    assert champion != canary
    assert "is known" in region.models.consider(region.trained(0.001), "federation", {})
    assert "waits" in region.models.consider(region.trained(0.002), "federation", {})


def test_a_canary_that_earns_is_promoted(region: Region) -> None:
    champion, canary = champion_and_canary(region)
    assert region.models.look() == "", "nothing is known yet"
    region.outcomes({champion: 0.0, canary: 2.0}, 800)
    assert "is champion" in region.models.look()
    assert region.models.registry.pointer().champion == canary
    assert region.models.look() == ""


def test_a_canary_that_loses_is_withdrawn(region: Region) -> None:
    champion, canary = champion_and_canary(region)
    region.outcomes({champion: 2.0, canary: -2.0}, 800)
    assert "is withdrawn" in region.models.look()
    pointer = region.models.registry.pointer()
    assert (pointer.champion, pointer.canary) == (champion, "")


def test_too_few_outcomes_promote_nobody_however_good(region: Region) -> None:
    champion, canary = champion_and_canary(region)
    region.outcomes({champion: 0.0, canary: 9.0}, 20)
    assert region.models.look() == ""
    assert region.models.registry.pointer().canary == canary
