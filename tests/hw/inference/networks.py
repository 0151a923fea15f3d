"""Random networks, rows for them, and the slow obvious way to compute one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Tensors = dict[str, Floats]
SHAPE = (16, 32, 32, 3)


def tensors(seed: int = 0, shape: Sequence[int] = SHAPE, gain: float = 1.0) -> Tensors:
    """Draw a network as trainers begin with one, its weights `gain` times as large."""
    draw = np.random.default_rng(seed)
    made = {
        "norm.mean": draw.normal(size=shape[0]),
        "norm.scale": draw.uniform(0.1, 3.0, shape[0]),
    }
    for number, (before, width) in enumerate(pairwise(shape)):
        made[f"l{number}.weight"] = gain * draw.normal(size=(width, before)) * np.sqrt(2 / before)
        made[f"l{number}.bias"] = 0.1 * draw.normal(size=width)
    return {name: np.asarray(array, np.float32) for name, array in made.items()}


def rows(network: Tensors, count: int, seed: int = 0, far: float = 16.0) -> Floats:
    """Draw rows with heavy tails, no feature over `far` scales from its mean."""
    draw = np.random.default_rng(seed)
    z = np.clip(draw.standard_t(3, size=(count, len(network["norm.mean"]))), -far, far)
    return np.asarray(z * network["norm.scale"] + network["norm.mean"], np.float32)


def logits(network: Tensors, x: Floats) -> NDArray[np.float64]:
    """Compute what goes into softmax in float64."""
    h = (x.astype(np.float64) - network["norm.mean"]) / network["norm.scale"]
    depth = sum(name.endswith(".weight") for name in network)
    for number in range(depth):
        h = h @ network[f"l{number}.weight"].astype(np.float64).T + network[f"l{number}.bias"]
        h = h if number == depth - 1 else np.maximum(h, 0)
    return np.asarray(h)


def expected(network: Tensors, x: Floats) -> NDArray[np.float64]:
    """Compute probabilities in float64."""
    h = logits(network, x)
    shares = np.exp(h - h.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def units(network: Tensors, x: Floats) -> NDArray[np.float64]:
    """Give each row's largest logit, at least one: what tolerances are stated for."""
    return np.asarray(np.maximum(1, np.abs(logits(network, x)).max(axis=1))[:, None])
