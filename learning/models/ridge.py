"""Recursive least squares with ridge: one linear score of where the price goes, learnt row by row."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from learning.models import check, layers
from learning.models.logistic import newton
from learning.models.model import CLASSES, F4, F8, I1, Exported, Settings, Tensors
from learning.models.thread import one_thread
from learning.rows.row import DOWN, FEATURE_COUNT, FLAT, UP

LINK_RIDGE = 1e-4
LINK_ROWS_LEAST = 50


class RidgeConfig(BaseModel):
    """How quickly the score forgets, and which columns it sees."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    inputs: int = Field(FEATURE_COUNT, ge=1, le=4096)
    only: Annotated[str, Field(pattern=r"^(\d{1,4}(,\d{1,4})*)?$")] = ""
    """Columns that the score sees, by commas; all when empty."""
    ridge: float = Field(1.0, gt=0, le=1e9)
    keep_frac: float = Field(0.99995, gt=0.9, le=1)
    """What is left of a row's say one row later."""
    block: int = Field(32, ge=1, le=10_000)
    """Rows that are scored before any of them is learnt from: as they come in live."""
    link_rows: int = Field(5000, ge=100, le=1_000_000)
    """Scores, told before their label was known, that the probabilities are calibrated on."""


class Ridge:
    """Learn the signed class by least squares, and its probabilities by a link on scores told beforehand."""

    kind: ClassVar[str] = "ridge"

    def __init__(self, config: Settings | None = None, seed: int = 0) -> None:
        self.config = check.settings_of(RidgeConfig, config, self.kind)
        self.columns = self.config.inputs
        self._norm: Tensors | None = None
        self._layer: Tensors = {}
        size = self.columns + 1
        self._matrix: F8 = np.eye(size) * self.config.ridge
        self._vector: F8 = np.zeros(size)
        self._scores: F8 = np.empty(0)
        self._labels: I1 = np.empty(0, np.int8)
        self._link: F8 = np.zeros((len(CLASSES), 2))
        self._seen = self._mask()

    def _mask(self) -> F8:
        if self.config.only == "":
            return np.ones(self.columns)
        chosen = [int(place) for place in self.config.only.split(",")]
        if (wrong := next((place for place in chosen if place >= self.columns), None)) is not None:
            check.refuse(f"there is no column {wrong}", self.kind, "choose some of the features")
        mask = np.zeros(self.columns)
        mask[chosen] = 1.0
        return mask

    @property
    def score_weights(self) -> F8:
        """Give the weights of the score, for normed columns and one."""
        weights: F8 = np.linalg.solve(self._matrix, self._vector).astype(np.float64)
        return weights

    def learn(self, x: F4, y: I1, weight: F4 | None = None) -> dict[str, float]:
        """Score each block, then learn from it; at last calibrate the link on those scores."""
        again = self._norm is not None
        x, y, weights = check.examples(x, y, weight, self.columns, self.kind, one_class=again)
        if self._norm is None:
            self._norm = layers.norm_of(x, weights)
        wide = self._wide(x)
        told = np.empty(len(wide))
        with one_thread():
            for begin in range(0, len(wide), self.config.block):
                block = slice(begin, begin + self.config.block)
                told[block] = wide[block] @ self.score_weights
                self._take(wide[block], y[block], weights[block])
        self._keep(told if again else self._warm(told, wide), y)
        start = self._link if again else np.zeros(self._link.shape)
        ones = np.ones(len(self._scores))
        self._link, loss, _ = newton(self._scores[:, None], self._labels, ones, LINK_RIDGE, start)
        self._layer = self._made()
        return {"loss": loss, "rows": float(len(x))}

    def _wide(self, x: F4) -> F8:
        assert self._norm is not None
        return np.column_stack([layers.normed(self._norm, x) * self._seen, np.ones(len(x))])

    def _take(self, wide: F8, y: I1, weight: F8) -> None:
        """Update the information matrix by a block: the same as one row after another."""
        ages = np.arange(len(wide) - 1, -1, -1)
        say = weight * self.config.keep_frac**ages
        left = self.config.keep_frac ** len(wide)
        self._matrix = left * self._matrix + (wide * say[:, None]).T @ wide
        self._vector = left * self._vector + (wide * say[:, None]).T @ (y - np.float64(FLAT))

    def _warm(self, told: F8, wide: F8) -> F8:
        """Let the first rows ever be scored afterwards, when there are too few to be scored before."""
        first = 4 * self.config.block
        if len(told) - first < LINK_ROWS_LEAST:
            return wide @ self.score_weights
        return np.where(np.arange(len(told)) < first, np.nan, told)

    def _keep(self, told: F8, y: I1) -> None:
        known = np.isfinite(told)
        last = self.config.link_rows
        self._scores = np.concatenate([self._scores, told[known]])[-last:]
        self._labels = np.concatenate([self._labels, y[known]])[-last:]

    def predict(self, x: F4) -> F4:
        """Give the probabilities of the classes."""
        x = check.inputs(x, self.columns, self.kind)
        return layers.told(self._tensors(), x, self.kind)

    def _tensors(self) -> Tensors:
        check.learnt(self._norm, self.kind)
        assert self._norm is not None
        return self._norm | self._layer

    def _made(self) -> Tensors:
        """Make score and link one layer."""
        score, slope, level = self.score_weights, self._link[:, 0], self._link[:, 1]
        return {
            "l0.weight": np.outer(slope, score[:-1] * self._seen).astype(np.float32),
            "l0.bias": (slope * score[-1] + level).astype(np.float32),
        }

    def export(self) -> Exported:
        """Give score and link as one layer that can be run, beside what learning goes on from."""
        state: Tensors = {
            "rls.matrix": self._matrix.copy(),
            "rls.vector": self._vector.copy(),
            "rls.link": self._link.copy(),
            "rls.scores": self._scores.copy(),
            "rls.labels": self._labels.copy(),
        }
        return Exported(self.kind, self._tensors() | state, self.config.model_dump())

    @classmethod
    def load(cls, exported: Exported) -> Self:
        """Take up an exported model, so that learning goes on as if it had never stopped."""
        check.of_kind(exported, cls.kind)
        model, tensors, size = cls(exported.config), exported.tensors, cls(exported.config).columns + 1
        layer = {name: tensor for name, tensor in tensors.items() if not name.startswith("rls.")}
        whole = layers.checked(layer, (model.columns, layers.OUT), cls.kind)
        model._matrix = check.tensor(tensors, "rls.matrix", (size, size), cls.kind, np.float64)
        model._vector = check.tensor(tensors, "rls.vector", (size,), cls.kind, np.float64)
        model._link = check.tensor(tensors, "rls.link", (len(CLASSES), 2), cls.kind, np.float64)
        kept = (int(np.size(tensors.get("rls.scores", ()))),)
        model._scores = check.tensor(tensors, "rls.scores", kept, cls.kind, np.float64)
        model._labels = check.tensor(tensors, "rls.labels", kept, cls.kind, np.int8)
        model._norm = {name: whole[name] for name in ("norm.mean", "norm.scale")}
        if not _sound(model._matrix) or not np.isin(model._labels, (DOWN, FLAT, UP)).all():
            check.refuse("its state could not be learnt on from", cls.kind, "go back to the version before")
        model._layer = {name: whole[name] for name in ("l0.weight", "l0.bias")}
        # Another machine may solve it otherwise in the last bit.
        made = model._made()
        if not all(np.allclose(made[name], each, 1e-3, 1e-4) for name, each in model._layer.items()):
            check.refuse("its layer is not that of its state", cls.kind, "use the file as it was exported")
        return model


def _sound(matrix: F8) -> bool:
    """Tell whether sums of squares could be in it."""
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return bool(np.allclose(matrix, matrix.T))
