"""How a region trains: the model, what is held out, and what a decision costs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

NS_PER_S = 1_000_000_000


class TrainConfig(BaseModel):
    """What `train` needs to know beside the rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = "mlp"
    model: dict[str, str | int | float] = Field(default_factory=dict)
    """Settings of the model of this kind."""
    held_frac: float = Field(0.2, ge=0.05, le=0.5)
    """Share of the newest rows that the figures are measured on."""
    embargo_s: float = Field(0.0, ge=0, le=86_400)
    """Rows that begin so soon after a tested stretch are not learnt from."""
    cost_bps: float = Field(2.0, ge=0, le=1000)
    """What it costs to take a side and to leave it again."""
    edge_frac: float = Field(0.1, ge=0, le=1)
    """A side is taken where its probability is above the other's by this, and above flat's."""
    period_s: float = Field(60.0, gt=0, le=86_400)
    """Gains are summed over such periods before the Sharpe ratio: neighbours share one move."""
    rows_min: int = Field(100, ge=10, le=1_000_000)
    calibrate: bool = False
    """Whether a temperature, fitted to the newest fitted rows, is folded into the last layer."""

    @property
    def embargo_ns(self) -> int:
        """Give the embargo in nanoseconds."""
        return int(self.embargo_s * NS_PER_S)

    @property
    def period_ns(self) -> int:
        """Give the period in nanoseconds."""
        return int(self.period_s * NS_PER_S)
