"""A region's own models, trained beside those of the federation: one kind at a time, whose turn it is."""

from __future__ import annotations

from collections import deque

import numpy as np

from deploy.region_models import HOW, REASON, RegionModels
from domain.errors import SwarmError
from learning.models.model import Settings, Tensors
from learning.rows.row import Rows
from learning.train.config import TrainConfig
from learning.train.edition import Order
from learning.train.schedule import Kind, Train
from learning.train.trainer import fitted
from learning.train.validation import Fold, held_out


class LocalModels:
    """Train what the region's schedule asks for, and hold it against the same gates as any version."""

    def __init__(self, models: RegionModels) -> None:
        self._models, self._config = models, models.config
        self._left: deque[str] = deque()
        self._made = False

    @property
    def busy(self) -> bool:
        """Tell whether a kind waits for its turn."""
        return bool(self._config.kinds) and self._models.watch.alone.running is not None

    def turn(self) -> str:
        """Train the kind whose turn it is; give what became of it, "" where nobody has to train."""
        asked = self._models.watch.alone.running
        if asked is None or not self._config.kinds:
            self._left.clear()
            return ""
        if not self._left:
            self._left.extend(self._config.kinds)
            self._made = False
        kind = self._left.popleft()
        try:
            told = self._train(kind, asked)
            self._made = True
        except SwarmError as error:
            told = self._models.say(f"{kind} is not trained: {error.what}")
        finally:
            if not self._left:
                self._models.trained(self._models.watch.alone, made=self._made)
        return told

    def _train(self, kind: str, asked: Train) -> str:
        models, rows = self._models, self._models.newest()
        settings: Settings = {**self._config.kinds[kind]}
        config = models.train.model_copy(update={"kind": kind, "model": settings})
        base, fold = self._begun(kind, asked, rows, config)
        start: Tensors | None = None
        if base != "":
            exported = models.registry.get(base)
            start, config = exported.tensors, config.model_copy(update={"model": dict(exported.config)})
        model, told = fitted(rows, fold, config, 0, start)
        metrics = {f"fit.{name}": figure for name, figure in told.items()}
        metrics |= {"rows": float(len(fold.fit)), "held_rows": float(len(fold.held))}
        order = Order(config, models.region, base=base)
        why: Settings = {REASON: asked.reason, HOW: "step" if base != "" else "whole"}
        return models.hold(rows, model.export(), order, metrics, why)

    def _begun(self, kind: str, asked: Train, rows: Rows, config: TrainConfig) -> tuple[str, Fold]:
        """Say what to go on from, and which rows are new to it; from nothing where that cannot be."""
        models, fold = self._models, held_out(rows, config.held_frac)
        base = models.latest(kind, models.region) if asked.kind is Kind.STEP else ""
        if base != "":
            until_ns = models.registry.show(base).window.until_ns
            fresh = fold.fit[rows.table["at_ns"][fold.fit] > until_ns]
            if len(np.unique(rows.y[fresh])) > 1:
                return base, Fold(fresh, fold.held)
        return "", fold
