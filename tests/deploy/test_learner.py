"""The learner reads, trains and promotes beside nodes that do not know of it, and goes on after any death."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.learner import Learner
from learning.places import rows_root
from learning.rows.gather import Gatherer
from learning.rows.store import Store
from tests.deploy.running import until
from tests.learning.builders import rows_with_signal

REGIONS = ("tokyo", "frankfurt")


def learner(state: Path, rows: int = 0) -> Learner:
    made = Learner(state, list(REGIONS))
    for models in made.regions.values():
        models.rows.gatherer = Gatherer(())
        models.rows.gatherer.counts.finished = rows
    return made


def test_without_journals_it_says_so_and_asks_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = learner(tmp_path)
    made.turn()
    made.close()
    assert capfd.readouterr().err.count("there is no journal here") == len(REGIONS)
    assert made.version == 0


def test_regions_with_rows_make_versions_that_are_held_against_gates_and_a_restart_goes_on(
    tmp_path: Path,
) -> None:
    for seed, region in enumerate(REGIONS):
        Store(rows_root(tmp_path) / region).append(rows_with_signal(1_500, seed, curved=True, strength=2.5))
    made = learner(tmp_path, 1_500)
    until("both regions' versions", lambda: _turned(made), 60)
    version, states = made.version, {name: each.registry.states() for name, each in made.regions.items()}
    made.close()
    for name, known in states.items():
        for model, standing in known.items():
            assert {gate.name for gate in standing.gates} >= {"log_loss", "baselines", "sharpe"}
            assert (made.regions[name].registry.show(model).metrics["version"] or 0) <= version
    again = learner(tmp_path)
    again.turn()
    assert again.version == version
    found = {name: list(each.registry.states()) for name, each in again.regions.items()}
    assert found == {name: list(known) for name, known in states.items()}
    again.close()


def _turned(made: Learner) -> bool:
    made.turn()
    return all(models.registry.states() for models in made.regions.values())
