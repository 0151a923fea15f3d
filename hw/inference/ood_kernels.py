"""Count the features that are far from what a model was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel

Floats = NDArray[np.float32]


@kernel("int64(float32[::1], float32[::1], float32[::1])")
def outside(low: Floats, high: Floats, x: Floats) -> int:
    """Count what is not between its bounds; what is not a number is not."""
    count = 0
    for i in range(len(low)):
        count += 0 if low[i] <= x[i] <= high[i] else 1
    return count
