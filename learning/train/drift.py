"""Drift: a model's error whose mean has changed, by ADWIN (Bifet and Gavaldà, 2007)."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class DriftConfig(BaseModel):
    """How sure drift must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    doubt_frac: float = Field(0.002, gt=0, lt=1)
    """How likely, at most, a change is told where there is none."""
    rows_least: int = Field(10, ge=1, le=1_000_000)
    """Errors that must have been seen before any change is told."""


class Drift:
    """Take one error after another, and tell when their mean has changed for the worse.

    A mean that fell is a change too, but none to train anew for: the window only shrinks to it.
    """

    def __init__(self, config: DriftConfig | None = None) -> None:
        from river import drift

        self.config = DriftConfig() if config is None else config
        adwin: Any = drift.ADWIN
        self._window = adwin(delta=self.config.doubt_frac, grace_period=self.config.rows_least)
        self.rows = 0

    @property
    def mean(self) -> float:
        """Give the mean error of the window, which reaches back to the last change."""
        return float(self._window.estimation)

    @property
    def width(self) -> int:
        """Count the errors of the window."""
        return int(self._window.width)

    def step(self, error: float) -> bool:
        """Take one more error; tell whether errors have become larger."""
        assert math.isfinite(error), f"an error is {error}"
        before = self.mean
        self._window.update(error)
        self.rows += 1
        return bool(self._window.drift_detected) and self.mean > before
