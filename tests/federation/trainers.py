"""A small trainer: softmax regression with a scale of each region's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.run.trainer import Tensors, Trained

FEATURES, CLASSES, HIDDEN = 4, 3, 8
Config = Mapping[str, str | int | float | bool]
Floats = NDArray[np.floating]


def rows(seed: int, count: int = 300, shift: float = 0.0) -> tuple[Floats, NDArray[np.int64]]:
    """Draw a region's rows: the same law for all regions, each seeing another part of the world."""
    draws = np.random.default_rng(seed)
    x = draws.normal(shift, 1.0, (count, FEATURES)).astype(np.float32)
    law = np.random.default_rng(0).normal(size=(FEATURES, CLASSES))
    return x, np.argmax(x @ law + draws.normal(0, 0.3, (count, CLASSES)), axis=1)


def write_rows(path: Path, seed: int, count: int = 300, shift: float = 0.0) -> Path:
    """Put a region's rows in a file."""
    x, y = rows(seed, count, shift)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, x=x, y=y)
    return path


def first_tensors() -> Tensors:
    """Begin with zeros: a model that knows nothing; the scale is a region's own."""
    return {
        "norm.scale": np.ones(FEATURES, np.float32),
        "weight": np.zeros((FEATURES, CLASSES), np.float32),
        "bias": np.zeros(CLASSES, np.float32),
    }


# Clients are threads, and numpy's reader is not made for that (federation/run/npy.py).
_READING = threading.Lock()


def probabilities(weight: Floats, bias: Floats, x: Floats) -> Floats:
    """Give what the regression believes."""
    scores = x @ weight + bias
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def softmax(store: Path, tensors: Tensors, config: Config, seed: int) -> Trained:
    """Train the regression by gradient steps on all rows."""
    with _READING:
        held = dict(np.load(store))
    x, y = held["x"], held["y"]
    if len(y) == 0:
        return Trained(tensors, 0)
    scale = x.std(axis=0).astype(np.float32)
    weight, bias = tensors["weight"].copy(), tensors["bias"].copy()
    target = np.eye(CLASSES, dtype=np.float32)[y]
    for _ in range(int(config.get("steps", 20))):
        error = (probabilities(weight, bias, x / scale) - target) / len(y)
        weight -= np.float32(0.5) * ((x / scale).T @ error).astype(np.float32)
        bias -= np.float32(0.5) * error.sum(axis=0).astype(np.float32)
    return Trained({"norm.scale": scale, "weight": weight, "bias": bias}, len(y), {"loss": 0.5})


def holdout(path: Path) -> Callable[[Tensors], float]:
    """Make the loss on public rows; their seed is the path's name."""
    x, y = rows(int(path.name))

    def loss(tensors: Tensors) -> float:
        sure = probabilities(tensors["weight"], tensors["bias"], x)[np.arange(len(y)), y]
        return float(-np.log(np.maximum(sure, 1e-12)).mean())

    return loss


def broken(store: Path, tensors: Tensors, config: Config, seed: int) -> Trained:
    """Make a mistake whose words would give a row away."""
    raise ValueError("row 17 holds 60123.5")
