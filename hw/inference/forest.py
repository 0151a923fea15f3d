"""Boosted trees as flat arrays: read and checked once, so that whoever walks them need not look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.inference.network import FAR, WIDTH_MAX, Floats, norm_of, wrong

Wholes = NDArray[np.int32]
Wides = NDArray[np.float64]
Tensors = Mapping[str, NDArray[np.generic]]

ROOTS, COLUMNS, THRESHOLDS = "trees.roots", "trees.columns", "trees.thresholds"
LEFT, RIGHT, LEAVES = "trees.left", "trees.right", "trees.leaves"
ALL = {ROOTS, COLUMNS, THRESHOLDS, LEFT, RIGHT, LEAVES, "norm.mean", "norm.scale"}

# What a node takes. A row passes each split at most once, so this bounds its time too.
SPLITS_MAX, TREES_MAX = 65_536, 8_192
# What a leaf may add: probabilities are nought or one long before.
LEAF_MAX = 1e6
_FLOAT_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Forest:
    """Hold trees by round and class; `roots`, `left` and `right` name a split, or as `~number` a leaf.

    A row goes left at a split where its column is not above the threshold; a class's score is the sum of the
    leaves that its trees come to.
    """

    mean: Floats
    scale: Floats
    roots: Wholes
    columns: Wholes
    thresholds: Wides
    left: Wholes
    right: Wholes
    leaves: Wides

    @property
    def shape(self) -> tuple[int, int]:
        """Give the width of the input, and the number of classes."""
        return len(self.mean), self.roots.shape[1]

    def near(self, far: float = FAR) -> Floats:
        """Give the least and the largest value of each column that is no farther than so many scales."""
        reach = far * self.scale.astype(np.float64)
        bounds = np.concatenate([self.mean - reach, self.mean + reach])
        near: Floats = np.clip(bounds, -_FLOAT_MAX, _FLOAT_MAX).astype(np.float32)
        return near

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Give what `forest_of` reads."""
        return {
            "norm.mean": self.mean, "norm.scale": self.scale, ROOTS: self.roots, COLUMNS: self.columns,
            THRESHOLDS: self.thresholds, LEFT: self.left, RIGHT: self.right, LEAVES: self.leaves,
        }  # fmt: skip


def is_forest(tensors: Tensors) -> bool:
    """Tell trees from a network."""
    return ROOTS in tensors


def forest_of(tensors: Tensors, width_max: int = WIDTH_MAX) -> Forest:
    """Read and check the tensors of trees, or say which is wrong: every tree ends, and lies in the arrays."""
    mean, scale = norm_of(tensors, width_max)
    roots = _array(tensors, ROOTS, np.int32, 2)
    columns, left, right = (_array(tensors, name, np.int32) for name in (COLUMNS, LEFT, RIGHT))
    thresholds, leaves = (_array(tensors, name, np.float64) for name in (THRESHOLDS, LEAVES))
    if roots.size == 0 or roots.shape[1] > WIDTH_MAX:
        raise wrong(f"{ROOTS} has shape {roots.shape}, not rounds of 1 to {WIDTH_MAX} classes")
    for name, found in ((THRESHOLDS, thresholds), (LEFT, left), (RIGHT, right)):
        if len(found) != len(columns):
            raise wrong(f"{name} has {len(found)} splits, not {len(columns)}")
    if len(leaves) != len(columns) + roots.size:
        raise wrong(f"{LEAVES} has {len(leaves)} leaves, not {len(columns) + roots.size}")
    if ((columns < 0) | (columns >= len(mean))).any():
        raise wrong(f"{COLUMNS} names a column that is none of {len(mean)}")
    if np.abs(leaves).max() > LEAF_MAX:
        raise wrong("the leaves are too large to compute with")
    _grown(roots.reshape(-1), left, right, len(leaves))
    unknown = sorted(set(tensors) - ALL)
    if unknown:
        raise wrong(f"unknown tensor {unknown[0][:60]!a}")
    return Forest(mean, scale, roots, columns, thresholds, left, right, leaves)


def bounded(tensors: Tensors) -> Tensors:
    """Give the tensors back, or refuse more trees than a node takes, before anything else is looked at."""
    for what, name, most in (("splits", COLUMNS, SPLITS_MAX), ("trees", ROOTS, TREES_MAX)):
        count = np.size(tensors.get(name, ()))
        if count > most:
            raise wrong(f"it has {count} {what}, over {most}")
    return tensors


def _grown(roots: Wholes, left: Wholes, right: Wholes, leaves: int) -> None:
    """Refuse what are no trees: a split lies behind the one above it, and all are reached in one way."""
    places = np.arange(len(left), dtype=np.int32)
    for name, below in ((LEFT, left), (RIGHT, right)):
        if ((below >= 0) & (below <= places)).any():
            raise wrong(f"{name} leads back")
    reached = np.concatenate([roots, left, right])
    for what, found, count in (
        ("split", reached[reached >= 0], len(left)),
        ("leaf", ~reached[reached < 0], leaves),
    ):
        if len(found) != count or (found >= count).any() or not (np.bincount(found) == 1).all():
            raise wrong(f"a {what} of the trees is reached twice, never, or is none")


def _array(tensors: Tensors, name: str, dtype: type[np.generic], ndim: int = 1) -> NDArray[Any]:
    found = tensors.get(name)
    if found is None:
        raise wrong(f"tensor {name} is missing")
    if found.dtype != dtype or found.ndim != ndim:
        raise wrong(f"{name} is {found.dtype}{list(found.shape)}, not {np.dtype(dtype)} of {ndim} dimensions")
    if not np.isfinite(found).all():
        raise wrong(f"{name} has a value that is not finite")
    return np.ascontiguousarray(found)
