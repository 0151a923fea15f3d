"""What earlier versions tell about the updates to come."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from federation.update import Arrays

NORMS_MAX = 64


class History(msgspec.Struct, frozen=True):
    """The sizes of accepted steps, oldest first, and the way that the last ones went."""

    norms: tuple[float, ...] = ()
    direction: Arrays = ()

    def with_steps(self, norms: list[float], direction: Arrays) -> History:
        """Remember one version's steps; the oldest are forgotten."""
        return History((*self.norms, *norms)[-NORMS_MAX:], direction)


def step_of(arrays: Arrays, base: Arrays) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Give how far each array moved, in float64."""
    return [np.asarray(new.astype(np.float64) - old) for new, old in zip(arrays, base, strict=True)]


def norm(step: Arrays) -> float:
    """Measure a step's length over all arrays."""
    return math.sqrt(dot(step, step))


def dot(left: Arrays, right: Arrays) -> float:
    """Multiply two steps."""
    return float(
        sum(np.dot(one.reshape(-1), other.reshape(-1)) for one, other in zip(left, right, strict=True))
    )


def cosine(left: Arrays, right: Arrays) -> float | None:
    """Compare two steps' ways: 1 the same, -1 opposite; `None` where one of them has none."""
    size = norm(left) * norm(right)
    return dot(left, right) / size if size > 0 else None
