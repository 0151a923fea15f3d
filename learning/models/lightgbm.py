"""Boosted trees by LightGBM, kept as the text of the trees: data, never code."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from domain.draws import stream_seed
from learning.models import check
from learning.models.model import CLASSES, F4, F8, I1, Exported, Settings
from learning.rows.row import FEATURE_COUNT

HELD_LEAST, CHANCE_LEAST = 32, 1e-9
TEXT_BYTES_MAX = 64 << 20
DIGEST_BYTES, HEAD_BYTES = 16, 4096
BEGINS = b"tree\n"


class LightgbmConfig(BaseModel):
    """The size of the trees and how they learn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: int = Field(FEATURE_COUNT, ge=1, le=4096)
    rounds: int = Field(200, ge=1, le=5000)
    again_rounds: int = Field(20, ge=1, le=5000)
    """Rounds that learning again adds."""
    rounds_max: int = Field(1000, ge=1, le=20_000)
    """Beyond so many rounds it begins anew, from the rows at hand; so it does at a class that never came."""
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
        self._text = b""
        self._trees: Any = None

    def learn(self, x: F4, y: I1, weight: F4 | None = None) -> dict[str, float]:
        """Add trees until the newest rows, which are held back, are no longer told better."""
        import lightgbm

        x, y, weights = check.examples(x, y, weight, self.columns, self.kind, one_class=True)
        again = self._goes_on(x, y)
        if not again:
            check.examples(x, y, weight, self.columns, self.kind)
        held = int(len(x) * self.config.held_frac)
        fitted = len(x) - (held if held >= HELD_LEAST else 0)
        rows, tested = (
            self._data(x, y, weights, slice(0, fitted)),
            self._data(x, y, weights, slice(fitted, None)),
        )
        stop = lightgbm.early_stopping(self.config.patience, verbose=False)
        trees = lightgbm.train(
            self._parameters(),
            rows,
            num_boost_round=self.config.again_rounds if again else self.config.rounds,
            init_model=self._trees if again else None,
            valid_sets=[tested] if fitted < len(x) else [],
            callbacks=[stop] if fitted < len(x) else [],
        )
        self._take(trees.model_to_string(num_iteration=-1).encode())
        return {"rounds": float(self._trees.current_iteration()), "rows": float(len(x))}

    def _goes_on(self, x: F4, y: I1) -> bool:
        """Tell whether trees can be added: there are some, not too many, and they know of each class.

        A class that never came has a chance of nought, from which more trees jump instead of learning.
        """
        if self._trees is None or self._trees.current_iteration() >= self.config.rounds_max:
            return False
        return bool((self.predict(x).max(axis=0)[np.unique(y)] > CHANCE_LEAST).all())

    def _data(self, x: F4, y: I1, weights: F8, rows: slice) -> Any:
        import lightgbm

        return lightgbm.Dataset(x[rows], y[rows], weight=weights[rows], params={"verbosity": -1})

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

    def _take(self, text: bytes) -> None:
        """Read the trees from their text, also just after learning: so both predict the same."""
        import lightgbm

        self._trees = lightgbm.Booster(model_str=text.decode())
        self._text = text

    def predict(self, x: F4) -> F4:
        """Give the probabilities of the classes."""
        check.learnt(self._trees, self.kind)
        told: F8 = self._trees.predict(check.inputs(x, self.columns, self.kind), num_threads=1)
        told = told.reshape(len(x), len(CLASSES))
        shares: F8 = told / told.sum(axis=1, keepdims=True)
        return shares.astype(np.float32)

    def export(self) -> Exported:
        """Give the text of the trees as bytes, with their digest: its reader does not bear spoilt text."""
        check.learnt(self._trees, self.kind)
        tensors = {"lightgbm.text": _bytes(self._text), "lightgbm.digest": _bytes(_digest(self._text))}
        return Exported(self.kind, tensors, self.config.model_dump())

    @classmethod
    def load(cls, exported: Exported) -> Self:
        """Take up exported trees, refusing text that is cut, spoilt or of another shape."""
        check.of_kind(exported, cls.kind)
        model = cls(exported.config)
        size = (min(np.size(exported.tensors.get("lightgbm.text", ())), TEXT_BYTES_MAX),)
        text = check.tensor(exported.tensors, "lightgbm.text", size, cls.kind, np.uint8).tobytes()
        digest = check.tensor(exported.tensors, "lightgbm.digest", (DIGEST_BYTES,), cls.kind, np.uint8)
        model._take(_whole(text, digest.tobytes(), model.columns))
        return model


def _bytes(text: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text, np.uint8).copy()


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=DIGEST_BYTES).digest()


def _whole(text: bytes, digest: bytes, columns: int) -> bytes:
    mend = "use the file as it was exported"
    if not text.startswith(BEGINS) or not text.isascii() or _digest(text) != digest:
        check.refuse("the text of the trees is cut or spoilt", Lightgbm.kind, mend)
    head = dict(line.split(b"=", 1) for line in text[:HEAD_BYTES].splitlines() if b"=" in line)
    shape = (head.get(b"max_feature_idx"), head.get(b"num_class"))
    if shape != (b"%d" % (columns - 1), b"%d" % len(CLASSES)):
        check.refuse(f"the trees are not for {columns} columns and 3 classes", Lightgbm.kind, mend)
    return text
