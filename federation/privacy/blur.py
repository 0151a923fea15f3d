"""Clip a step and blur it, so that what a region's rows did to it is lost in noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from federation.update import Arrays
from federation.vetting.history import norm, step_of


def blurred(
    arrays: Arrays, base: Arrays, clip: float, noise: float, draws: np.random.Generator
) -> list[NDArray[np.floating]]:
    """Shorten the step from `base` to `clip`, and add noise of `noise * clip` to every number.

    `draws` must be seeded by what nobody else knows: who can repeat the noise can take it away.
    """
    step = step_of(arrays, base)
    length = norm(step)
    factor = min(1.0, clip / length) if clip > 0 and length > 0 else 1.0
    return [
        (old + factor * way + draws.normal(0.0, noise * clip, way.shape)).astype(old.dtype)
        if noise > 0
        else (old + factor * way).astype(old.dtype)
        for old, way in zip(base, step, strict=True)
    ]
