"""What a model's probabilities are worth: log-loss, Brier, calibration, and the gain of its decisions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from learning.models.model import CLASSES, F4, F8, I1
from learning.rows.row import DOWN, FLAT, UP, Rows
from learning.train.calibration import brier, log_loss, reliability
from learning.train.config import NS_PER_S, TrainConfig
from learning.train.sharpe import moments, probabilistic, sharpe

PERIODS_MAX = 1_000_000


def sides_of(probabilities: F4, edge_frac: float) -> I1:
    """Take the side that is likeliest of all and ahead of the other by the edge; else none."""
    ahead = probabilities[:, UP] - probabilities[:, DOWN]
    best = probabilities.argmax(axis=1)
    taken = (best != FLAT) & (np.abs(ahead) >= edge_frac)
    return np.where(taken, np.sign(ahead), 0).astype(np.int8)


def gains_of(rows: Rows, probabilities: F4, config: TrainConfig) -> F8:
    """Give what each decision would have earned after cost, in bps."""
    return rows.earned_bps(sides_of(probabilities, config.edge_frac), config.cost_bps)


def periods_of(rows: Rows, gains: F8, config: TrainConfig) -> F8:
    """Sum the rows' gains over the config's periods, or over such as outcomes take."""
    if len(rows) == 0:
        return np.empty(0)
    spans = rows.table["label_ns"] - rows.table["at_ns"]
    period_ns = int(config.period_s * NS_PER_S) if config.period_s > 0 else max(1, int(np.median(spans)))
    return by_period(rows.table["at_ns"], gains, period_ns)


def by_period(at_ns: npt.NDArray[np.int64], gains: F8, period_ns: int) -> F8:
    """Sum gains over the periods between first and last row, empty ones too; longer ones for too many."""
    if len(gains) == 0:
        return np.empty(0)
    period_ns = max(period_ns, -(-int(at_ns[-1] - at_ns[0]) // PERIODS_MAX))
    summed: F8 = np.bincount((at_ns - at_ns[0]) // period_ns, weights=gains).astype(np.float64)
    return summed


def confusion(probabilities: F4, y: I1) -> npt.NDArray[np.int64]:
    """Count [what came, what was said]."""
    count = len(CLASSES)
    pairs = y.astype(np.int64) * count + probabilities.argmax(axis=1)
    return np.bincount(pairs, minlength=count * count).reshape(count, count)


def figures(rows: Rows, probabilities: F4, config: TrainConfig) -> dict[str, float]:
    """Measure probabilities against what came of the rows."""
    gains = gains_of(rows, probabilities, config)
    periods = periods_of(rows, gains, config)
    taken = int((sides_of(probabilities, config.edge_frac) != 0).sum())
    skew, kurtosis = moments(periods)
    ratio = sharpe(periods)
    return {
        "log_loss": log_loss(probabilities, rows.y),
        "brier": brier(probabilities, rows.y),
        "calibration_error": reliability(probabilities, rows.y).error,
        "accuracy_frac": float((probabilities.argmax(axis=1) == rows.y).mean()),
        "taken_frac": taken / len(rows),
        "gain_bps": float(gains.sum()) / taken if taken > 0 else 0.0,
        "total_bps": float(gains.sum()),
        "sharpe": ratio,
        "skill_frac": probabilistic(ratio, 0.0, len(periods), skew, kurtosis),
    }
