"""Train one model on a region's rows: what a region's own trainer and its federated client both call."""

from __future__ import annotations

import msgspec
import numpy as np

from learning.models import begin
from learning.models.model import Exported, Tensors
from learning.rows.row import UNLABELLED, Rows
from learning.train.config import TrainConfig
from learning.train.score import figures
from learning.train.validation import held_out


class Trained(msgspec.Struct, frozen=True, eq=False):
    """A model and how it did on rows that it has not seen."""

    exported: Exported
    metrics: dict[str, float]


def train(rows: Rows, tensors: Tensors | None, config: TrainConfig, seed: int) -> Trained:
    """Fit on the older rows, from `tensors` on where given, and measure on the newest.

    `tensors` may hold a part of a perceptron (the shared layers); norm and head are then the region's own.
    The model that is given back is the one that was measured.
    """
    rows = fit_to_learn(rows, config)
    fold = held_out(rows, config.held_frac)
    fit, held = rows.pick(fold.fit).need("train", 1), rows.pick(fold.held)
    model = begin(config.kind, config.model, seed, tensors)
    told = model.learn(fit.x, fit.y)
    metrics = {f"fit.{name}": figure for name, figure in told.items()}
    metrics |= figures(held, model.predict(held.x), config)
    metrics |= {"rows": float(len(fit)), "held_rows": float(len(held))}
    return Trained(model.export(), metrics)


def fit_to_learn(rows: Rows, config: TrainConfig) -> Rows:
    """Give the labelled rows in the order of time, or refuse them by name."""
    labelled = rows.pick(rows.table["label"] > UNLABELLED)
    ordered = labelled.pick(np.argsort(labelled.table["at_ns"], kind="stable"))
    return ordered.need("train", config.rows_min)
