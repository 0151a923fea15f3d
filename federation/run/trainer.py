"""The seam to whoever trains: a function named in the region's own config, never in a message."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigError

Tensors = dict[str, NDArray[np.floating]]


class Trained(msgspec.Struct, frozen=True):
    """What training gives: all tensors, personal ones too, and on how many rows."""

    tensors: Tensors
    examples: int
    metrics: dict[str, float] = {}


class Trainer(Protocol):
    """Learn from the rows under a path, starting from tensors; same arguments, same result."""

    def __call__(
        self, store: Path, tensors: Tensors, config: Mapping[str, str | int | float | bool], seed: int
    ) -> Trained:
        """Train once."""
        ...


def named(name: str, what: str) -> Any:
    """Find a function by `module:function`."""
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"there is no {what} {name}", where=what, mend=f"name it as module:function ({error})"
        ) from None


def trainer_of(name: str) -> Trainer:
    """Find a trainer by `module:function`."""
    found: Trainer = named(name, "trainer")
    return found
