"""A model tried as it would have been used: fitted on what was known, tested on what came next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from learning.models.model import F4, F8
from learning.rows.row import Rows
from learning.train.config import TrainConfig
from learning.train.score import figures, gains_of, periods_of
from learning.train.sharpe import deflated_of, sharpe
from learning.train.trainer import fitted, predicted
from learning.train.validation import Fold, combinatorial, paths_of, stretches

Progress = Callable[[str, int, int], None]


def silent(name: str, done: int, total: int) -> None:
    """Tell nobody how far it is."""


class Trial(msgspec.Struct, frozen=True, eq=False):
    """One kind of model over all folds of the walk forward."""

    kind: str
    held: Rows
    probabilities: F4
    folds: list[dict[str, float]]
    figures: dict[str, float]
    gains: F8

    def curve(self) -> F8:
        """Give what was earned up to each row, in bps."""
        return np.cumsum(self.gains)


def tried(rows: Rows, config: TrainConfig, seed: int, progress: Progress = silent) -> Trial:
    """Walk one model forward."""
    folds, told, held = [], [], []
    every = stretches(rows, config.folds)
    for done, fold in enumerate(every):
        progress(config.kind, done, len(every))
        probabilities = _tested(rows, fold, config, seed)
        folds.append(figures(rows.pick(fold.held), probabilities, config))
        told.append(probabilities)
        held.append(fold.held)
    progress(config.kind, len(every), len(every))
    tested, whole = rows.pick(np.concatenate(held)), np.concatenate(told)
    gains = gains_of(tested, whole, config)
    return Trial(config.kind, tested, whole, folds, figures(tested, whole, config), gains)


def _tested(rows: Rows, fold: Fold, config: TrainConfig, seed: int) -> F4:
    model, _ = fitted(rows, fold, config, seed)
    return predicted(model, rows, fold)


def compared(
    rows: Rows, config: TrainConfig, kinds: tuple[str, ...], seed: int, progress: Progress = silent
) -> list[Trial]:
    """Walk the model and its baselines over the same folds."""
    trials = [
        tried(rows, config.for_kind(kind), seed, progress) for kind in dict.fromkeys((config.kind, *kinds))
    ]
    return with_deflated(trials, config)


def with_deflated(trials: list[Trial], config: TrainConfig, others: tuple[float, ...] = ()) -> list[Trial]:
    """Add to each trial the probability of skill; `others` are ratios of settings tried to choose the first.

    Baselines are not chosen from, so that they are no trials in the paper's sense.
    """
    found = []
    for place, trial in enumerate(trials):
        ratios = [trial.figures["sharpe"], *(others if place == 0 else ())]
        periods = periods_of(trial.held, trial.gains, config)
        figures = trial.figures | {"deflated_frac": deflated_of(periods, ratios), "tried": float(len(ratios))}
        found.append(msgspec.structs.replace(trial, figures=figures))
    return found


def path_sharpes(
    rows: Rows,
    config: TrainConfig,
    seed: int,
    *,
    folds: int = 6,
    tested: int = 2,
    progress: Progress = silent,
) -> list[float]:
    """Give the Sharpe ratio of each path that combinatorial purged validation makes of the rows."""
    gains = list(_stretches(rows, config, seed, folds, tested, progress))
    found = []
    for path in paths_of(folds, tested):
        parts = [gains[split][stretch] for split, stretch in path]
        found.append(sharpe(np.concatenate(parts)))
    return found


def _stretches(
    rows: Rows, config: TrainConfig, seed: int, folds: int, tested: int, progress: Progress
) -> Iterator[list[F8]]:
    every = list(combinatorial(rows, folds, tested, config.embargo_ns))
    for done, fold in enumerate(every):
        progress(f"{config.kind} purged", done, len(every))
        probabilities = _tested(rows, fold, config, seed)
        gains = gains_of(rows.pick(fold.held), probabilities, config)
        yield [
            periods_of(rows.pick(places), part, config)
            for places, part in zip(np.split(fold.held, fold.ends), np.split(gains, fold.ends), strict=True)
        ]
    progress(f"{config.kind} purged", len(every), len(every))
