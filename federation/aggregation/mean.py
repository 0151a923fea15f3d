"""FedAvg: the mean by weight (McMahan et al. 2017), in one pass over memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from federation.update import Arrays, Update

# Two blocks of float32 stay in a core's own cache, so that each client's array is read once.
BLOCK = 16_384


def shares(examples: Sequence[float]) -> list[float]:
    """Turn counts into weights that sum to one.

    >>> shares([3, 1])
    [0.75, 0.25]
    """
    total = sum(examples)
    return [count / total for count in examples]


def fedavg(updates: Sequence[Update], weights: Sequence[float], like: Arrays) -> list[NDArray[np.floating]]:
    """Average by weight, adding in the order given: Flower's own sum, to the bit."""
    assert updates, "nothing to average"
    return [
        mean_of([update.arrays[place] for update in updates], weights, model)
        for place, model in enumerate(like)
    ]


def mean_of(arrays: Arrays, weights: Sequence[float], like: NDArray[np.floating]) -> NDArray[np.floating]:
    """Average arrays of one shape, block by block."""
    result = np.empty(like.shape, like.dtype)
    flat = result.reshape(-1)
    sources = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    factors = [like.dtype.type(weight) for weight in weights]
    scratch = np.empty(min(BLOCK, flat.size), like.dtype)
    for start in range(0, flat.size, BLOCK):
        target = flat[start : start + BLOCK]
        part = scratch[: target.size]
        np.multiply(sources[0][start : start + BLOCK], factors[0], out=target)
        for source, factor in zip(sources[1:], factors[1:], strict=True):
            np.multiply(source[start : start + BLOCK], factor, out=part)
            np.add(target, part, out=target)
    return result
