"""How a region trains: the model, what is held out, and what a decision costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from learning.models.model import Settings

NS_PER_S = 1_000_000_000
# Columns of schema f1, named here so that no kernel is loaded for their names; a test holds them to it.
ORDER_FLOW = (0, 1, 2, 3, 4, 5, 6, 12, 13)
LAST_MOVE = 9
# What stays as it is where up and down change places: spread, volatility and the time since a move.
EVEN = (7, 11, 14)
BASELINES = ("prior", "persistence", "logistic")


class TrainConfig(BaseModel):
    """What `train` needs to know beside the rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = "mlp"
    model: dict[str, Annotated[str | int | float, Field(union_mode="left_to_right")]] = Field(
        default_factory=dict
    )
    """Settings of the model of this kind."""
    held_frac: float = Field(0.2, ge=0.05, le=0.5)
    """Share of the newest rows that the figures are measured on."""
    folds: int = Field(4, ge=1, le=100)
    """Stretches of the walk forward."""
    embargo_s: float = Field(0.0, ge=0, le=86_400)
    """Rows that begin so soon after a tested stretch are not learnt from."""
    cost_bps: float = Field(2.0, ge=0, le=1000)
    """What it costs to take a side and to leave it again."""
    edge_frac: float = Field(0.1, ge=0, le=1)
    """A side is taken where its probability is above the other's by this, and above flat's."""
    period_s: float = Field(0.0, ge=0, le=86_400)
    """Gains are summed over such periods before the Sharpe ratio, since neighbours share one move; at nought
    over periods as long as the median outcome takes."""
    rows_min: int = Field(100, ge=10, le=1_000_000)
    mirror: bool = True
    """Whether each row is learnt from as its mirror image too, up for down: no market is known to prefer a
    side, and a region's few hours always seem to."""
    calibrate: bool = False
    """Whether a temperature, fitted to rows held back from the fit, is folded into the last layer."""
    tracking_uri: str = ""
    """Where MLflow shall keep each training; nowhere when empty."""

    @property
    def embargo_ns(self) -> int:
        """Give the embargo in nanoseconds."""
        return int(self.embargo_s * NS_PER_S)

    @property
    def settings(self) -> Settings:
        """Give the model's settings, with the columns of our features where it asks for some."""
        return defaults_of(self.kind) | self.model

    def for_kind(self, kind: str) -> TrainConfig:
        """Give the same for a baseline with its own settings."""
        return self if kind == self.kind else self.model_copy(update={"kind": kind, "model": {}})


def defaults_of(kind: str) -> Settings:
    """Tell which of our features are order flow, and which is the last move.

    >>> defaults_of("persistence")
    {'column': 9}
    """
    own: dict[str, Settings] = {
        "ridge": {"only": ",".join(str(column) for column in ORDER_FLOW)},
        "persistence": {"column": LAST_MOVE},
    }
    if kind == "hedge":
        return {f"{name}/{key}": value for name, given in own.items() for key, value in given.items()}
    return own.get(kind, {})
