"""Train one model on a region's rows: what a region's own trainer and its federated client both call."""

from __future__ import annotations

import msgspec
import numpy as np

from learning.models import begin, check, load
from learning.models.hedge import Hedge
from learning.models.model import F4, I1, Exported, Model, Tensors
from learning.models.ridge import Ridge
from learning.models.thread import one_thread
from learning.rows.row import FEATURE_COUNT, UNLABELLED, UP, Rows
from learning.train.calibration import temperature
from learning.train.config import EVEN, TrainConfig
from learning.train.score import figures
from learning.train.validation import Fold, held_out

LAST_LAYER = {"logistic": "l0", "tcn": "head"}


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
    model, told = fitted(rows, fold, config, seed, tensors)
    held = rows.pick(fold.held)
    metrics = {f"fit.{name}": figure for name, figure in told.items()}
    metrics |= figures(held, predicted(model, rows, fold), config)
    metrics |= {"rows": float(len(fold.fit)), "held_rows": float(len(fold.held))}
    return Trained(model.export(), metrics)


def fit_to_learn(rows: Rows, config: TrainConfig) -> Rows:
    """Give the labelled rows in the order of time, or refuse them by name."""
    labelled = rows.pick(rows.table["label"] > UNLABELLED)
    ordered = labelled.pick(np.argsort(labelled.table["at_ns"], kind="stable"))
    return ordered.need("train", config.rows_min)


def fitted(
    rows: Rows, fold: Fold, config: TrainConfig, seed: int, tensors: Tensors | None = None
) -> tuple[Model, dict[str, float]]:
    """Fit a model on the fold's rows, and tell figures about the fit."""
    model = begin(config.kind, config.settings, seed, tensors)
    fit = rows.pick(fold.fit).need("train")
    x = inputs_of(rows, model)[fold.fit]
    with one_thread():
        if not config.calibrate:
            return model, _learnt(model, x, fit, config)
        inner = held_out(fit, config.held_frac)
        told = _learnt(model, x[inner.fit], fit.pick(inner.fit), config)
        warmth = temperature(model.predict(x[inner.held]), fit.y[inner.held])
        return load(scaled(model.export(), warmth)), told | {"temperature": warmth}


def _learnt(model: Model, x: F4, fit: Rows, config: TrainConfig) -> dict[str, float]:
    y, gross_bps = fit.y, fit.table["gross_bps"].astype(np.float32)
    # Rows of one class stay refusable; least squares row by row are worse off with rows that never came.
    if config.mirror and len(np.unique(y)) > 1 and not isinstance(model, Ridge):
        x, y, gross_bps = mirrored(x, y, gross_bps)
    return model.learn(x, y, gross_bps=gross_bps) if isinstance(model, Hedge) else model.learn(x, y)


def mirrored(x: F4, y: I1, gross_bps: F4) -> tuple[F4, I1, F4]:
    """Put after each row what it would have been with up for down: the newest stay the newest."""
    sign = np.full(FEATURE_COUNT, -1, np.float32)
    sign[list(EVEN)] = 1
    turned = x * np.tile(sign, x.shape[1] // FEATURE_COUNT)
    labels = np.stack([y, UP - y], axis=1).reshape(-1)
    return (
        np.stack([x, turned], axis=1).reshape(-1, x.shape[1]),
        labels.astype(np.int8),
        np.stack([gross_bps, -gross_bps], axis=1).reshape(-1),
    )


def predicted(model: Model, rows: Rows, fold: Fold) -> F4:
    """Tell the probabilities of the fold's held rows; a model of sequences sees those before them."""
    with one_thread():
        return model.predict(inputs_of(rows, model)[fold.held])


def scaled(exported: Exported, temperature: float) -> Exported:
    """Fold a temperature into the last layer, so that the model runs as before."""
    layer = LAST_LAYER.get(exported.kind)
    if exported.kind == "mlp":
        layer = list(exported.tensors)[-1].removesuffix(".bias")
    if layer is None:
        check.refuse("a temperature has no layer to go into", exported.kind, "leave calibrate off")
    names = (f"{layer}.weight", f"{layer}.bias")
    last = {name: exported.tensors[name] / np.float32(temperature) for name in names}
    return Exported(exported.kind, exported.tensors | last, exported.config)


def inputs_of(rows: Rows, model: Model) -> F4:
    """Give what the model looks at for each row: its features, or those of the last rows of its agent."""
    if model.columns == FEATURE_COUNT:
        return rows.x
    return lagged(rows, model.columns // FEATURE_COUNT)


def lagged(rows: Rows, reach: int) -> F4:
    """Put each row behind those before it of the same market and agent; the first stands in for none."""
    x, count = rows.x, len(rows)
    order = np.lexsort((np.arange(count), rows.table["shard"], rows.market))
    begins = np.ones(count, dtype=bool)
    begins[1:] = (np.diff(rows.market[order]) != 0) | (np.diff(rows.table["shard"][order]) != 0)
    first = np.maximum.accumulate(np.where(begins, np.arange(count), 0))
    back = np.maximum(np.arange(count)[:, None] - np.arange(reach - 1, -1, -1), first[:, None])
    out = np.empty((count, reach * x.shape[1]), np.float32)
    out[order] = x[order][back].reshape(count, -1)
    return out
