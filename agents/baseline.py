"""What an agent believes without a model: the side with more size and flow is a little likelier."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from learning.rows.features import FEATURES

FLAT_FRAC, LEAN_MAX = 0.5, 0.3
_OFI, _IMBALANCE = FEATURES.index("ofi_1"), FEATURES.index("imbalance_1")


def baseline(features: NDArray[np.float32], out: NDArray[np.float32]) -> bool:
    """Write down, flat and up by a rule that was not learnt; False where features are no numbers."""
    pressure = float(features[_OFI]) + float(features[_IMBALANCE])
    if not math.isfinite(pressure):
        return False
    lean = LEAN_MAX * math.tanh(pressure / 2)
    moves = 1 - FLAT_FRAC
    out[0], out[1], out[2] = moves * (1 - lean) / 2, FLAT_FRAC, moves * (1 + lean) / 2
    return True
