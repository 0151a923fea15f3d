"""FedAvg: the mean by weight (McMahan et al. 2017), in one pass over memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.aggregation.mean_kernels import add_five, add_share, start_five
from federation.update import Arrays, Update
from hw.kernel import kernels_on

# A block of the sum stays near the core, so that memory is read once and written once.
BLOCK = 262_144
Flat = NDArray[Any]


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
    work = _sum_compiled if kernels_on() and like.dtype == np.float32 else _sum_plain
    for start in range(0, flat.size, BLOCK):
        parts = [source[start : start + BLOCK] for source in sources]
        work(flat[start : start + BLOCK], parts, factors)
    return result


def _sum_plain(total: Flat, parts: list[Flat], factors: list[Any]) -> None:
    np.multiply(parts[0], factors[0], out=total)
    for part, factor in zip(parts[1:], factors[1:], strict=True):
        total += part * factor


def _sum_compiled(total: Flat, parts: list[Flat], factors: list[Any]) -> None:
    done = len(parts) // 5 * 5
    if done == 0:
        np.multiply(parts[0], factors[0], out=total)
    for at in range(0, done, 5):
        five, by = parts[at : at + 5], factors[at : at + 5]
        (start_five if at == 0 else add_five)(total, *five, *by)  # type: ignore[arg-type]
    for part, factor in zip(parts[max(1, done) :], factors[max(1, done) :], strict=True):
        add_share(total, part, factor)
