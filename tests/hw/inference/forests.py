"""Random trees, and the slow obvious way to walk them."""

from __future__ import annotations

import numpy as np

from hw.inference.forest import Forest, forest_of
from tests.hw.inference.networks import Floats


def forest(seed: int = 0, rounds: int = 4, splits: int = 6, inputs: int = 16, classes: int = 3) -> Forest:
    """Grow trees of up to so many splits, each leaf that is split drawn by lot."""
    draw = np.random.default_rng(seed)
    roots: list[int] = []
    left: list[int] = []
    right: list[int] = []
    leaves = 0
    for _ in range(rounds * classes):
        roots.append(~leaves)
        ends: list[tuple[list[int], int]] = [(roots, len(roots) - 1)]
        leaves += 1
        for _ in range(int(draw.integers(0, splits + 1))):
            side, place = ends.pop(int(draw.integers(len(ends))))
            left.append(side[place])
            right.append(~leaves)
            side[place] = len(left) - 1
            ends += [(left, len(left) - 1), (right, len(right) - 1)]
            leaves += 1
    count = len(left)
    return forest_of(
        {
            "norm.mean": draw.normal(size=inputs).astype(np.float32),
            "norm.scale": draw.uniform(0.5, 2, inputs).astype(np.float32),
            "trees.roots": np.array(roots, np.int32).reshape(rounds, classes),
            "trees.columns": draw.integers(0, inputs, count).astype(np.int32),
            "trees.thresholds": np.round(draw.normal(size=count), 1),
            "trees.left": np.array(left, np.int32),
            "trees.right": np.array(right, np.int32),
            "trees.leaves": draw.normal(size=leaves),
        }
    )


def told(trees: Forest, x: Floats) -> np.ndarray:
    """Give probabilities, one comparison after the other."""
    scores = np.zeros((len(x), trees.roots.shape[1]))
    for row, score in zip(x.astype(np.float64), scores, strict=True):
        for (_, k), root in np.ndenumerate(trees.roots):
            at = int(root)
            while at >= 0:
                goes_left = row[trees.columns[at]] <= trees.thresholds[at]
                at = int(trees.left[at] if goes_left else trees.right[at])
            score[k] += trees.leaves[~at]
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
