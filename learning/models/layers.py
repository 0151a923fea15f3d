"""Dense layers as named tensors: norm, then l0, l1 … with ReLU between, softmax at the end."""

from __future__ import annotations

import numpy as np

from learning.models import check
from learning.models.model import CLASSES, F4, F8, Tensors

SCALE_LEAST = 1e-6


def norm_of(x: F4, weight: F8) -> Tensors:
    """Measure mean and scale of each column; a column that stands still keeps its unit."""
    wide: F8 = x.astype(np.float64)
    mean: F8 = weight @ wide / weight.sum()
    scale: F8 = np.sqrt(weight @ (wide - mean) ** 2 / weight.sum())
    steady = np.where(scale > SCALE_LEAST * np.maximum(1.0, np.abs(mean)), scale, 1.0)
    return {"norm.mean": mean.astype(np.float32), "norm.scale": steady.astype(np.float32)}


def normed(tensors: Tensors, x: F4) -> F4:
    """Give the columns with mean zero and scale one."""
    mean, scale = tensors["norm.mean"].astype(np.float32), tensors["norm.scale"].astype(np.float32)
    given: F4 = (x - mean) / scale
    return given


def logits_of(tensors: Tensors, x: F4) -> F4:
    """Run all layers that the tensors hold, without the softmax."""
    out: F4 = normed(tensors, x)
    for i in range(depth_of(tensors)):
        if i > 0:
            out = np.maximum(out, np.float32(0.0))
        out = out @ tensors[f"l{i}.weight"].T + tensors[f"l{i}.bias"]
    return out


def depth_of(tensors: Tensors) -> int:
    """Count the layers."""
    return sum(name.endswith(".weight") and name[0] == "l" for name in tensors)


def told(tensors: Tensors, x: F4, kind: str) -> F4:
    """Give the probabilities that the layers tell of checked rows."""
    with np.errstate(over="ignore", invalid="ignore"):  # said by name at the end
        logits = logits_of(tensors, x)
    return softmax(logits, kind)


def softmax(logits: F4, kind: str) -> F4:
    """Turn logits into float32 probabilities, summing in float64; refuse what is no number."""
    if not np.isfinite(logits).all():
        check.refuse("what it tells is not a finite number", kind, "go back to the version before")
    wide = logits.astype(np.float64)
    wide = np.exp(wide - wide.max(axis=1, keepdims=True))
    shares: F8 = wide / wide.sum(axis=1, keepdims=True)
    return shares.astype(np.float32)


def checked(tensors: Tensors, sizes: tuple[int, ...], kind: str, *, partly: bool = False) -> Tensors:
    """Give copies of norm and layers for these sizes, refusing what does not fit, or is missing."""
    shapes = shapes_of(sizes)
    if (extra := next((name for name in tensors if name not in shapes), None)) is not None:
        check.refuse(f"tensor {extra!r} is not one of this model's", kind, "use a model of the same shape")
    found: Tensors = {
        name: check.tensor(tensors, name, shape, kind)
        for name, shape in shapes.items()
        if name in tensors or not partly
    }
    if "norm.scale" in found and not (found["norm.scale"] > 0).all():
        check.refuse("tensor 'norm.scale' is not above zero", kind, "go back to the version before")
    return found


def shapes_of(sizes: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Give the shape of each tensor by name, in the order that is sent.

    >>> shapes_of((16, 3))
    {'norm.mean': (16,), 'norm.scale': (16,), 'l0.weight': (3, 16), 'l0.bias': (3,)}
    """
    shapes: dict[str, tuple[int, ...]] = {"norm.mean": (sizes[0],), "norm.scale": (sizes[0],)}
    for i in range(len(sizes) - 1):
        shapes[f"l{i}.weight"] = (sizes[i + 1], sizes[i])
        shapes[f"l{i}.bias"] = (sizes[i + 1],)
    return shapes


OUT = len(CLASSES)
