"""Boosted trees by LightGBM, kept as flat arrays: what runs them, here and in a node, is our own kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from domain.draws import stream_seed
from hw.inference.forest import SPLITS_MAX, Forest, forest_of
from learning.models import check, layers
from learning.models.lightgbm_text import joined, trees_of
from learning.models.model import CLASSES, F4, F8, I1, Exported, Settings, Tensors
from learning.rows.row import FEATURE_COUNT

if TYPE_CHECKING:
    from hw.inference.trees import Trees

HELD_LEAST, CHANCE_LEAST = 32, 1e-9
WIDTH_MAX = 4096


class LightgbmConfig(BaseModel):
    """The size of the trees and how they learn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: int = Field(FEATURE_COUNT, ge=1, le=WIDTH_MAX)
    rounds: int = Field(200, ge=1, le=5000)
    again_rounds: int = Field(20, ge=1, le=5000)
    """Rounds that learning again adds."""
    rounds_max: int = Field(1000, ge=1, le=20_000)
    """Beyond so many rounds it begins anew, from the rows at hand; so it does where a node would not take
    that many splits, and at a class that never came."""
    leaves: int = Field(15, ge=2, le=1024)
    leaf_rows: int = Field(40, ge=1, le=100_000)
    rate: float = Field(0.05, gt=0, le=1)
    columns_frac: float = Field(0.8, gt=0, le=1)
    patience: int = Field(10, ge=1, le=1000)
    held_frac: float = Field(0.1, ge=0, le=0.5)


class Lightgbm:
    """Learn trees on one thread, deterministically; learning again adds trees."""

    kind: ClassVar[str] = "lightgbm"

    def __init__(self, config: Settings | None = None, seed: int = 0) -> None:
        self.config = check.settings_of(LightgbmConfig, config, self.kind)
        self.columns = self.config.inputs
        self._seed = seed
        self._forest: Forest | None = None

    def learn(self, x: F4, y: I1, weight: F4 | None = None) -> dict[str, float]:
        """Add trees until the newest rows, which are held back, are no longer told better."""
        x, y, weights = check.examples(x, y, weight, self.columns, self.kind, one_class=True)
        before = self._forest if self._goes_on(x, y) else None
        if before is None:
            check.examples(x, y, weight, self.columns, self.kind)
        text = self._text(x, y, weights, before)
        kept: Tensors = layers.norm_of(x, weights) if before is None else dict(before.tensors())
        grown = joined([*([] if before is None else [kept]), *trees_of(text)])
        self._forest = forest_of(kept | grown, WIDTH_MAX)
        return {"rounds": float(len(self._forest.roots)), "rows": float(len(x))}

    def _goes_on(self, x: F4, y: I1) -> bool:
        """Tell whether trees can be added: there are some, not too many, and they know of each class.

        A class that never came has a chance of nought, from which more trees jump instead of learning.
        """
        if self._forest is None or len(self._forest.roots) >= self.config.rounds_max:
            return False
        grown = self.config.again_rounds * len(CLASSES) * (self.config.leaves - 1)
        if len(self._forest.columns) + grown > SPLITS_MAX:
            return False
        return bool((self.predict(x).max(axis=0)[np.unique(y)] > CHANCE_LEAST).all())

    def _text(self, x: F4, y: I1, weights: F8, before: Forest | None) -> str:
        """Train, and give what LightGBM writes of the trees that are new."""
        import lightgbm

        # What the trees before tell of the rows is where the new ones begin.
        scores = None if before is None else _trees(before).scores(x)
        held = int(len(x) * self.config.held_frac)
        fitted = len(x) - (held if held >= HELD_LEAST else 0)
        rows, tested = (
            _data(x, y, weights, scores, part) for part in (slice(0, fitted), slice(fitted, None))
        )
        stop = lightgbm.early_stopping(self.config.patience, verbose=False)
        trees = lightgbm.train(
            self._parameters(),
            rows,
            num_boost_round=self.config.rounds if before is None else self.config.again_rounds,
            valid_sets=[tested] if fitted < len(x) else [],
            callbacks=[stop] if fitted < len(x) else [],
        )
        return str(trees.model_to_string(num_iteration=-1))

    def _parameters(self) -> dict[str, Any]:
        return {
            "objective": "multiclass",
            "num_class": len(CLASSES),
            "num_leaves": self.config.leaves,
            "min_data_in_leaf": self.config.leaf_rows,
            "learning_rate": self.config.rate,
            "feature_fraction": self.config.columns_frac,
            "seed": stream_seed(self._seed, self.kind) % (1 << 31),
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }

    def predict(self, x: F4) -> F4:
        """Give the probabilities of the classes."""
        check.learnt(self._forest, self.kind)
        assert self._forest is not None
        x = check.inputs(x, self.columns, self.kind)
        told = np.empty((len(x), len(CLASSES)), np.float32)
        _trees(self._forest).batch(x, told)
        return told

    def export(self) -> Exported:
        """Give the trees as arrays, and mean and scale of the columns, by which a node knows foreign rows."""
        check.learnt(self._forest, self.kind)
        assert self._forest is not None
        tensors = {name: np.array(each) for name, each in self._forest.tensors().items()}
        return Exported(self.kind, tensors, self.config.model_dump())

    @classmethod
    def load(cls, exported: Exported) -> Self:
        """Take up exported trees, refusing what are none or of another shape."""
        check.of_kind(exported, cls.kind)
        model = cls(exported.config)
        forest = forest_of(exported.tensors, WIDTH_MAX)
        if forest.shape != (model.columns, len(CLASSES)):
            mend = "use the file as it was exported"
            check.refuse(f"the trees are not for {model.columns} columns and 3 classes", cls.kind, mend)
        model._forest = forest
        return model


def _trees(forest: Forest) -> Trees:
    """Open what computes trees, for rows however far from their means."""
    from hw.inference.trees import Trees  # here, since its kernel loads the compiler

    return Trees(forest, math.inf)


def _data(x: F4, y: I1, weights: F8, scores: F8 | None, rows: slice) -> Any:
    import lightgbm

    begin = None if scores is None else scores[rows]
    return lightgbm.Dataset(
        x[rows], y[rows], weight=weights[rows], init_score=begin, params={"verbosity": -1}
    )
