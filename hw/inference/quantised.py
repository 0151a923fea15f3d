"""A network in whole numbers: int8 weights with a scale for each output, int32 sums, int16 values between.

A value is a whole number of steps. Inputs are cut off at NEAR scales from their means, so the largest value
of each layer is known without looking at data, and its step is chosen so that nothing ever overflows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.errors import ExitCode, SwarmError
from hw.inference.network import Floats, Network

NEAR = 16.0
VALUE_MAX, WEIGHT_MAX, SUM_MAX = 32_767, 127, 1 << 30
# Logits are in steps of 2^-16, and so large that no float32 keeps them apart any more are refused.
LOGIT_BITS, LOGIT_MAX = 16, 1e9
FACTOR_BITS, SHIFT_MAX = 30, 62
# 2^-f for f = 0, 1/256, … 1, in steps of 2^-30: what softmax is read from.
POWERS = np.round(2.0 ** (30 - np.arange(257) / 256)).astype(np.int64)


@dataclass(frozen=True)
class Quantised:
    """Hold what `fixed_kernels.forward` reads; the head of `numbers` is the depth and the widths."""

    weights: NDArray[np.int8]
    numbers: NDArray[np.int64]
    norm: Floats
    values: int


def quantised(network: Network) -> Quantised:
    """Turn weights and biases into whole numbers."""
    steps = NEAR / VALUE_MAX
    inverse = np.float32(VALUE_MAX / NEAR) / network.scale
    weights, numbers = [], [len(network.layers), *network.shape]
    reach, last = NEAR, len(network.layers) - 1
    for number, (weight, bias) in enumerate(network.layers):
        exact, offset = weight.astype(np.float64), bias.astype(np.float64)
        reaches = np.abs(exact).sum(axis=1) * reach + np.abs(offset)
        reach = max(float(reaches.max()), 1e-30)
        units = np.maximum(np.abs(exact).max(axis=1) / WEIGHT_MAX, reaches / (steps * SUM_MAX))
        units[units == 0] = 1.0
        weights.append(np.rint(exact / units[:, None]).astype(np.int8).reshape(-1))
        numbers += np.rint(offset / (steps * units)).astype(np.int64).tolist()
        wanted = 2.0**-LOGIT_BITS if number == last else reach / VALUE_MAX
        factors = [_factor(step) for step in (steps * units / wanted).tolist()]
        numbers += [factor for factor, _ in factors] + [shift for _, shift in factors]
        steps = wanted
    if reach > LOGIT_MAX:
        raise SwarmError(
            "the weights are too large for int8",
            where="model",
            mend="use another engine",
            code=ExitCode.BAD_DATA,
        )
    table = np.concatenate([np.array(numbers, np.int64), POWERS])
    norm = np.concatenate([network.mean, inverse]).astype(np.float32)
    return Quantised(np.concatenate(weights), table, norm, max(network.shape))


def _factor(ratio: float) -> tuple[int, int]:
    """Write a ratio as `factor >> shift`.

    >>> _factor(0.5)
    (536870912, 30)
    """
    shift = min(SHIFT_MAX, FACTOR_BITS - math.frexp(ratio)[1])
    return min(round(math.ldexp(ratio, shift)), (1 << FACTOR_BITS) - 1), shift
