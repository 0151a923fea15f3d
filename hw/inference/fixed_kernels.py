"""The whole-number path: the same bits out on every machine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.inference.network import FAR
from hw.inference.quantised import LOGIT_BITS, NEAR, VALUE_MAX
from hw.kernel import kernel

# What z is, in steps, where it is too far to be taken.
FAR_STEPS = np.float32(FAR / NEAR * VALUE_MAX)
LOG2E = round(1.4426950408889634 * (1 << LOGIT_BITS))
# e^-32 is nothing beside 1 in steps of 2^-30.
DEEPEST = 32 << LOGIT_BITS
FRACTION = (1 << LOGIT_BITS) - 1
HALF = np.float32(0.5)
SHARE_BITS = 24
SHARE_STEP = np.float32(2.0**-SHARE_BITS)


@kernel("int64(int8[::1], int64[::1], float32[::1], int64[::1], float32[::1], float32[::1])")
def forward(
    weights: NDArray[Any],
    numbers: NDArray[Any],
    norm: NDArray[Any],
    values: NDArray[Any],
    x: NDArray[Any],
    out: NDArray[Any],
) -> int:
    """Compute rows: x in steps, whole-number layers, softmax by table; give how many rows were refused.

    `quantised` has seen to it that no sum leaves int32.
    """
    depth, inputs = numbers[0], numbers[1]
    classes, half = numbers[1 + depth], len(values) // 2
    rows, refused, powers = len(out) // classes, 0, len(numbers) - 257
    fits = len(x) == rows * inputs and len(out) == rows * classes
    for row in range(rows):
        near = fits
        if fits:
            for i in range(inputs):
                z = (x[row * inputs + i] - norm[i]) * norm[inputs + i]
                if not abs(z) <= FAR_STEPS:
                    near = False
                    break
                steps = math.floor(z + HALF)
                values[i] = VALUE_MAX if steps > VALUE_MAX else -VALUE_MAX if steps < -VALUE_MAX else steps
        if not near:
            refused += 1
            for j in range(classes):
                out[row * classes + j] = 1 / classes
            continue
        before_at, at, told, before = 0, 0, 2 + depth, inputs
        for layer in range(depth):
            width = numbers[2 + layer]
            for j in range(width):
                total = numbers[told + j]
                for i in range(before):
                    total += weights[at + i] * values[before_at + i]
                at += before
                shift = numbers[told + 2 * width + j]
                total = (total * numbers[told + width + j] + (1 << (shift - 1))) >> shift
                if layer + 1 < depth:
                    total = 0 if total < 0 else VALUE_MAX if total > VALUE_MAX else total
                values[half - before_at + j] = total
            told += 3 * width
            before, before_at = width, half - before_at
        top = values[before_at]
        for j in range(classes):
            top = max(top, values[before_at + j])
        whole = 0
        for j in range(classes):
            deep = top - values[before_at + j]
            deep = ((DEEPEST if deep > DEEPEST else deep) * LOG2E) >> LOGIT_BITS
            i, low = powers + ((deep & FRACTION) >> 8), deep & 255
            power = numbers[i]
            power -= ((power - numbers[i + 1]) * low) >> 8
            values[half - before_at + j] = power >> (deep >> LOGIT_BITS)
            whole += power >> (deep >> LOGIT_BITS)
        for j in range(classes):
            share = (values[half - before_at + j] << SHARE_BITS) // whole
            out[row * classes + j] = np.float32(share) * SHARE_STEP
    return refused
