"""Krum (Blanchard et al. 2017): take the update that its neighbours agree with most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from federation.aggregation.mean import fedavg
from federation.update import Arrays, Update


def krum(
    updates: Sequence[Update], weights: Sequence[float], like: Arrays, faulty: int = 0
) -> list[NDArray[np.floating]]:
    """Give the one update nearest to its closest peers; its promise needs n >= 2 * faulty + 3."""
    assert updates, "nothing to choose from"
    return fedavg([updates[chosen(updates, faulty)]], [1.0], like)


def chosen(updates: Sequence[Update], faulty: int = 0) -> int:
    """Name the place of the update that Krum takes."""
    apart = distances(updates)
    closest = max(1, len(updates) - faulty - 2)
    # The nearest of all is the update itself, at distance zero.
    scores = np.sort(apart, axis=1)[:, 1 : closest + 1].sum(axis=1)
    return int(np.argmin(scores))


def distances(updates: Sequence[Update]) -> NDArray[np.float64]:
    """Measure squared distances between updates: by differences, as squares of norms would cancel."""
    count = len(updates)
    apart = np.zeros((count, count))
    for row in range(count):
        for column in range(row):
            between = sum(
                float(np.square(ours.astype(np.float64) - theirs).sum())
                for ours, theirs in zip(updates[row].arrays, updates[column].arrays, strict=True)
            )
            apart[row, column] = apart[column, row] = between
    return apart
