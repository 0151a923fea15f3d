"""Several models asked as one: their probabilities, mixed by fixed shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.errors import ExitCode, SwarmError
from hw.inference.engine import Engine, Run, engine_of
from hw.inference.network import Floats


class Part(NamedTuple):
    """Tensors of a network or of trees, and their share in what is told."""

    share: float
    tensors: Mapping[str, NDArray[np.generic]]


def engine_for(name: str, parts: Sequence[Part]) -> Engine:
    """Open the named engine for one model, or for several that are mixed."""
    assert parts, "a model of nothing"
    engines = [engine_of(name, part.tensors) for part in parts]
    return engines[0] if len(parts) == 1 else Mixture(name, engines, [part.share for part in parts])


class Mixture:
    """Ask each model and mix what they tell; a row that one of them refuses is refused."""

    def __init__(self, name: str, engines: Sequence[Engine], shares: Sequence[float]) -> None:
        self.name = name
        if not all(share >= 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
            raise SwarmError(
                f"shares {', '.join(f'{share:.3g}' for share in shares)[:60]} do not sum to one",
                where="model",
                mend="export it again from its trainer",
                code=ExitCode.BAD_DATA,
            )
        self._runs = [engine.run for engine in engines]
        self._engines = list(engines)
        self._shares = np.array(shares, np.float32)
        self._told: Floats = np.empty((len(engines), 0), np.float32)

    @property
    def run(self) -> Run:
        """Give the call for one row."""
        return self._run

    def _run(self, x: Floats, out: Floats, /) -> int:
        if self._told.shape[1] != len(out):
            self._told = np.empty((len(self._runs), len(out)), np.float32)
        refused = 0
        for run, told in zip(self._runs, self._told, strict=True):
            refused |= run(x, told)
        if refused:
            out[:] = 1 / len(out)
        else:
            np.dot(self._shares, self._told, out)
        return refused

    def batch(self, x: Floats, out: Floats) -> int:
        """Compute rows one after the other, and give how many were refused."""
        return sum(self._run(row, told) for row, told in zip(x, out, strict=True))
