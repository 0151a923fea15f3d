"""Persistence: what moved goes on moving, as often as it did before. An honest baseline of one parameter."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from learning.models import check
from learning.models.model import CLASSES, F4, F8, I1, Exported, Settings
from learning.rows.row import DOWN, FEATURE_COUNT, FLAT, UP


class PersistenceConfig(BaseModel):
    """Which column tells the last move."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: int = Field(FEATURE_COUNT, ge=1, le=4096)
    column: int = Field(0, ge=0, le=4095)


class Persistence:
    """Read a class off the last move, cut so that each class is as frequent as its label was.

    The class keeps with the share with which it did so before; the rest is split by how frequent the
    others were.
    """

    kind: ClassVar[str] = "persistence"

    def __init__(self, config: Settings | None = None, seed: int = 0) -> None:
        self.config = check.settings_of(PersistenceConfig, config, self.kind)
        self.columns = self.config.inputs
        if self.config.column >= self.columns:
            check.refuse(f"there is no column {self.config.column}", self.kind, "choose one of the features")
        self._cuts: F8 | None = None
        self._table: F8 = np.zeros((len(CLASSES), len(CLASSES)))

    def learn(self, x: F4, y: I1, weight: F4 | None = None) -> dict[str, float]:
        """Set the cuts on the first rows; count how often the class kept."""
        again = self._cuts is not None
        x, y, weights = check.examples(x, y, weight, self.columns, self.kind, one_class=again)
        if self._cuts is None:
            shares = np.bincount(y, weights=weights, minlength=len(CLASSES)) / weights.sum()
            move = x[:, self.config.column].astype(np.float64)
            self._cuts = np.quantile(move, [shares[DOWN], 1.0 - shares[UP]])
        pairs = self._moved(x) * len(CLASSES) + y
        table = np.bincount(pairs, weights=weights, minlength=len(CLASSES) ** 2)
        self._table = self._table + table.reshape(self._table.shape)
        return {"rows": float(len(x)), "keep_frac": self._keep()}

    def _moved(self, x: F4) -> I1:
        assert self._cuts is not None
        move = x[:, self.config.column].astype(np.float64)
        moved = np.where(move < self._cuts[0], DOWN, np.where(move > self._cuts[1], UP, FLAT))
        return moved.astype(np.int8)

    def _keep(self) -> float:
        return float((np.trace(self._table) + 1.0) / (self._table.sum() + len(CLASSES)))

    def predict(self, x: F4) -> F4:
        """Give the share that keeps to the class of the last move."""
        check.learnt(self._cuts, self.kind)
        x = check.inputs(x, self.columns, self.kind)
        came = self._table.sum(axis=0) + 1.0
        told = np.empty(self._table.shape)
        for one in range(len(CLASSES)):
            told[one] = (1.0 - self._keep()) * came / (came.sum() - came[one])
            told[one, one] = self._keep()
        return told.astype(np.float32)[self._moved(x)]

    def export(self) -> Exported:
        """Give the cuts and the counts."""
        check.learnt(self._cuts, self.kind)
        assert self._cuts is not None
        tensors = {"persistence.cuts": self._cuts.copy(), "persistence.table": self._table.copy()}
        return Exported(self.kind, tensors, self.config.model_dump())

    @classmethod
    def load(cls, exported: Exported) -> Self:
        """Take up an exported model."""
        check.of_kind(exported, cls.kind)
        model = cls(exported.config)
        model._table = check.tensor(exported.tensors, "persistence.table", (3, 3), cls.kind, np.float64)
        model._cuts = check.tensor(exported.tensors, "persistence.cuts", (2,), cls.kind, np.float64)
        if not check.countable(model._table):
            check.refuse(
                "tensor 'persistence.table' holds no counts", cls.kind, "go back to the version before"
            )
        return model
