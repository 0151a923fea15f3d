"""Small models that say what a test wants, and the events that set them."""

from __future__ import annotations

import numpy as np

from domain.control_events import ModelSet
from hw.inference.network import linear
from learning.models.model import Exported
from learning.registry.blob import hash_of, write_blob
from tests.hw.inference.forests import forest


def exported(lean: float = 0.0, scale: float = 100.0, mark: float = 0.0) -> Exported:
    """Make a linear model that expects up (lean > 0) or down whatever it sees; `mark` makes it another."""
    tensors = linear(16, 3)
    tensors["l0.bias"] = np.array([-lean, mark, lean], np.float32)
    tensors["norm.scale"] = np.full(16, scale, np.float32)
    return Exported("mlp", dict(tensors), {})


def trees() -> Exported:
    """Make trees that no row is far off from."""
    tensors = dict(forest(7, rounds=20, splits=14).tensors())
    wide = {"norm.mean": np.zeros(16, np.float32), "norm.scale": np.full(16, 100, np.float32)}
    return Exported("lightgbm", tensors | wide, {})


def hedge() -> Exported:
    """Make a hedge of trees and a line, that have earned alike."""
    experts = {"lightgbm": trees(), "ridge": exported(0.3)}
    tensors = {
        f"{name}/{inner}": each for name, made in experts.items() for inner, each in made.tensors.items()
    }
    stake = {"hedge.gains": np.zeros(2), "hedge.gap": np.ones(1)}
    return Exported("hedge", tensors | stake, {"experts": ",".join(experts)})


def model_set(made: Exported, slot: str = "champion", at_ns: int = 1, canary_ppm: int = 0) -> ModelSet:
    """Make the event that sets a model."""
    blob = write_blob(made)
    return ModelSet(at_ns, slot, hash_of(blob), "fused", blob, canary_ppm)


def cleared(slot: str, at_ns: int = 1) -> ModelSet:
    """Make the event that empties a slot."""
    return ModelSet(at_ns, slot, "", "", b"", 0)
