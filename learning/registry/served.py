"""What a node runs of a version: a network, trees, or several of them mixed. Other kinds only learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw.inference.engine import model_of
from hw.inference.mixture import Part
from learning.models.model import Exported, Tensors
from learning.models.stake import Stake
from learning.registry.blob import refused
from learning.rows.row import CLASS_COUNT, FEATURE_COUNT

SINGLE = ("logistic", "ridge", "mlp", "lightgbm")
HEDGE = "hedge"
# What learning alone goes on from.
_STATE = "rls."


def served(exported: Exported) -> list[Part]:
    """Give the networks and trees of a version, and their shares, or say why no node can serve it."""
    if exported.kind in SINGLE:
        return [Part(1.0, _run(exported.tensors))]
    if exported.kind != HEDGE:
        mend = f"promote one of {', '.join((*SINGLE, HEDGE))}"
        raise refused(f"no node serves the kind {exported.kind[:20]!a}", mend)
    return _mixed(exported)


def _mixed(exported: Exported) -> list[Part]:
    experts = str(exported.config.get("experts", "")).split(",")
    other = next((name for name in experts if name not in SINGLE), None)
    if other is not None:
        raise refused(f"no node serves a hedge of {other[:20]!a}", f"let it hedge {', '.join(SINGLE)}")
    stake, gains = Stake(len(experts)), exported.tensors.get("hedge.gains", np.empty(0))
    gap = exported.tensors.get("hedge.gap", np.empty(0))
    if gains.shape != stake.gains.shape or gap.shape != (1,) or not gap[0] >= 0 or not _finite(gains, gap):
        raise refused("the stake of its hedge is not whole", "use another version")
    stake.gains, stake.gap = gains.astype(np.float64), float(gap[0])
    return [
        Part(float(share), _run(_of(exported.tensors, name)))
        for name, share in zip(experts, stake.shares, strict=True)
    ]


def _finite(*arrays: np.ndarray[Any, Any]) -> bool:
    return all(bool(np.isfinite(each).all()) for each in arrays)


def _of(tensors: Tensors, expert: str) -> Tensors:
    begins = f"{expert}/"
    return {name.removeprefix(begins): each for name, each in tensors.items() if name.startswith(begins)}


def _run(tensors: Tensors) -> Tensors:
    return {
        name: np.ascontiguousarray(tensor) for name, tensor in tensors.items() if not name.startswith(_STATE)
    }


def check_served(exported: Exported) -> None:
    """Refuse by name what a node would refuse: a kind that it cannot run, or a model of other widths."""
    for part in served(exported):
        shape = model_of(part.tensors).shape
        # Kernels take the width of what they read and write on trust.
        if (shape[0], shape[-1]) != (FEATURE_COUNT, CLASS_COUNT):
            raise refused(
                f"it takes {shape[0]} inputs to {shape[-1]} classes, not {FEATURE_COUNT} to {CLASS_COUNT}",
                "promote one of single rows",
            )
