"""FedAvg: the mean by weight (McMahan et al. 2017), in one pass over memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.aggregation.mean_kernels import add_four, add_share
from federation.update import Arrays, Update
from hw.kernel import kernels_on

# A block of the sum stays in a core's own cache, so that memory is read once and written once.
BLOCK = 65_536


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
    assert like.dtype.kind == "f", f"a mean of {like.dtype} would be cut to whole numbers"
    result = np.empty(like.shape, like.dtype)
    flat = result.reshape(-1)
    sources = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    factors = [like.dtype.type(weight) for weight in weights]
    add = _add_compiled if kernels_on() and like.dtype == np.float32 else _add_plain
    for start in range(0, flat.size, BLOCK):
        target = flat[start : start + BLOCK]
        parts = [source[start : start + BLOCK] for source in sources]
        np.multiply(parts[0], factors[0], out=target)
        add(target, parts[1:], factors[1:])
    return result


def _add_plain(total: NDArray[Any], parts: list[NDArray[Any]], factors: list[Any]) -> None:
    for part, factor in zip(parts, factors, strict=True):
        total += part * factor


def _add_compiled(total: NDArray[Any], parts: list[NDArray[Any]], factors: list[Any]) -> None:
    done = len(parts) // 4 * 4
    for at in range(0, done, 4):
        a, b, c, d = parts[at : at + 4]
        add_four(total, a, b, c, d, *factors[at : at + 4])
    for part, factor in zip(parts[done:], factors[done:], strict=True):
        add_share(total, part, factor)
