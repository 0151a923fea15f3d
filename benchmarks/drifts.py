"""How soon drift is told, and how often where there is none: `python -m benchmarks.drifts [--seeds 1 2 3]`.

No case of the table. Each region's perceptron learns from the older rows of its market; its error on later
ones is watched as a learner does, first while the market stays, then after it has changed: into another
region's, or into one that answers to everything the other way round.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import msgspec
import numpy as np

from benchmarks.fed_quality import SEEDS
from learning.models import load
from learning.models.model import F8, Model
from learning.rows.row import UP, Rows
from learning.train.config import TrainConfig
from learning.train.drift import Drift, DriftConfig
from learning.train.trainer import predicted, train
from learning.train.validation import Fold
from sim.learning_data import REGIONS, region_rows

FIT, STAYS, WATCHED = 3_000, 3_000, 6_000
DOUBTS = (0.0002, 0.002, 0.02)
HEAD = """| doubt | alarms in 10,000 rows | into another region's market | into its mirror |
|---|---|---|---|"""


class Found(msgspec.Struct, frozen=True):
    """Alarms where nothing changed, and after how many rows a change was told; `None` for not at all."""

    alarms: int
    other: int | None
    turned: int | None


def errors(model: Model, rows: Rows, *, turned: bool = False) -> F8:
    """Give half the Brier score of each row, as a learner does."""
    told = predicted(model, rows, Fold(np.empty(0, np.int64), np.arange(len(rows))))
    came = np.eye(told.shape[1])[UP - rows.y if turned else rows.y]
    return np.asarray(((told - came) ** 2).sum(axis=1) / 2)


def told_after(config: DriftConfig, before: F8, after: F8) -> int | None:
    """Give the row after a change at which it is told."""
    drift = Drift(config)
    for error in before.tolist():
        drift.step(error)
    return next((row for row, error in enumerate(after.tolist(), 1) if drift.step(error)), None)


def of_seed(seed: int) -> dict[float, list[Found]]:
    """Watch every region's model."""
    rows = [region_rows(market, seed, FIT + WATCHED) for market in REGIONS]
    watched = [each.pick(np.arange(FIT, FIT + WATCHED)) for each in rows]
    found: dict[float, list[Found]] = {doubt: [] for doubt in DOUBTS}
    for place, each in enumerate(rows):
        model = load(train(each.pick(np.arange(FIT)), None, TrainConfig(), seed).exported)
        stays, turned = errors(model, watched[place]), errors(model, watched[place], turned=True)
        other = errors(model, watched[(place + 1) % len(rows)])
        for doubt in DOUBTS:
            config = DriftConfig(doubt_frac=doubt)
            drift, before = Drift(config), stays[:STAYS]
            alarms = sum(drift.step(error) for error in stays.tolist())
            changes = (told_after(config, before, after[STAYS:]) for after in (other, turned))
            found[doubt].append(Found(alarms, *changes))
    return found


def line(doubt: float, found: Sequence[Found]) -> str:
    """Lay out one setting: alarms in 10,000 rows, and for each change how many were told, and when."""
    alarms = sum(each.alarms for each in found) / (len(found) * WATCHED) * 10_000
    cells = []
    for rows in ([each.other for each in found], [each.turned for each in found]):
        told = [row for row in rows if row is not None]
        cells.append(f"{len(told)} of {len(found)}, {np.median(told):.0f}" if told else f"0 of {len(found)}")
    return f"| {doubt:g} | {alarms:.1f} | {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drifts", description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), metavar="SEED")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="seeds at once (2)")
    asked = parser.parse_args(argv)
    with ProcessPoolExecutor(asked.workers, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(of_seed, asked.seeds))
    print(HEAD)
    for doubt in DOUBTS:
        print(line(doubt, [each for seed in found for each in seed[doubt]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
