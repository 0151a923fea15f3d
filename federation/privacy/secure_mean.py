"""FedAvg under masks: what each client adds to the sum, and how the weighted mean is read out of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from federation.privacy.fixed_point import Words, to_floats, to_words
from federation.update import Arrays

TERMS_MAX = 64


def words_of(arrays: Arrays, base: Arrays, examples: int) -> Words:
    """Write a region's step times its examples, and the examples; the server sees only sums of both."""
    steps = [
        (new.astype(np.float64) - old).reshape(-1) * examples for new, old in zip(arrays, base, strict=True)
    ]
    return to_words(np.concatenate([*steps, np.array([float(examples)])]), TERMS_MAX)


def word_count(base: Arrays) -> int:
    """Give how many words a client sends."""
    return sum(array.size for array in base) + 1


def mean_of_words(total: Words, base: Arrays) -> tuple[list[NDArray[np.floating]], float]:
    """Read the weighted mean model and the count of all examples; a sum of none has no mean."""
    values = to_floats(total)
    examples, arrays, start = float(values[-1]), [], 0
    if not examples > 0:
        raise ValueError(f"a sum over {examples:g} examples")
    for array in base:
        step = values[start : start + array.size].reshape(array.shape) / examples
        arrays.append(np.asarray(array + step).astype(array.dtype, copy=False))
        start += array.size
    return arrays, examples
