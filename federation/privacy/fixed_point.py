"""Floats as integers modulo 2 ** 64, where a mask is as likely as any other and sums stay exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SCALE_BITS = 24
Words = NDArray[np.uint64]


def to_words(values: NDArray[np.floating], terms_max: int) -> Words:
    """Round to multiples of 2 ** -24; a value so large that a sum of `terms_max` could wrap is refused."""
    scaled = np.rint(np.asarray(values, np.float64) * (1 << SCALE_BITS))
    if not (np.abs(scaled) < 2.0**62 / terms_max).all():  # neither is not-a-number
        raise ValueError("a value is too large to be summed under masks")
    return scaled.astype(np.int64).view(np.uint64)


def to_floats(words: Words) -> NDArray[np.float64]:
    """Read a sum back."""
    return words.view(np.int64) / (1 << SCALE_BITS)
