"""Federated against each region alone and against pooled rows: three simulated regions, five seeds."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.region_rows import FIT_ROWS, TEST_ROWS, Region, regions
from benchmarks.result import Result
from federation.run.client import app
from federation.run.config import CONFIG_FILE, FIRST_FILE, FederationConfig
from federation.run.deployment.config import TRAINER
from federation.run.grid import LocalGrid
from federation.run.region_folder import PERSONAL_FILE
from federation.run.rows_trainer import config_of
from federation.run.server import open_shell
from federation.run.tensors import Tensors, read_tensors, write_tensors
from learning.models import begin
from learning.models.mlp import Mlp
from learning.models.model import Model
from learning.rows.row import Rows
from learning.rows.store import Store
from learning.train.calibration import log_loss
from learning.train.config import TrainConfig
from learning.train.trainer import train

CASE = "fed_quality"
BAR = {"better_than_best_single": (">=", 1.0), "within_of_pooled_frac": ("<=", 0.02)}
SEEDS = (1, 2, 3, 4, 5)
ROUNDS = 12
LONGEST_S = 300.0
Models = dict[str, Model]
"""A model for each region."""


def run(quick: bool) -> Result:
    """Learn all three ways, and measure on later rows of all regions."""
    seeds, rounds, rows = (SEEDS[:1], 2, (500, 300)) if quick else (SEEDS, ROUNDS, (FIT_ROWS, TEST_ROWS))
    found = np.array([once(regions(seed, *rows), seed, rounds) for seed in seeds])
    federated, single, home, pooled = found.T
    within = federated / pooled - 1
    better, at_home = float((single / federated).min()), float((home / federated).min())
    return Result(
        case=CASE,
        metrics={
            "better_than_best_single": better,
            "better_than_own_at_home": at_home,
            "within_of_pooled_frac": max(0.0, float(within.mean())),
            **spread(within),
            "loss_federated": float(federated.mean()),
            "loss_best_single": float(single.mean()),
            "loss_own_at_home": float(home.mean()),
            "loss_pooled": float(pooled.mean()),
        },
        bar="best single region's log-loss over the federated >= 1 on every seed; within 0.02 of pooled",
        met=better >= 1 and float(within.mean()) <= 0.02,
        peer="the same perceptron on all regions' rows in one place, the better of two ways to train it",
        peer_metrics={"loss": float(pooled.mean())},
        ratio=float(pooled.mean() / federated.mean()),
        note="; ".join(
            f"seed {seed}: federated {each[0]:.4f}, best single {each[1]:.4f}, own at home {each[2]:.4f}, "
            f"pooled {each[3]:.4f}"
            for seed, each in zip(seeds, found.tolist(), strict=True)
        ),
    )


def spread(values: NDArray[np.float64]) -> dict[str, float]:
    """Give the standard error of a mean over seeds, where there are several."""
    if len(values) < 2:
        return {}
    return {"within_error_frac": float(values.std(ddof=1) / len(values) ** 0.5)}


def once(rows: Mapping[str, Region], seed: int, rounds: int) -> tuple[float, float, float, float]:
    """Give the log-losses: federated, best single region, each region's own at home, pooled.

    Each is the mean over regions of the log-loss on their later rows. What was learnt from one region's rows
    alone, or from all, is used everywhere as it is; at home each region uses what it learnt itself. The rows
    themselves choose between the two ways of learning alone and between the regions: in favour of the peers.
    """
    federated = loss_of(together(rows, seed, rounds), rows)
    pooled = alone([each.fit for each in rows.values()], seed, rounds)
    own = {name: alone([each.fit], seed, rounds) for name, each in rows.items()}
    return (
        federated,
        min(loss_of(dict.fromkeys(rows, model), rows) for models in own.values() for model in models),
        min(loss_of({name: models[way] for name, models in own.items()}, rows) for way in range(2)),
        min(loss_of(dict.fromkeys(rows, model), rows) for model in pooled),
    )


def loss_of(models: Mapping[str, Model], rows: Mapping[str, Region]) -> float:
    """Measure on later rows, every region counting the same."""
    return float(np.mean([of_rows(models[name], each.test) for name, each in rows.items()]))


def of_rows(model: Model, rows: Rows) -> float:
    """Measure log-loss on some rows."""
    return log_loss(model.predict(rows.x), rows.y)


def together(
    rows: Mapping[str, Region], seed: int, rounds: int, config: FederationConfig | None = None
) -> Models:
    """Let the regions learn together, and give each what it makes of the newest version."""
    config = (config or FederationConfig()).model_copy(update={"versions_max": rounds, "seed": seed})
    with tempfile.TemporaryDirectory() as root:
        return federation(Path(root), {name: each.fit for name, each in rows.items()}, config)


def federation(root: Path, rows: Mapping[str, Rows], config: FederationConfig) -> Models:
    """Run a federation that waits for all, and give what every region makes of its newest version."""
    loop = config.loop.model_copy(update={"deadline_min_s": LONGEST_S, "retry_s": 0.0})
    config = config.model_copy(update={"loop": loop})
    (root / CONFIG_FILE).write_text(config.model_dump_json())
    write_tensors(root / FIRST_FILE, Mlp(seed=config.seed).layers())
    for name, each in rows.items():
        Store(root / "rows" / name).append(each)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    told = {"trainer": TRAINER, "personal": ",".join(config.personal)}
    grid = LocalGrid(
        app,
        {name: {"store": str(root / "rows" / name), "state": str(root / name), **told} for name in rows},
    )
    shell = open_shell(root, grid)
    timer = threading.Timer(LONGEST_S, shell.stop.set)
    timer.start()
    shell.run()
    timer.cancel()
    grid.close()
    assert shell.loop.current.number == config.versions_max, list(shell.reports)[-3:]
    newest = dict(zip(shell.loop.current.names, shell.loop.current.arrays, strict=True))
    shell.store.close()
    return {name: perceptron({**read_tensors(root / name / PERSONAL_FILE), **newest}) for name in rows}


def alone(rows: list[Rows], seed: int, rounds: int) -> tuple[Model, Model]:
    """Learn in one place: as a region does that is by itself, and as a federation's does, in as many goes."""
    joined, tensors = Rows.joined(rows), Mlp(seed=seed).layers()
    by_itself = train(joined, None, TrainConfig(), seed).exported.tensors
    settings = config_of(FederationConfig().train)
    for number in range(rounds):
        tensors = train(joined, tensors, settings, 1000 * seed + number).exported.tensors
    return perceptron(by_itself), perceptron(tensors)


def perceptron(tensors: Tensors) -> Model:
    """Make a model of norm and layers."""
    return begin("mlp", None, 0, tensors)
