"""Versions for tests: small models, manifests, and gates that were all passed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hw.clock import VirtualClock
from learning.models.model import Exported
from learning.registry.config import RegistryConfig
from learning.registry.files import Reached, nothing
from learning.registry.gates import OFFLINE
from learning.registry.manifest import Gate, Manifest
from learning.registry.registry import Registry
from learning.registry.standing import LIVE

PASSED = tuple(Gate(name, True, 1.0, 2.0) for name in OFFLINE)
ALIVE = (Gate(LIVE, True, 0.1, 0.0),)


def exported(seed: int = 0) -> Exported:
    """Give a model that the seed makes another."""
    draw = np.random.default_rng(seed)
    tensors = {
        "norm.mean": draw.normal(size=16).astype(np.float32),
        "norm.scale": np.ones(16, np.float32),
        "l0.weight": draw.normal(size=(3, 16)).astype(np.float32),
        "l0.bias": np.zeros(3, np.float32),
    }
    return Exported("mlp", tensors, {"hidden": "none", "rate": 0.5, "inputs": 16})


def manifest(gates: Iterable[Gate] = PASSED, parent: str = "", **metrics: float) -> Manifest:
    """Describe a model of `exported`."""
    return Manifest("", "mlp", "tokyo", 7, parent, gates=tuple(gates), metrics=dict(metrics))


def registry(folder: Path, *, reached: Reached = nothing, **config: int) -> Registry:
    """Open a registry whose clock counts."""
    clock = VirtualClock(1)

    def now_ns() -> int:
        clock.advance(1)
        return clock.now_ns()

    return Registry(folder, RegistryConfig(**config), now_ns, reached)


def champions(made: Registry, *seeds: int) -> list[str]:
    """Let versions become champion one after the other, each by way of a canary."""
    found = []
    for seed in seeds:
        model = made.put(exported(seed), manifest())
        if made.pointer().champion != "":
            made.promote(model, "canary")
            made.promote(model, "champion", ALIVE)
        else:
            made.promote(model, "champion")
        found.append(model)
    return found
