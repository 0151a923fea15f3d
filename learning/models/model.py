"""What every model is: it learns from rows, gives class probabilities, and leaves as plain arrays."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

import msgspec
import numpy as np
import numpy.typing as npt

F4 = npt.NDArray[np.float32]
F8 = npt.NDArray[np.float64]
I1 = npt.NDArray[np.int8]
I8 = npt.NDArray[np.int64]
Tensors = dict[str, npt.NDArray[Any]]
Settings = dict[str, str | int | float]

CLASSES = ("down", "flat", "up")


class Exported(msgspec.Struct, frozen=True, eq=False):
    """A model as data: the only form that is stored, sent or run."""

    kind: str
    tensors: Tensors
    config: Settings


class Model(Protocol):
    """Learn from rows and give, for each row, the probabilities of down, flat and up.

    `columns` is how many inputs a row has: the features, or for a model of sequences the features of the
    last rows one after the other. Learning again goes on from what was learnt before.
    """

    kind: ClassVar[str]
    columns: int

    def __init__(self, config: Settings | None = None, seed: int = 0) -> None:
        """Begin a model that knows nothing."""

    def learn(self, x: F4, y: I1, weight: F4 | None = None) -> dict[str, float]:
        """Learn from rows in the order of time, and tell figures about the fit."""
        ...

    def predict(self, x: F4) -> F4:
        """Give float32[n, 3] whose rows sum to one."""
        ...

    def export(self) -> Exported:
        """Give all that was learnt as arrays."""
        ...

    @classmethod
    def load(cls, exported: Exported) -> Self:
        """Take up what `export` gave, refusing what does not fit."""
        ...
