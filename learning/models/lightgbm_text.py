"""The trees that LightGBM just learnt, read from what it writes of them, as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from hw.inference import forest as flat
from learning.models.model import CLASSES, F8, Tensors

# LightGBM takes features up to this size for nought when it predicts.
TINY = float(np.float32(1e-35))
# Bits of `decision_type`: of classes rather than by size; and what to do with numbers that are missing, which
# rows here never are.
BY_CLASS, MISSING = 1, 12


def trees_of(text: str) -> Iterator[Tensors]:
    """Give each tree by itself, in the order of their rounds, and of the classes in a round."""
    trees, _, _ = text.partition("\nend of trees")
    for tree in trees.split("\nTree=")[1:]:
        told = dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)
        kinds = np.array(told["decision_type"].split(), np.int64)
        assert not (kinds & (BY_CLASS | MISSING)).any(), "trees by size of numbers that are there"
        columns = np.array(told["split_feature"].split(), np.int32)
        yield {
            flat.ROOTS: np.array([[0 if len(columns) > 0 else ~0]], np.int32),
            flat.COLUMNS: columns,
            flat.THRESHOLDS: compared(np.array(told["threshold"].split(), np.float64)),
            flat.LEFT: np.array(told["left_child"].split(), np.int32),
            flat.RIGHT: np.array(told["right_child"].split(), np.int32),
            flat.LEAVES: np.array(told["leaf_value"].split(), np.float64),
        }


def compared(thresholds: F8) -> F8:
    """Give thresholds that tell a row as it is as LightGBM tells it with tiny features taken for nought.

    >>> compared(np.array([0.0, 0.5, -1e-40])) == [TINY, 0.5, np.nextafter(-TINY, -1)]
    array([ True,  True,  True])
    """
    above, below = (thresholds >= 0) & (thresholds < TINY), (thresholds < 0) & (thresholds >= -TINY)
    told: F8 = np.where(above, TINY, np.where(below, np.nextafter(-TINY, -1), thresholds))
    return told


def joined(parts: Iterable[Tensors]) -> Tensors:
    """Make one of trees that are each by themselves, or of forests."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in _NAMES}
    splits = leaves = 0
    for part in parts:
        for name in (flat.ROOTS, flat.LEFT, flat.RIGHT):
            each = part[name].reshape(-1)
            found[name].append(np.where(each >= 0, each + splits, each - leaves).astype(np.int32))
        for name in (flat.COLUMNS, flat.THRESHOLDS, flat.LEAVES):
            found[name].append(part[name])
        splits, leaves = splits + len(part[flat.COLUMNS]), leaves + len(part[flat.LEAVES])
    whole: Tensors = {name: np.concatenate(each) for name, each in found.items()}
    return whole | {flat.ROOTS: whole[flat.ROOTS].reshape(-1, len(CLASSES))}


_NAMES = (flat.ROOTS, flat.COLUMNS, flat.THRESHOLDS, flat.LEFT, flat.RIGHT, flat.LEAVES)
