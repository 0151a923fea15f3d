"""What privacy costs: hold-out loss with clipping, with noise for a budget, and the error of masks."""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fed_world import grid_of, write_federation, write_regions
from benchmarks.result import Result
from federation.privacy.accountant import epsilon_of, rdp_of_release
from federation.run.server import open_shell
from hw.clock import perf_ns

CASE = "fed_privacy"
BAR = {"mask_error_max": ("<=", 1e-6), "clipped_to_plain": ("<=", 1.05)}
ROWS, ROUNDS, DELTA, CLIP, LONGEST_S, MASKED = 2000, 8, 1e-5, 0.5, 60.0, 3
NOISES = (0.05, 0.2, 1.0)
# What the noise costs is to be seen, so that nothing is left out for being worse.
OPEN = {
    "deadline_min_s": 60.0,
    "retry_s": 0.0,
    "regress_frac": 1e6,
    "vetting": {"loss_slack_frac": 1e6, "cosine_min": -1.0, "against_cosine": -1.0, "norm_z_max": 1e6},
}


def run(quick: bool) -> Result:
    """Run the same federation with each setting, and the same updates with and without masks."""
    rounds = 2 if quick else ROUNDS
    with tempfile.TemporaryDirectory() as root:
        plain = loss_after(Path(root) / "plain", rounds, {})
        clipped = loss_after(Path(root) / "clip", rounds, {"clip": CLIP})
        blurred = {
            noise: loss_after(Path(root) / f"noise-{noise}", rounds, {"clip": CLIP, "noise": noise})
            for noise in (NOISES[:1] if quick else NOISES)
        }
        error, milliseconds = masks(Path(root) / "masks")
    cost = clipped / plain
    table = "; ".join(
        f"noise {noise:g} (epsilon {epsilon_of(rounds * rdp_of_release(noise), DELTA):.1f}): {loss:.3f}"
        for noise, loss in blurred.items()
    )
    return Result(
        case=CASE,
        metrics={
            "mask_error_max": error,
            "mask_ms": milliseconds,
            "clipped_to_plain": cost,
            "loss_plain": plain,
            **{f"loss_noise_{noise:g}": loss for noise, loss in blurred.items()},
        },
        bar="masks change the mean by <= 1e-6; clipped loss <= 1.05 of the plain one",
        met=error <= 1e-6 and cost <= 1.05,
        peer="the same federation with nothing hidden",
        peer_metrics={"loss": plain},
        ratio=plain / blurred[NOISES[0]],
        note=f"{rounds} rounds, clip {CLIP:g}, delta {DELTA:g}, guessing {math.log(3):.3f}: "
        f"plain {plain:.3f}; clipped {clipped:.3f}; {table}",
    )


def loss_after(root: Path, rounds: int, settings: Mapping[str, Any]) -> float:
    """Give the hold-out loss after some rounds."""
    given = {**settings, "epsilon_max": 1e9}
    grid = grid_of(write_regions(root, ROWS, **given))
    shell = open_shell(write_federation(root, {"epochs": 2}, versions_max=rounds, loop=OPEN), grid)
    timer = threading.Timer(LONGEST_S, shell.stop.set)
    timer.start()
    shell.run()
    timer.cancel()
    grid.close()
    loss = shell.loop.current.loss
    assert loss is not None and shell.loop.current.number == rounds, list(shell.reports)[-3:]
    return loss


def masks(root: Path) -> tuple[float, float]:
    """Give how far versions made under masks are from open ones, and how much longer a round takes."""
    made, took = [], []
    for secure in (False, True):
        folder = root / str(secure)
        grid = grid_of(write_regions(folder, ROWS, secure=secure))
        config = {"secure": secure, "versions_max": MASKED, "loop": OPEN}
        shell = open_shell(write_federation(folder, {"epochs": 1}, **config), grid)
        began = perf_ns()
        shell.run()
        took.append((perf_ns() - began) / 1e6 / MASKED)
        made.append(shell.loop.current)
        grid.close()
    error = max(float(np.abs(a - b).max()) for a, b in zip(made[0].arrays, made[1].arrays, strict=True))
    return error, took[1] - took[0]
