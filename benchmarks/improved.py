"""What learning brings on the simulated regions: `python -m benchmarks.improved [--seeds 1 2 3 4 5]`.

Every model learns from a region's older rows and is judged on its later ones, after cost; a cell is the mean
over regions and seeds, and after ± its standard error over seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from benchmarks.fed_quality import ROUNDS, SEEDS, Models, alone, together
from benchmarks.region_rows import FIT_ROWS, TEST_ROWS, Region, regions
from federation.aggregation.adam import AdamConfig
from federation.loop.config import LoopConfig
from federation.run.config import TRAIN, FederationConfig
from learning.models import load
from learning.models.model import Model
from learning.rows.row import Rows
from learning.train.config import TrainConfig
from learning.train.score import figures, gains_of, periods_of
from learning.train.sharpe import deflated_of
from learning.train.trainer import predicted, train
from learning.train.validation import Fold

KINDS = ("prior", "persistence", "logistic", "ridge", "lightgbm", "hedge", "tcn", "mlp")
UNMIRRORED = ("logistic", "lightgbm", "mlp")
FEDERATED = {
    ", not mirrored": FederationConfig(train={**TRAIN, "mirror": False}),
    " as before": FederationConfig(train={"model.linear_start": 1, "mirror": False}),
    " by FedProx": FederationConfig(
        loop=LoopConfig(aggregator="fedprox"), train={**TRAIN, "model.proximal": 0.1}
    ),
    " by FedAdam": FederationConfig(
        loop=LoopConfig(aggregator="fedadam", adam=AdamConfig(eta=0.03, tau=0.03)), train=TRAIN
    ),
    ", heads of their own": FederationConfig(
        personal=("norm.", "l2."), train={**TRAIN, "model.personal_head": 1}
    ),
}
"""Other ways to learn together than the one that is used."""
COLUMNS = {
    "log_loss": "log-loss",
    "accuracy_frac": "accuracy",
    "taken_frac": "sides taken",
    "row_bps": "bps a decision",
    "gain_bps": "bps a side taken",
    "skill_frac": "skill",
    "deflated_frac": "deflated",
}
Found = dict[str, dict[str, float]]
"""Figures of each model."""


def of_seed(seed: int, fit_rows: int = FIT_ROWS, test_rows: int = TEST_ROWS, rounds: int = ROUNDS) -> Found:
    """Train all that there is on one seed's markets, and measure it."""
    rows = regions(seed, fit_rows, test_rows)
    models = {kind: at_home(rows, TrainConfig(kind=kind), seed) for kind in KINDS}
    for kind in UNMIRRORED:
        models[f"{kind}, not mirrored"] = at_home(rows, TrainConfig(kind=kind, mirror=False), seed)
    pooled = alone([each.fit for each in rows.values()], seed, rounds)
    models["mlp, pooled"], models["mlp, pooled, short steps"] = (dict.fromkeys(rows, each) for each in pooled)
    own = {name: alone([each.fit], seed, rounds)[1] for name, each in rows.items()}
    models["mlp, short steps"] = dict(own)
    models["mlp, federated"] = together(rows, seed, rounds)
    for name, config in FEDERATED.items():
        models[f"mlp, federated{name}"] = together(rows, seed, rounds, config)
    return measured(models, rows)


def at_home(rows: Mapping[str, Region], config: TrainConfig, seed: int) -> Models:
    """Let every region learn by itself."""
    return {name: load(train(each.fit, None, config, seed).exported) for name, each in rows.items()}


def measured(models: Mapping[str, Models], rows: Mapping[str, Region]) -> Found:
    """Measure every model on every region's later rows: the mean over regions."""
    parts: dict[str, list[dict[str, float]]] = {name: [] for name in models}
    for region, each in rows.items():
        found = {name: on_rows(of[region], each.test) for name, of in models.items()}
        ratios = [one["sharpe"] for one, _ in found.values()]
        for name, (one, periods) in found.items():
            parts[name].append(one | {"deflated_frac": deflated_of(periods, ratios)})
    return {
        name: {column: float(np.mean([part[column] for part in of])) for column in COLUMNS}
        for name, of in parts.items()
    }


def on_rows(model: Model, rows: Rows) -> tuple[dict[str, float], np.ndarray]:
    """Give a model's figures on some rows, and what it earned in each period."""
    config, whole = TrainConfig(), Fold(np.empty(0, np.int64), np.arange(len(rows)))
    told = predicted(model, rows, whole)
    of = figures(rows, told, config)
    return of | {"row_bps": of["total_bps"] / len(rows)}, periods_of(
        rows, gains_of(rows, told, config), config
    )


def table(found: Sequence[Found]) -> list[str]:
    """Lay out the means over seeds, the best log-loss first."""

    def loss(name: str) -> float:
        return float(np.mean([each[name]["log_loss"] for each in found]))

    lines = ["| model | " + " | ".join(COLUMNS.values()) + " |", "|---|" + "---|" * len(COLUMNS)]
    for name in sorted(found[0], key=loss):
        cells = [cell([each[name][column] for each in found]) for column in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def cell(values: Sequence[float]) -> str:
    """Write mean and standard error.

    >>> cell([1.0, 2.0, 3.0]), cell([0.5])
    ('2.000 ± 0.577', '0.500')
    """
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1) / len(values) ** 0.5:.3f}"


def differences(seed: int, fit_rows: int = FIT_ROWS, test_rows: int = TEST_ROWS) -> list[str]:
    """Tell how the regions' rows differ: labels and some features."""
    lines = ["| region | down | flat | up | spread bps | volatility bps | ln(1 + s) since move |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, each in regions(seed, fit_rows, test_rows).items():
        shares = np.bincount(each.fit.y, minlength=3) / len(each.fit)
        means = each.fit.x.mean(axis=0)[[7, 11, 14]]
        lines.append(f"| {name} | " + " | ".join(f"{value:.3f}" for value in [*shares, *means]) + " |")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.improved", description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), metavar="SEED")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="seeds at once (2)")
    asked = parser.parse_args(argv)
    print("\n".join(differences(asked.seeds[0])), end="\n\n", flush=True)
    with ProcessPoolExecutor(asked.workers, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(of_seed, asked.seeds))
    print("\n".join(table(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
