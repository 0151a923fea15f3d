"""Versions an hour when one region is ten times slower: our loop beside Flower's barrier."""

from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path
from typing import Any

from benchmarks.fed_world import REGIONS, first_layers, flower_fields, grid_of, write_federation
from benchmarks.result import Result
from federation.run.flower import settled
from federation.run.messages import arrays_record
from federation.run.server import open_shell
from hw.clock import perf_ns

CASE = "fed_async"
BAR = {"ratio": (">=", 3.0)}
FAST_S, SLOW = 0.1, 10


def run(quick: bool) -> Result:
    """Let both run about as long, and count versions."""
    rounds = 3 if quick else 8
    with tempfile.TemporaryDirectory() as root:
        barrier_s = barrier(Path(root) / "flower", rounds)
        count, late, seconds = ours(Path(root) / "ours", barrier_s)
    per_hour, barrier_per_hour = count / seconds * 3600, rounds / barrier_s * 3600
    ratio = per_hour / barrier_per_hour
    return Result(
        case=CASE,
        metrics={"versions_per_hour": per_hour, "ratio": ratio},
        bar="ratio >= 3",
        met=ratio >= 3.0 and late > 0,
        peer="Flower FedAvg.start over the same Grid and clients",
        peer_metrics={"versions_per_hour": barrier_per_hour},
        ratio=ratio,
        note=f"two regions answer after {FAST_S:g} s, one after {FAST_S * SLOW:g} s and counted {late} times",
    )


def regions(root: Path) -> dict[str, dict[str, Any]]:
    """Write how long each region takes."""
    configs: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(REGIONS):
        (root / name).mkdir(parents=True)
        store = root / name / "pace.json"
        store.write_text(json.dumps({"seconds": FAST_S * (SLOW if place == 0 else 1)}))
        trainer = "benchmarks.fed_world:wait_and_step"
        configs[name] = {"store": str(store), "state": str(root / name), "trainer": trainer}
    return configs


def barrier(root: Path, rounds: int) -> float:
    """Run Flower's loop and give its seconds."""
    with settled():
        from flwr.serverapp.strategy import FedAvg
    grid, tensors = grid_of(regions(root)), first_layers()
    began = perf_ns()
    FedAvg(fraction_evaluate=0.0, min_available_nodes=3, min_train_nodes=3).start(
        grid=grid,
        initial_arrays=arrays_record(tuple(tensors), list(tensors.values())),
        num_rounds=rounds,
        train_config=flower_fields(),
    )
    seconds = (perf_ns() - began) / 1e9
    grid.close()
    return seconds


def ours(root: Path, seconds: float) -> tuple[int, int, float]:
    """Run our loop for as long; give versions, those that the slow region counted in, and seconds."""
    loop = {"buffer": 2, "deadline_min_s": 0.01, "deadline_first_s": 2 * FAST_S, "staleness_max": 64}
    folder = write_federation(root, {}, holdout="", loop=loop)
    grid = grid_of(regions(root))
    shell = open_shell(folder, grid)
    timer = threading.Timer(seconds, shell.stop.set)
    timer.start()
    began = perf_ns()
    shell.run()
    took = (perf_ns() - began) / 1e9
    grid.close()
    line = [shell.store.version(number) for number in shell.store.numbers()][1:]
    late = sum(any(member.region == REGIONS[0] for member in each.members) for each in line)
    return len(line), late, took
