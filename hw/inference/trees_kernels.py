"""One compiled function for all trees, of any number and shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.inference.forest import Forest, Wholes, Wides
from hw.kernel import kernel

Floats = NDArray[np.float32]
LEAF = -1


def packed(forest: Forest) -> tuple[Wholes, Wides]:
    """Lay trees out as the kernel walks them: column and the place of what is left below, then thresholds.

    Roots come first, in their order; what is right lies behind what is left, so that a comparison is the step
    and nothing has to be guessed. A leaf has no column, and its value where others have the threshold.
    """
    trees, splits = forest.roots.size, len(forest.columns)
    below = np.stack([forest.left, forest.right], axis=1).reshape(-1)
    what = np.concatenate([forest.roots.reshape(-1), below])
    split, leaf = what >= 0, what < 0
    nodes = np.full((trees + 2 * splits, 2), LEAF, np.int32)
    nodes[split, 0], nodes[split, 1] = forest.columns[what[split]], trees + 2 * what[split]
    values = np.empty(len(what))
    values[split], values[leaf] = forest.thresholds[what[split]], forest.leaves[~what[leaf]]
    return nodes.reshape(-1), values


@kernel(
    "int64(int64, int64, int32[::1], float64[::1], float32[::1], float64[::1], float32[::1], float32[::1])"
)
def walk(
    trees: int,
    classes: int,
    nodes: Wholes,
    values: Wides,
    near: Floats,
    scores: Wides,
    x: Floats,
    out: Floats,
) -> int:
    """Sum the leaves of each class into `scores`, and give probabilities; count rows that are not near."""
    inputs, rows, refused = len(near) // 2, len(out) // classes, 0
    fits = len(x) == rows * inputs and len(out) == rows * classes and len(scores) == len(out)
    for row in range(rows):
        at, to, taken = row * inputs, row * classes, fits
        if fits:
            for i in range(inputs):
                taken &= near[i] <= x[at + i] <= near[inputs + i]
        if not taken:
            refused += 1
            for k in range(classes):
                out[to + k] = np.float32(1 / classes)
            continue
        for k in range(classes):
            scores[to + k] = 0.0
        for first in range(0, trees, classes):
            for k in range(classes):
                node = first + k
                column = nodes[2 * node]
                while column >= 0:
                    node = nodes[2 * node + 1] + (1 if x[at + column] > values[node] else 0)
                    column = nodes[2 * node]
                scores[to + k] += values[node]
        top = scores[to]
        for k in range(1, classes):
            top = max(top, scores[to + k])
        total = 0.0
        for k in range(classes):
            total += np.exp(scores[to + k] - top)
        for k in range(classes):
            out[to + k] = np.exp(scores[to + k] - top) / total
    return refused
