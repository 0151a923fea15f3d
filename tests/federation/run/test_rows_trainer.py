"""The trainer of real regions: rows from a region's own store, and the federation over three of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import SwarmError
from federation.run.client import app
from federation.run.config import FIRST_FILE, TRAIN, FederationConfig
from federation.run.deployment.config import TRAINER, DeploymentConfig
from federation.run.deployment.plan import Deployment
from federation.run.grid import LocalGrid
from federation.run.region_folder import PERSONAL_FILE
from federation.run.rows_trainer import train_rows
from federation.run.server import open_shell
from federation.run.tensors import Tensors, read_tensors
from learning.models import load
from learning.models.layers import shapes_of
from learning.models.model import Exported
from learning.rows.store import Store
from tests.learning.builders import rows_with_signal

NAMES = tuple(shapes_of((16, 32, 32, 3)))
TRAINING = {**TRAIN, "model.epochs": 3}


def public_loss(path: Path) -> Callable[[Tensors], float]:
    """Measure on public rows with their own norm."""
    rows = rows_with_signal(600, seed=50)
    norm = {"norm.mean": rows.x.mean(axis=0), "norm.scale": np.maximum(rows.x.std(axis=0), 1e-3)}

    def loss(tensors: Tensors) -> float:
        given = {**norm, **tensors}
        model = load(Exported("mlp", {name: given[name] for name in NAMES}, {}))
        sure = model.predict(rows.x)[np.arange(len(rows)), rows.y]
        return float(-np.log(np.maximum(sure, 1e-9)).mean())

    return loss


def stores(root: Path) -> dict[str, dict[str, Any]]:
    configs: dict[str, dict[str, Any]] = {}
    for seed, name in enumerate(("frankfurt", "nyc", "tokyo"), 1):
        Store(root / "rows" / name).append(rows_with_signal(400, seed=seed))
        store, state = str(root / "rows" / name), str(root / "regions" / name)
        configs[name] = {"store": store, "state": state, "trainer": TRAINER}
    return configs


def test_three_regions_learn_together_from_their_stores(tmp_path: Path) -> None:
    holdout = f"{__name__}:public_loss"
    loop = {"deadline_min_s": 60.0}
    told = {"train": TRAINING, "holdout": holdout, "versions_max": 2, "loop": loop}
    config = DeploymentConfig(federation=FederationConfig.model_validate(told))
    made = Deployment(tmp_path, config)
    made.prepare(1_800_000_000 * 10**9)
    grid = LocalGrid(app, stores(tmp_path))
    shell = open_shell(made.root, grid)
    shell.run()
    grid.close()
    line = [shell.store.version(number) for number in shell.store.numbers()]
    losses = [each.loss for each in line if each.loss is not None]
    assert len(losses) == 3 and losses[1] < 0.9 * losses[0]
    assert line[-1].names == tuple(sorted(name for name in NAMES if not name.startswith("norm.")))
    assert sorted(member.region for member in line[1].members) == ["frankfurt", "nyc", "tokyo"]
    kept = read_tensors(tmp_path / "regions" / "nyc" / PERSONAL_FILE)
    assert sorted(kept) == ["norm.mean", "norm.scale"]


def test_an_empty_store_and_a_setting_that_is_not_there_are_refused_by_name(tmp_path: Path) -> None:
    made = Deployment(tmp_path, DeploymentConfig())
    made.prepare(1_800_000_000 * 10**9)
    first = read_tensors(made.root / FIRST_FILE)
    with pytest.raises(SwarmError, match="rows"):
        train_rows(tmp_path / "none", first, {"seed": 1}, 1)
    with pytest.raises(ValueError, match="gain"):
        train_rows(tmp_path / "none", first, {"gain": 1}, 1)
