"""Means that a minority cannot move far: the coordinate-wise trimmed mean and median (Yin et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from federation.update import Arrays, Update

CUT_FRAC = 0.2
Columns = Callable[[NDArray[np.floating]], NDArray[np.floating]]


def trimmed_mean(
    updates: Sequence[Update], weights: Sequence[float], like: Arrays, cut_frac: float = CUT_FRAC
) -> list[NDArray[np.floating]]:
    """Average what is left of every coordinate without its lowest and highest share; all count alike."""
    assert 0 <= cut_frac < 0.5, "half or more at each end leaves nothing"
    cut = int(cut_frac * len(updates))
    keep = len(updates) - cut

    def middle(stacked: NDArray[np.floating]) -> NDArray[np.floating]:
        ordered = np.partition(stacked, (cut, keep - 1), axis=0)
        return np.asarray(np.mean(ordered[cut:keep], axis=0))

    return _each(updates, like, middle)


def median(updates: Sequence[Update], weights: Sequence[float], like: Arrays) -> list[NDArray[np.floating]]:
    """Take the median of every coordinate; all count alike."""
    return _each(updates, like, lambda stacked: np.asarray(np.median(stacked, axis=0)))


def _each(updates: Sequence[Update], like: Arrays, columns: Columns) -> list[NDArray[np.floating]]:
    assert updates, "nothing to aggregate"
    return [
        columns(np.stack([update.arrays[place] for update in updates])).astype(model.dtype, copy=False)
        for place, model in enumerate(like)
    ]
