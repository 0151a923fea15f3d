"""One compiled function for a whole network, written out for its shape.

All widths are constants in it, so loops have fixed lengths. Rows of weights are as wide as vector registers
like, and four inputs are taken at once, which quarters the loads and stores of the sums (measured: 0.38 us a
call against 1.3 us one at a time, and against 4 s of compiling where every sum is a variable of its own).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hw.inference.network import FAR, Network
from hw.kernel import kernel, kernels_on

Floats = NDArray[np.float32]
Forward = Callable[[Floats, Floats, Floats, Floats], int]

# The shape that is compiled ahead: what `learning` trains and the regions share.
DEFAULT_SHAPE = (16, 32, 32, 3)
SIGNATURE = "int64(float32[::1], float32[::1], float32[::1], float32[::1])"
LANES, AT_ONCE = 8, 4
SHAPES_MAX = 64
_made: dict[tuple[int, ...], Forward] = {}


def padded(width: int) -> int:
    """Widen a row to whole vector registers.

    >>> padded(3), padded(16)
    (8, 16)
    """
    return -(-width // LANES) * LANES


def places(shape: Sequence[int]) -> tuple[list[int], list[int], int, int]:
    """Tell where each layer's weights and its sums begin, and how long both arrays are.

    The first place of the sums is the normalised input's. A layer's bias follows its weights.
    """
    weights, sums = [], [0]
    at, sum_at = 2 * shape[0], padded(shape[0])
    for before, width in pairwise(shape):
        weights.append(at)
        sums.append(sum_at)
        at += (padded(before) + 1) * padded(width)
        sum_at += padded(width)
    return weights, sums, at, sum_at


def packed(network: Network) -> Floats:
    """Lay a network's numbers out as its kernel reads them: means, inverse scales, then layers by input."""
    shape = network.shape
    weights, _, length, _ = places(shape)
    numbers = np.zeros(length, np.float32)
    numbers[: shape[0]], numbers[shape[0] : 2 * shape[0]] = network.mean, 1 / network.scale
    for at, before, (weight, bias) in zip(weights, shape, network.layers, strict=False):
        across = padded(len(bias))
        rows = numbers[at : at + padded(before) * across].reshape(-1, across)
        rows[:before, : len(bias)] = weight.T
        numbers[at + rows.size : at + rows.size + len(bias)] = bias
    return numbers


def source(shape: Sequence[int]) -> str:
    """Write the function for a shape: `(numbers, sums, x, out) -> rows that could not be taken`."""
    inputs, classes = shape[0], shape[-1]
    weights, sums, _, _ = places(shape)
    return "\n".join(
        [
            f"def {name_of(shape)}(numbers, sums, x, out):",
            f"    rows, refused = len(out) // {classes}, 0",
            f"    fits = len(x) == rows * {inputs} and len(out) == rows * {classes}",
            "    for row in range(rows):",
            "        near = fits",
            "        if fits:",
            f"            for i in range({inputs}):",
            f"                z = (x[row * {inputs} + i] - numbers[i]) * numbers[{inputs} + i]",
            "                near &= abs(z) <= FAR",
            "                sums[i] = z",
            "        if not near:",
            "            refused += 1",
            f"            for j in range({classes}):",
            f"                out[row * {classes} + j] = EQUAL",
            "            continue",
            *(
                f"        {line}"
                for number in range(len(weights))
                for line in _layer(shape, number, weights, sums)
            ),
            *(f"        {line}" for line in _softmax(sums[-1], classes)),
            "    return refused",
        ]
    )


def _layer(shape: Sequence[int], number: int, weights: list[int], sums: list[int]) -> list[str]:
    before, across = padded(shape[number]), padded(shape[number + 1])
    source_at, target, at = sums[number], sums[number + 1], weights[number]
    lines = [
        f"for j in range({across}):",
        f"    sums[{target} + j] = numbers[{at + before * across} + j]",
        f"for i in range(0, {before}, {AT_ONCE}):",
    ]
    for step in range(AT_ONCE):
        lines.append(f"    h{step} = sums[{source_at} + i + {step}]")
        if number > 0:
            lines.append(f"    h{step} = ZERO if h{step} < ZERO else h{step}")
    products = (f"h{step} * numbers[{at} + (i + {step}) * {across} + j]" for step in range(AT_ONCE))
    return [*lines, f"    for j in range({across}):", f"        sums[{target} + j] += {' + '.join(products)}"]


def _softmax(at: int, classes: int) -> list[str]:
    return [
        f"top = sums[{at}]",
        f"for j in range(1, {classes}):",
        f"    top = max(top, sums[{at} + j])",
        "total = ZERO",
        f"for j in range({classes}):",
        f"    share = np.exp(sums[{at} + j] - top)",
        f"    out[row * {classes} + j] = share",
        "    total += share",
        f"for j in range({classes}):",
        f"    out[row * {classes} + j] /= total",
    ]


def name_of(shape: Sequence[int]) -> str:
    """Name the function of a shape.

    >>> name_of((16, 32, 3))
    'forward_16_32_3'
    """
    return "_".join(("forward", *map(str, shape)))


def forward_of(shape: tuple[int, ...]) -> Forward:
    """Give the kernel of a shape; the default one is compiled ahead, another when it is first used."""
    made = _made.get(shape)
    if made is None:
        made = _made[shape] = _written(shape)
        while len(_made) > SHAPES_MAX:
            del _made[next(other for other in _made if other not in (shape, DEFAULT_SHAPE))]
    return made


def _written(shape: tuple[int, ...]) -> Forward:
    text = source(shape)
    # The text is among the globals since builds are told apart by these, and the file is this one since
    # a build is kept only for code that has one.
    scope = {
        "__name__": __name__,
        "np": np,
        "TEXT": text,
        "FAR": np.float32(FAR),
        "ZERO": np.float32(0),
        "EQUAL": np.float32(1 / shape[-1]),
    }
    exec(compile(text, __file__ if kernels_on() else f"<{name_of(shape)}>", "exec"), scope)
    function: Forward = scope[name_of(shape)]  # type: ignore[assignment]
    return kernel(SIGNATURE)(function)


forward = forward_of(DEFAULT_SHAPE)
