"""What privacy costs: log-loss on unseen rows of three simulated regions, clipped, blurred, under masks."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq

from benchmarks.fed_world import (
    Rows,
    grid_of,
    loss_of,
    norm_of,
    write,
    write_federation,
    write_regions,
)
from benchmarks.result import Result
from federation.privacy.accountant import epsilon_of, rdp_of_release
from federation.run.server import open_shell
from federation.run.tensors import Tensors
from hw.clock import perf_ns
from sim.learning_data import REGIONS, region_rows

CASE = "fed_privacy"
BAR = {"mask_error_max": ("<=", 1e-6), "clipped_to_plain": ("<=", 1.05)}
ROWS, TEST_ROWS, ROUNDS, DELTA, LONGEST_S, MASKED = 4000, 2000, 8, 1e-5, 60.0, 3
SEEDS, EPSILONS, CLIPS, WIDE = (1, 2, 3), (10.0, 3.0, 1.0), (0.003, 0.03, 0.3), 5.0
# What the noise costs is to be seen, so that nothing is left out for being worse.
OPEN = {
    "deadline_min_s": 60.0,
    "retry_s": 0.0,
    "regress_frac": 1e6,
    "vetting": {
        "loss_slack_frac": 1e6,
        "cosine_min": -1.0,
        "against_cosine": -1.0,
        "norm_z_max": 1e6,
        "norm_base_max": 1e9,
    },
}
World = dict[str, tuple[Rows, Rows]]


def run(quick: bool) -> Result:
    """Run the same federation with each setting, and the same updates with and without masks."""
    seeds, rows, rounds = (SEEDS[:1], 300, 2) if quick else (SEEDS, ROWS, ROUNDS)
    plain, clipped, prior = [], [], []
    blurred: dict[tuple[float, float], list[float]] = {}
    for seed in seeds:
        known = world(seed, rows)
        prior.append(np.mean([prior_loss(*each) for each in known.values()]))
        plain.append(loss_after(known, rounds, {}))
        clipped.append(loss_after(known, rounds, {"clip": WIDE}))
        for epsilon in EPSILONS[:1] if quick else EPSILONS:
            for clip in CLIPS[:1] if quick else CLIPS:
                noise = {"clip": clip, "noise": noise_for(epsilon, rounds)}
                blurred.setdefault((epsilon, clip), []).append(loss_after(known, rounds, noise))
    with tempfile.TemporaryDirectory() as root:
        error, milliseconds = masks(Path(root))
    loss, cost = float(np.mean(plain)), float(np.mean(clipped) / np.mean(plain))
    best = {
        epsilon: min(
            (float(np.mean(found)), clip) for (each, clip), found in blurred.items() if each == epsilon
        )
        for epsilon, _ in blurred
    }
    table = "; ".join(
        f"epsilon {epsilon:g} (noise {noise_for(epsilon, rounds):.1f}): {found:.4f} at clip {clip:g}"
        for epsilon, (found, clip) in best.items()
    )
    every = ", ".join(
        f"{epsilon:g}/{clip:g} {np.mean(found):.4f}" for (epsilon, clip), found in blurred.items()
    )
    return Result(
        case=CASE,
        metrics={
            "mask_error_max": error,
            "mask_ms": milliseconds,
            "clipped_to_plain": cost,
            "loss_plain": loss,
            **{f"loss_epsilon_{epsilon:g}": found for epsilon, (found, _) in best.items()},
            "loss_prior": float(np.mean(prior)),
        },
        bar="masks change the mean by <= 1e-6; clipped loss <= 1.05 of the plain one",
        met=error <= 1e-6 and cost <= 1.05,
        peer="the same federation with nothing hidden",
        peer_metrics={"loss": loss},
        ratio=loss / best[EPSILONS[0]][0],
        note=f"{rows} rows of each of three simulated regions, {rounds} rounds, delta {DELTA:g}, "
        f"seeds {', '.join(map(str, seeds))}; unseen rows: plain {loss:.4f} ± {np.std(plain):.4f}; "
        f"clipped to {WIDE:g} {np.mean(clipped):.4f}; {table}; shares of classes alone "
        f"{np.mean(prior):.4f}; epsilon/clip: {every}",
    )


def world(seed: int, count: int) -> World:
    """Give every region's rows, and later ones that nobody learns from."""
    made = {}
    for market in REGIONS:
        rows = region_rows(market, seed, count + TEST_ROWS)
        made[market.region] = (rows.x[:count], rows.y[:count]), (rows.x[count:], rows.y[count:])
    return made


def prior_loss(rows: Rows, test: Rows) -> float:
    """Measure what the shares of the classes alone are worth."""
    shares = np.bincount(rows[1], minlength=3) / len(rows[1])
    return float(-np.log(shares[test[1]]).mean())


def noise_for(epsilon: float, rounds: int) -> float:
    """Find the noise that spends so much in so many releases."""

    def over(noise: float) -> float:
        return epsilon_of(rounds * rdp_of_release(noise), DELTA) - epsilon

    return float(brentq(over, 0.1, 1000.0))


def loss_after(known: World, rounds: int, settings: Mapping[str, Any]) -> float:
    """Give the mean log-loss of the regions' models, each with its own norm, on rows of its own market."""
    with tempfile.TemporaryDirectory() as root:
        shared = together(Path(root), known, rounds, settings)
    return float(np.mean([loss_of({**shared, **norm_of(rows)}, test) for rows, test in known.values()]))


def together(root: Path, known: World, rounds: int, settings: Mapping[str, Any]) -> Tensors:
    """Train together, and give the shared layers."""
    configs = {}
    for name, (rows, _) in known.items():
        store = write(root / "regions" / name, rows)
        trainer = "benchmarks.fed_world:train_mlp"
        given = {"store": str(store), "state": str(store.parent), "trainer": trainer}
        configs[name] = {**given, **settings, "epsilon_max": 1e9}
    grid = grid_of(configs)
    train = {"epochs": 2, "linear_start": 2}
    shell = open_shell(write_federation(root, train, holdout="", versions_max=rounds, loop=OPEN), grid)
    timer = threading.Timer(LONGEST_S, shell.stop.set)
    timer.start()
    shell.run()
    timer.cancel()
    grid.close()
    assert shell.loop.current.number == rounds, list(shell.reports)[-3:]
    return dict(zip(shell.loop.current.names, shell.loop.current.arrays, strict=True))


def masks(root: Path) -> tuple[float, float]:
    """Give how far versions made under masks are from open ones, and how much longer a round takes."""
    made, took = [], []
    for place, secure in enumerate((False, False, True)):  # the first imports and compiles
        folder = root / str(place)
        grid = grid_of(write_regions(folder, 2000, secure=secure))
        config = {"secure": secure, "versions_max": MASKED, "loop": OPEN}
        shell = open_shell(write_federation(folder, {"epochs": 1}, **config), grid)
        began = perf_ns()
        shell.run()
        took.append((perf_ns() - began) / 1e6 / MASKED)
        made.append(shell.loop.current)
        grid.close()
    error = max(float(np.abs(a - b).max()) for a, b in zip(made[1].arrays, made[2].arrays, strict=True))
    return error, took[2] - took[1]
