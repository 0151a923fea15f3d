"""Clients' shares added to a sum: each product and each sum rounded by itself, from left to right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel

Floats = NDArray[np.float32]


@kernel("void(float32[::1], float32[::1], float32)", nogil=True)
def add_share(total: Floats, source: Floats, weight: np.float32) -> None:
    """Add `source * weight` to `total`."""
    for place in range(len(total)):
        total[place] += source[place] * weight


_FIVE = (
    "void(float32[::1], float32[::1], float32[::1], float32[::1], float32[::1], float32[::1], "
    "float32, float32, float32, float32, float32)"
)


@kernel(_FIVE, nogil=True)
def start_five(
    total: Floats,
    a: Floats,
    b: Floats,
    c: Floats,
    d: Floats,
    e: Floats,
    by_a: np.float32,
    by_b: np.float32,
    by_c: np.float32,
    by_d: np.float32,
    by_e: np.float32,
) -> None:
    """Make `total` the first five clients' shares: it is written and not read."""
    for i in range(len(total)):
        total[i] = (((a[i] * by_a + b[i] * by_b) + c[i] * by_c) + d[i] * by_d) + e[i] * by_e


@kernel(_FIVE, nogil=True)
def add_five(
    total: Floats,
    a: Floats,
    b: Floats,
    c: Floats,
    d: Floats,
    e: Floats,
    by_a: np.float32,
    by_b: np.float32,
    by_c: np.float32,
    by_d: np.float32,
    by_e: np.float32,
) -> None:
    """Add five clients' shares in one pass: the sum is read and written once for all."""
    for i in range(len(total)):
        total[i] = ((((total[i] + a[i] * by_a) + b[i] * by_b) + c[i] * by_c) + d[i] * by_d) + e[i] * by_e
