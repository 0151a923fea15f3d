"""The engine for trees: one compiled call for one row or many."""

from __future__ import annotations

from functools import partial

import numpy as np

from hw.inference.forest import Forest, Wides
from hw.inference.network import FAR, Floats, check_rows
from hw.inference.trees_kernels import packed, walk
from hw.kernel import entry


class Trees:
    """Compute trees; one thread at a time, since it keeps the scores of a row in an array of its own."""

    name = "fused"

    def __init__(self, forest: Forest, far: float = FAR) -> None:
        self._shape = forest.shape
        self._walk = partial(
            entry(walk), forest.roots.size, self._shape[1], *packed(forest), forest.near(far)
        )
        self.run = partial(self._walk, np.zeros(self._shape[1]))

    def batch(self, x: Floats, out: Floats) -> int:
        """Compute many rows."""
        check_rows(self._shape, x, out)
        return self._walk(np.empty(out.size), x.reshape(-1), out.reshape(-1))

    def scores(self, x: Floats) -> Wides:
        """Give what the classes' trees sum to, of rows that are all taken."""
        shape = len(x), self._shape[1]
        scores, told = np.empty(shape), np.empty(shape, np.float32)
        check_rows(self._shape, x, told)
        refused = self._walk(scores.reshape(-1), x.reshape(-1), told.reshape(-1))
        assert refused == 0, "a row was not taken"
        return scores
