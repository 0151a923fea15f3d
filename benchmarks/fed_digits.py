"""Flower's own FedAvg beside our loop on scikit-learn's digits, two digits to a client: the same curve."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fed_world import flower_fields, grid_of, read_rows
from benchmarks.result import Result
from federation.run.config import CONFIG_FILE, FIRST_FILE, FederationConfig
from federation.run.flower import ArrayRecord, MetricRecord, settled
from federation.run.messages import arrays_record
from federation.run.server import open_shell
from federation.run.tensors import Tensors, write_tensors
from federation.run.trainer import Trained

CASE = "fed_digits"
BAR = {"gap_max_frac": ("<=", 0.03)}
CLIENTS, ROUNDS, SEEDS, RATE, BATCH = 10, 30, (1, 2, 3, 4, 5), 0.1, 16
SHOWN = (1, 2, 5, 10, 20, 30)
Curve = list[float]
Split = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]


@lru_cache
def digits(seed: int) -> Split:
    """Give train and test rows: a fifth is held out."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    x, y = (images[order] / 16).astype(np.float32), labels[order].astype(np.int64)
    cut = len(y) // 5
    return x[cut:], y[cut:], x[:cut], y[:cut]


def clients(root: Path, seed: int) -> dict[str, dict[str, Any]]:
    """Deal the rows as McMahan et al. did: sorted by digit, cut into shards, two shards to a client."""
    x, y, _, _ = digits(seed)
    shards = np.array_split(np.argsort(y, kind="stable"), 2 * CLIENTS)
    dealt = np.random.default_rng(seed).permutation(2 * CLIENTS).reshape(CLIENTS, 2)
    configs: dict[str, dict[str, Any]] = {}
    for place, pair in enumerate(dealt):
        folder = root / f"client-{place}"
        folder.mkdir(parents=True)
        rows = np.concatenate([shards[shard] for shard in pair])
        np.savez(folder / "rows.npz", x=x[rows], y=y[rows])
        trainer = "benchmarks.fed_digits:train"
        store = str(folder / "rows.npz")
        configs[folder.name] = {"store": store, "state": str(folder), "trainer": trainer, "personal": ""}
    return configs


def first() -> Tensors:
    """Begin with zeros."""
    return {"bias": np.zeros(10, np.float32), "weight": np.zeros((64, 10), np.float32)}


def train(store: Path, tensors: Tensors, config: Mapping[str, Any], seed: int) -> Trained:
    """Go through the rows once, by small batches of softmax regression."""
    x, y = read_rows(store)
    bias, weight = tensors["bias"].copy(), tensors["weight"].copy()
    order = np.random.default_rng(seed + int(config["version"])).permutation(len(y))
    for start in range(0, len(y), BATCH):
        rows = order[start : start + BATCH]
        scores = x[rows] @ weight + bias
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        error = odds / odds.sum(axis=1, keepdims=True)
        error[np.arange(len(rows)), y[rows]] -= 1
        error = (error / len(rows)).astype(np.float32)
        weight -= np.float32(RATE) * x[rows].T @ error
        bias -= np.float32(RATE) * error.sum(axis=0)
    return Trained({"bias": bias, "weight": weight}, len(y))


def accuracy(seed: int) -> Callable[[Tensors], float]:
    """Measure on the rows held out."""
    _, _, x, y = digits(seed)
    return lambda tensors: float(((x @ tensors["weight"] + tensors["bias"]).argmax(axis=1) == y).mean())


def ours(root: Path, seed: int, rounds: int) -> Curve:
    """Give the accuracy of every version of our loop."""
    folder = root / "federation"
    folder.mkdir(parents=True)
    config = FederationConfig.model_validate(
        {"seed": seed, "versions_max": rounds, "personal": (), "loop": {"deadline_min_s": 60.0}}
    )
    (folder / CONFIG_FILE).write_text(config.model_dump_json())
    write_tensors(folder / FIRST_FILE, first())
    grid = grid_of(clients(root, seed))
    shell = open_shell(folder, grid)
    shell.run()
    grid.close()
    line = [shell.store.version(number) for number in shell.store.numbers()][1:]
    measured = accuracy(seed)
    return [measured(dict(zip(each.names, each.arrays, strict=True))) for each in line]


def flowers(root: Path, seed: int, rounds: int) -> Curve:
    """Give the accuracy of every round of Flower's FedAvg on the same clients."""
    with settled():
        from flwr.serverapp.strategy import FedAvg
    measured, curve = accuracy(seed), []

    def evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        curve.append(measured({name: array.numpy() for name, array in arrays.items()}))
        return MetricRecord()

    grid = grid_of(clients(root, seed))
    strategy = FedAvg(fraction_evaluate=0.0, min_available_nodes=CLIENTS, min_train_nodes=CLIENTS)
    fields = flower_fields(seed)
    initial = arrays_record(tuple(first()), list(first().values()))
    strategy.start(
        grid=grid, initial_arrays=initial, num_rounds=rounds, train_config=fields, evaluate_fn=evaluate
    )
    grid.close()
    return curve[1:]


def run(quick: bool) -> Result:
    """Draw both curves for every seed."""
    rounds, seeds = (5, SEEDS[:1]) if quick else (ROUNDS, SEEDS)
    mine, theirs = [], []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as root:
            mine.append(ours(Path(root) / "ours", seed, rounds))
            theirs.append(flowers(Path(root) / "flower", seed, rounds))
    a, b = np.mean(mine, axis=0), np.mean(theirs, axis=0)
    gap = float(np.abs(a - b)[min(4, rounds - 1) :].max())
    table = "; ".join(f"round {r}: {_at(mine, r)} / {_at(theirs, r)}" for r in SHOWN if r <= rounds)
    return Result(
        case=CASE,
        metrics={"accuracy_frac": float(a[-1]), "gap_max_frac": gap},
        bar="from round 5 on, the two curves are within 0.03 of each other",
        met=gap <= 0.03,
        peer="Flower FedAvg.start over the same Grid and clients",
        peer_metrics={"accuracy_frac": float(b[-1])},
        ratio=float(a[-1] / b[-1]),
        note=f"{CLIENTS} clients of two shards, seeds {', '.join(map(str, seeds))}; "
        f"ours / Flower, mean ± sd: {table}",
    )


def _at(curves: list[Curve], number: int) -> str:
    values = [curve[number - 1] for curve in curves]
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"
