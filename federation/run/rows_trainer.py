"""The trainer of real regions: rows from the region's store, a model of `learning`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from federation.run.trainer import Tensors, Trained
from learning.rows.store import Store
from learning.train.config import TrainConfig
from learning.train.trainer import train

OWN = frozenset({"base", "version", "attempt", "seed"})
MODEL = "model."


def train_rows(
    store: Path, tensors: Tensors, config: Mapping[str, str | int | float | bool], seed: int
) -> Trained:
    """Train on all labelled rows."""
    trained = train(Store(store).rows(), tensors, config_of(config), seed)
    return Trained(trained.exported.tensors, int(trained.metrics["rows"]), trained.metrics)


def config_of(told: Mapping[str, str | int | float | bool]) -> TrainConfig:
    """Read what a federation tells its regions: settings of the model begin with `model.`."""
    given = {name: value for name, value in told.items() if name not in OWN}
    settings = {name.removeprefix(MODEL): given.pop(name) for name in list(given) if name.startswith(MODEL)}
    return TrainConfig.model_validate({**given, "model": settings})
