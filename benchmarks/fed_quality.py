"""Federated against each region alone and against pooled rows: three regions that differ, five seeds."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import numpy as np

from benchmarks.fed_world import (
    INPUTS,
    REGIONS,
    Rows,
    draw_rows,
    first_layers,
    grid_of,
    train_mlp,
    write_federation,
)
from benchmarks.result import Result
from federation.run.server import open_shell
from federation.run.tensors import Tensors
from learning.models import load
from learning.models.layers import shapes_of
from learning.models.model import Exported

CASE = "fed_quality"
BAR = {"better_than_best_single": (">=", 1.0), "within_of_pooled_frac": ("<=", 0.02)}
ROWS, TEST_ROWS, ROUNDS, EPOCHS = 2000, 2000, 15, 3
SEEDS = (1, 2, 3, 4, 5)
SIZES = (INPUTS, 32, 32, 3)
LONGEST_S = 120.0


def run(quick: bool) -> Result:
    """Train all three ways for as many epochs, and measure on unseen rows of all regions."""
    seeds, rounds = (SEEDS[:1], 2) if quick else (SEEDS, ROUNDS)
    found = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as root:
            found.append(once(Path(root), seed, rounds))
    federated, single, pooled = np.array(found).T
    better = float((single / federated).min())
    within = max(0.0, float((federated / pooled - 1).mean()))
    return Result(
        case=CASE,
        metrics={
            "better_than_best_single": better,
            "within_of_pooled_frac": within,
            "loss_federated": float(federated.mean()),
            "loss_best_single": float(single.mean()),
            "loss_pooled": float(pooled.mean()),
        },
        bar="best single region's log-loss over the federated >= 1 on every seed; within 0.02 of pooled",
        met=better >= 1 and within <= 0.02,
        peer="the same perceptron on pooled rows, for as many epochs",
        peer_metrics={"loss": float(pooled.mean())},
        ratio=float(pooled.mean() / federated.mean()),
        note=f"{ROWS} drawn rows a region, tilted apart, {rounds} rounds of {EPOCHS} epochs, seeds "
        + ", ".join(map(str, seeds)),
    )


def once(root: Path, seed: int, rounds: int) -> tuple[float, float, float]:
    """Give the log-losses: federated, best single region, pooled.

    Each region uses what was learnt together with its own norm, on its own market; a model learnt alone, or
    from all rows, is used as it is on all three.
    """
    rows = {name: draw_rows(100 * seed + place, ROWS, place - 1.0) for place, name in enumerate(REGIONS)}
    tests = {
        name: draw_rows(100 * seed + 50 + place, TEST_ROWS, place - 1.0) for place, name in enumerate(REGIONS)
    }
    test, both = joined(tests), joined(rows)
    pooled = alone(root / "pooled", both, rounds, test)
    single = min(alone(root / name, each, rounds, test) for name, each in rows.items())
    shared = together(root, rows, rounds)
    federated = [loss_of({**shared, **norm_of(rows[name])}, tests[name]) for name in REGIONS]
    return float(np.mean(federated)), single, pooled


def joined(rows: dict[str, Rows]) -> Rows:
    """Put all regions' rows together."""
    return np.concatenate([x for x, _ in rows.values()]), np.concatenate([y for _, y in rows.values()])


def norm_of(rows: Rows) -> Tensors:
    """Give a region's own norm."""
    return {"norm.mean": rows[0].mean(axis=0), "norm.scale": rows[0].std(axis=0)}


def together(root: Path, rows: dict[str, Rows], rounds: int) -> Tensors:
    """Train together, and give the shared layers."""
    configs = {}
    for name, each in rows.items():
        store = write(root / "regions" / name, each)
        trainer = "benchmarks.fed_world:train_mlp"
        configs[name] = {"store": str(store), "state": str(store.parent), "trainer": trainer}
    loop = {"deadline_min_s": 60.0, "retry_s": 0.0}
    train = {"epochs": EPOCHS, "linear_start": 2}
    grid = grid_of(configs)
    shell = open_shell(write_federation(root, train, holdout="", versions_max=rounds, loop=loop), grid)
    timer = threading.Timer(LONGEST_S, shell.stop.set)
    timer.start()
    shell.run()
    timer.cancel()
    grid.close()
    assert shell.loop.current.number == rounds, list(shell.reports)[-3:]
    return dict(zip(shell.loop.current.names, shell.loop.current.arrays, strict=True))


def alone(folder: Path, rows: Rows, rounds: int, test: Rows) -> float:
    """Train on these rows by themselves, in as many goes."""
    store, tensors = write(folder, rows), first_layers()
    for number in range(rounds):
        tensors = train_mlp(store, tensors, {"epochs": EPOCHS, "linear_start": 2}, number).tensors
    return loss_of(tensors, test)


def write(folder: Path, rows: Rows) -> Path:
    """Put rows in a file."""
    folder.mkdir(parents=True)
    np.savez(folder / "rows.npz", x=rows[0], y=rows[1])
    return folder / "rows.npz"


def loss_of(tensors: Tensors, test: Rows) -> float:
    """Measure log-loss."""
    model = load(Exported("mlp", {name: tensors[name] for name in shapes_of(SIZES)}, {}))
    sure = model.predict(test[0])[np.arange(len(test[1])), test[1]]
    return float(-np.log(np.maximum(sure, 1e-9)).mean())
