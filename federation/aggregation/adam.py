"""FedAdam (Reddi et al. 2021): the server steps along what the clients found, at a pace per coordinate."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from federation.update import Arrays


class AdamConfig(BaseModel):
    """Set the server's step; the defaults are Flower's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    eta: float = Field(default=0.1, gt=0)
    beta_1: float = Field(default=0.9, ge=0, lt=1)
    beta_2: float = Field(default=0.99, ge=0, lt=1)
    tau: float = Field(default=1e-3, gt=0)


class Moments(msgspec.Struct, frozen=True):
    """What the server's step remembers: the mean and the mean square of past differences."""

    first: Arrays
    second: Arrays


def fedadam(
    mean: Arrays, like: Arrays, moments: Moments | None, step: int, config: AdamConfig | None = None
) -> tuple[list[NDArray[np.floating]], Moments]:
    """Step from the current model towards the clients' mean; `step` counts from 1."""
    config = config or AdamConfig()
    deltas = [new - old for new, old in zip(mean, like, strict=True)]
    before = moments or Moments([np.zeros_like(x) for x in mean], [np.zeros_like(x) for x in mean])
    first = [
        np.asarray(config.beta_1 * old + (1 - config.beta_1) * delta)
        for old, delta in zip(before.first, deltas, strict=True)
    ]
    second = [
        np.asarray(config.beta_2 * old + (1 - config.beta_2) * (delta**2))
        for old, delta in zip(before.second, deltas, strict=True)
    ]
    scale = config.eta * np.sqrt(1 - config.beta_2 ** (step + 1.0)) / (1 - config.beta_1 ** (step + 1.0))
    arrays = [
        np.asarray(old + scale * m / (np.sqrt(v) + config.tau)).astype(old.dtype, copy=False)
        for old, m, v in zip(like, first, second, strict=True)
    ]
    return arrays, Moments(first, second)
