"""Tell a row that is like nothing a model was trained on: too many features too far from their means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from domain.errors import ExitCode, SwarmError
from hw.inference.network import Floats
from hw.inference.ood_kernels import outside
from hw.kernel import entry

# Kept with a model, in its `config`: how many scales are far, and which share of features may be.
LIMIT, SHARE = "ood_limit", "ood_share_frac"
DEFAULTS = {LIMIT: 8.0, SHARE: 0.125}


class Bounds:
    """Check rows against `mean ± limit × scale`; a row is foreign where more than a share of it is outside.

    >>> bounds = Bounds(np.zeros(4, np.float32), np.ones(4, np.float32), {LIMIT: 8.0, SHARE: 0.25})
    >>> bounds.foreign(np.array([0, 1, -2, 9], np.float32))
    False
    >>> bounds.foreign(np.array([0, 1, -9, 9], np.float32))
    True
    """

    def __init__(self, mean: Floats, scale: Floats, config: Mapping[str, str | int | float]) -> None:
        limit, share = (_number(config, name) for name in (LIMIT, SHARE))
        if not (0 < limit < math.inf and 0 <= share <= 1):
            raise _wrong(f"{LIMIT} {limit} or {SHARE} {share} bounds nothing")
        reach = scale.astype(np.float64) * limit
        low, high = ((mean + sign * reach).astype(np.float32) for sign in (-1, 1))
        self._most = int(share * len(mean))
        self._count = partial(entry(outside), low, high)

    def foreign(self, x: Floats) -> bool:
        """Tell whether a row, contiguous float32 taken on trust, is like nothing the model was trained on."""
        return self._count(x) > self._most


def _number(config: Mapping[str, str | int | float], name: str) -> float:
    value = config.get(name, DEFAULTS[name])
    if isinstance(value, str):
        raise _wrong(f"{name} is {value[:40]!a}, not a number")
    return float(value)


def _wrong(what: str) -> SwarmError:
    return SwarmError(what, where="model", mend="export it again from its trainer", code=ExitCode.BAD_DATA)
