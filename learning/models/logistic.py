"""Multinomial logistic regression: the honest baseline, by Newton steps, deterministic and quick."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from learning.models import check, layers
from learning.models.model import CLASSES, F4, F8, I1, Exported, Settings, Tensors
from learning.models.thread import one_thread
from learning.rows.row import FEATURE_COUNT

STEPS_MAX = 50
GRADIENT_SMALL = 1e-7
BIAS_RIDGE = 1e-6


class LogisticConfig(BaseModel):
    """How the logistic model learns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: int = Field(FEATURE_COUNT, ge=1, le=4096)
    ridge: float = Field(1e-3, gt=0, le=1e3)
    """Penalty on the squared weights, as a share of a row's loss."""


class Logistic:
    """Learn one linear score a class; learning again starts from the weights there are."""

    kind: ClassVar[str] = "logistic"

    def __init__(self, config: Settings | None = None, seed: int = 0) -> None:
        self.config = check.settings_of(LogisticConfig, config, self.kind)
        self.columns = self.config.inputs
        self._tensors: Tensors | None = None

    def learn(self, x: F4, y: I1, weight: F4 | None = None) -> dict[str, float]:
        """Fit all rows at once."""
        again = self._tensors is not None
        x, y, weights = check.examples(x, y, weight, self.columns, self.kind, one_class=again)
        norm = layers.norm_of(x, weights) if self._tensors is None else self._tensors
        inner = layers.normed(norm, x).astype(np.float64)
        with one_thread():
            fitted, loss, steps = newton(inner, y, weights, self.config.ridge, self._start())
        self._tensors = {
            "norm.mean": norm["norm.mean"],
            "norm.scale": norm["norm.scale"],
            "l0.weight": np.ascontiguousarray(fitted[:, :-1], dtype=np.float32),
            "l0.bias": fitted[:, -1].astype(np.float32),
        }
        return {"loss": loss, "steps": float(steps), "rows": float(len(x))}

    def _start(self) -> F8:
        if self._tensors is None:
            return np.zeros((len(CLASSES), self.columns + 1))
        return np.column_stack([self._tensors["l0.weight"], self._tensors["l0.bias"]]).astype(np.float64)

    def predict(self, x: F4) -> F4:
        """Give the probabilities of the classes."""
        check.learnt(self._tensors, self.kind)
        assert self._tensors is not None
        return layers.told(self._tensors, check.inputs(x, self.columns, self.kind), self.kind)

    def export(self) -> Exported:
        """Give norm and one layer."""
        check.learnt(self._tensors, self.kind)
        assert self._tensors is not None
        return Exported(self.kind, dict(self._tensors), self.config.model_dump())

    @classmethod
    def load(cls, exported: Exported) -> Self:
        """Take up an exported model."""
        check.of_kind(exported, cls.kind)
        model = cls(exported.config)
        model._tensors = layers.checked(exported.tensors, (model.columns, layers.OUT), cls.kind)
        return model


def newton(
    x: F8, y: I1, weight: F8, ridge: float, start: F8, bias_ridge: float = BIAS_RIDGE
) -> tuple[F8, float, int]:
    """Minimise mean weighted log-loss + ridge/2 · |w|² over [classes, columns + 1]; the bias pays its own."""
    rows, classes = len(x), len(CLASSES)
    wide = np.column_stack([x, np.ones(rows)])
    target = np.eye(classes)[y]
    penalty = np.full(wide.shape[1], ridge)
    penalty[-1] = min(ridge, bias_ridge)
    found, loss = start, _loss(wide, target, weight, penalty, start)[0]
    for step in range(STEPS_MAX):
        _, shares = _loss(wide, target, weight, penalty, found)
        slope = ((shares - target) * weight[:, None]).T @ wide / rows + penalty * found
        if float(np.abs(slope).max()) < GRADIENT_SMALL:
            return found, loss, step
        move = np.linalg.solve(_curvature(wide, shares, weight, penalty), slope.ravel()).reshape(found.shape)
        size = 1.0
        while size > 1e-6:
            tried = found - size * move
            if (tried_loss := _loss(wide, target, weight, penalty, tried)[0]) < loss:
                break
            size /= 2
        else:
            return found, loss, step
        found, loss = tried, tried_loss
    return found, loss, STEPS_MAX


def _loss(wide: F8, target: F8, weight: F8, penalty: F8, found: F8) -> tuple[float, F8]:
    scores = wide @ found.T
    scores -= scores.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(scores).sum(axis=1))
    rows = float(weight @ (log_sum - (scores * target).sum(axis=1))) / len(wide)
    return rows + 0.5 * float((penalty * found**2).sum()), np.exp(scores - log_sum[:, None])


def _curvature(wide: F8, shares: F8, weight: F8, penalty: F8) -> F8:
    rows, size = wide.shape
    classes = shares.shape[1]
    out = np.zeros((classes * size, classes * size))
    for one in range(classes):
        for two in range(one, classes):
            share = shares[:, one] * ((one == two) - shares[:, two]) * weight / rows
            block = (wide * share[:, None]).T @ wide
            out[one * size : (one + 1) * size, two * size : (two + 1) * size] = block
            out[two * size : (two + 1) * size, one * size : (one + 1) * size] = block
    out[np.diag_indices_from(out)] += np.tile(penalty, classes)
    return out
