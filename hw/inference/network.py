"""A small network as its tensors: normalise, then weights, bias and ReLU, and softmax at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.errors import ExitCode, SwarmError

Floats = NDArray[np.float32]

# A feature so many scales from its mean is no market: such a row gets equal chances, as one not finite.
FAR = 1e6
WIDTH_MAX, LAYERS_MAX = 256, 8
# So no sum on the way overflows, and every engine sees finite numbers only.
REACH_MAX = 1e30


@dataclass(frozen=True)
class Network:
    """Hold what an engine computes: `mean` and `scale` of each input, then (weight, bias) of each layer."""

    mean: Floats
    scale: Floats
    layers: tuple[tuple[Floats, Floats], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the width of the input, then of each layer.

        >>> one = network_of(linear(inputs=2, classes=3))
        >>> one.shape
        (2, 3)
        """
        return len(self.mean), *(len(bias) for _, bias in self.layers)

    def check(self, x: Floats, out: Floats) -> None:
        """Be sure that a batch is what engines take: rows that fit, contiguous float32."""
        check_rows(self.shape, x, out)


def check_rows(shape: Sequence[int], x: Floats, out: Floats) -> None:
    """Be sure that a batch fits a model of this shape, and is contiguous float32."""
    assert x.dtype == out.dtype == np.float32, "rows must be float32"
    assert x.flags.c_contiguous and out.flags.c_contiguous, "rows must be contiguous"
    rows, inputs, classes = len(out), shape[0], shape[-1]
    assert x.shape == (rows, inputs) and out.shape == (rows, classes), "rows must fit the model"


def linear(inputs: int, classes: int) -> dict[str, Floats]:
    """Give the tensors of a network that knows nothing: equal chances whatever it sees."""
    return {
        "norm.mean": np.zeros(inputs, np.float32),
        "norm.scale": np.ones(inputs, np.float32),
        "l0.weight": np.zeros((classes, inputs), np.float32),
        "l0.bias": np.zeros(classes, np.float32),
    }


def network_of(tensors: Mapping[str, NDArray[np.generic]]) -> Network:
    """Read and check tensors `norm.mean norm.scale l0.weight l0.bias l1.weight …`, or say which is wrong."""
    mean, scale = norm_of(tensors)
    depth = sum(name.endswith(".weight") for name in tensors)
    if not 1 <= depth <= LAYERS_MAX:
        raise wrong(f"{depth} weights, not 1 to {LAYERS_MAX}")
    layers, width = [], len(mean)
    for number in range(depth):
        weight, bias = _layer(tensors, number, width)
        layers.append((weight, bias))
        width = len(bias)
    network = Network(mean, scale, tuple(layers))
    _extra(tensors, depth)
    if not reaches(network, FAR)[-1] <= REACH_MAX:
        raise wrong("the weights are too large to compute with")
    return network


def norm_of(tensors: Mapping[str, NDArray[np.generic]], width_max: int = WIDTH_MAX) -> tuple[Floats, Floats]:
    """Read and check mean and scale of each input."""
    mean = _tensor(tensors, "norm.mean", None)
    if mean.ndim != 1 or not 1 <= len(mean) <= width_max:
        raise wrong(f"norm.mean has shape {mean.shape}, not one of 1 to {width_max} features")
    scale = _tensor(tensors, "norm.scale", mean.shape)
    if not ((scale >= 1 / REACH_MAX) & (scale <= REACH_MAX)).all() or np.abs(mean).max() > REACH_MAX:
        raise wrong(f"norm.scale or norm.mean is not within {1 / REACH_MAX} to {REACH_MAX}")
    return mean, scale


def reaches(network: Network, far: float) -> list[float]:
    """Tell the largest value that each layer can give for inputs up to `far` scales from their means."""
    reach, found = far, []
    for weight, bias in network.layers:
        rows = np.abs(weight).astype(np.float64).sum(axis=1) * reach + np.abs(bias)
        reach = float(rows.max())
        found.append(reach)
    return found


def _layer(tensors: Mapping[str, NDArray[np.generic]], number: int, width: int) -> tuple[Floats, Floats]:
    name = f"l{number}.weight"
    weight = _tensor(tensors, name, None)
    if weight.ndim != 2 or weight.shape[1] != width or not 1 <= len(weight) <= WIDTH_MAX:
        raise wrong(f"{name} has shape {weight.shape}, not (1 to {WIDTH_MAX}, {width})")
    return weight, _tensor(tensors, f"l{number}.bias", (len(weight),))


def _tensor(tensors: Mapping[str, NDArray[np.generic]], name: str, shape: tuple[int, ...] | None) -> Floats:
    found = tensors.get(name)
    if found is None:
        raise wrong(f"tensor {name} is missing")
    if found.dtype != np.float32:
        raise wrong(f"{name} is {found.dtype}, not float32")
    if shape is not None and found.shape != shape:
        raise wrong(f"{name} has shape {found.shape}, not {shape}")
    if not np.isfinite(found).all():
        raise wrong(f"{name} has a value that is not finite")
    return np.ascontiguousarray(found, np.float32)


def _extra(tensors: Mapping[str, NDArray[np.generic]], depth: int) -> None:
    known = {"norm.mean", "norm.scale"} | {
        f"l{n}.{part}" for n in range(depth) for part in ("weight", "bias")
    }
    unknown = sorted(set(tensors) - known)
    if unknown:
        raise wrong(f"unknown tensor {unknown[0][:60]!a}")


def wrong(what: str) -> SwarmError:
    """Give the one line about tensors that are no model."""
    return SwarmError(what, where="model", mend="export it again from its trainer", code=ExitCode.BAD_DATA)
