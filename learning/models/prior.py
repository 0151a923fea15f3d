"""The prior: how often each class came, whatever the row. What cannot beat this has learnt nothing."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from learning.models import check, layers
from learning.models.model import CLASSES, F4, F8, I1, Exported, Settings, Tensors
from learning.rows.row import FEATURE_COUNT


class PriorConfig(BaseModel):
    """How wide the rows are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: int = Field(FEATURE_COUNT, ge=1, le=4096)


class Prior:
    """Count the classes; learning again adds to the counts."""

    kind: ClassVar[str] = "prior"

    def __init__(self, config: Settings | None = None, seed: int = 0) -> None:
        self.config = check.settings_of(PriorConfig, config, self.kind)
        self.columns = self.config.inputs
        self._counts: F8 | None = None

    def learn(self, x: F4, y: I1, weight: F4 | None = None) -> dict[str, float]:
        """Count the labels, each by its weight."""
        again = self._counts is not None
        x, y, weights = check.examples(x, y, weight, self.columns, self.kind, one_class=again)
        counts: F8 = np.bincount(y, weights=weights, minlength=len(CLASSES)).astype(np.float64)
        self._counts = counts if self._counts is None else self._counts + counts
        return {"rows": float(len(x))}

    def predict(self, x: F4) -> F4:
        """Give every row the same shares."""
        x = check.inputs(x, self.columns, self.kind)
        return layers.told(self._tensors(), x, self.kind)

    def _tensors(self) -> Tensors:
        check.learnt(self._counts, self.kind)
        assert self._counts is not None
        shares = (self._counts + 1.0) / (self._counts.sum() + len(CLASSES))
        return {
            "prior.counts": self._counts.copy(),
            "norm.mean": np.zeros(self.columns, np.float32),
            "norm.scale": np.ones(self.columns, np.float32),
            "l0.weight": np.zeros((len(CLASSES), self.columns), np.float32),
            "l0.bias": np.log(shares).astype(np.float32),
        }

    def export(self) -> Exported:
        """Give the shares as the bias of one layer, beside the counts."""
        return Exported(self.kind, self._tensors(), self.config.model_dump())

    @classmethod
    def load(cls, exported: Exported) -> Self:
        """Take up an exported model."""
        check.of_kind(exported, cls.kind)
        model = cls(exported.config)
        counts = check.tensor(exported.tensors, "prior.counts", (len(CLASSES),), cls.kind, np.float64)
        if not check.countable(counts):
            check.refuse("tensor 'prior.counts' holds no counts", cls.kind, "go back to the version before")
        layer = {name: each for name, each in exported.tensors.items() if name != "prior.counts"}
        layers.checked(layer, (model.columns, layers.OUT), cls.kind)
        model._counts = counts
        return model
