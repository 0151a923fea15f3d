"""One model out of many regions' models, each vetted before it counts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Arrays = Sequence[NDArray[np.floating]]


class Update(msgspec.Struct, frozen=True):
    """A region's arrays, and by how many examples they were learnt."""

    region: str
    arrays: Arrays
    examples: int


class RejectedUpdate(msgspec.Struct, frozen=True):
    """An update that does not count, and why."""

    region: str
    reason: str


def vet(update: Update, like: Arrays) -> RejectedUpdate | None:
    """Find what is wrong with an update: one NaN or one missing array would spoil the round."""
    if update.examples <= 0:
        return RejectedUpdate(update.region, f"learnt from {update.examples} examples")
    if len(update.arrays) != len(like):
        return RejectedUpdate(update.region, f"{len(update.arrays)} arrays where {len(like)} are due")
    for place, (array, model) in enumerate(zip(update.arrays, like, strict=True)):
        if array.shape != model.shape or array.dtype != model.dtype:
            found, due = f"{array.dtype}{array.shape}", f"{model.dtype}{model.shape}"
            return RejectedUpdate(update.region, f"array {place} is {found} where {due} is due")
        if not np.isfinite(array).all():
            return RejectedUpdate(update.region, f"array {place} is not finite")
    return None


def weighted_mean(updates: Sequence[Update]) -> list[NDArray[np.floating]]:
    """Average by examples: FedAvg (McMahan et al. 2017). Callers have vetted the updates."""
    assert updates, "nothing to average"
    total = sum(update.examples for update in updates)
    weights = [update.examples / total for update in updates]
    return [
        np.asarray(sum(array * weight for array, weight in zip(column, weights, strict=True)))
        for column in zip(*(update.arrays for update in updates), strict=True)
    ]


def aggregate(
    updates: Sequence[Update], like: Arrays
) -> tuple[list[NDArray[np.floating]] | None, tuple[RejectedUpdate, ...]]:
    """Average the good updates and name the bad; `None` where nothing good came."""
    verdicts = [(update, vet(update, like)) for update in updates]
    good = [update for update, rejected in verdicts if rejected is None]
    bad = tuple(rejected for _, rejected in verdicts if rejected is not None)
    return (weighted_mean(good) if good else None), bad
