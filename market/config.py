"""How market data is judged, kept and told to strategies."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BookRules(BaseModel):
    """State how one venue keeps its books.

    `depth` is the depth that we subscribe to at a venue that keeps us at it: after each change what lies
    deeper is cut off, as the venue does. `checksum_decimals` tells a symbol's stated decimals of price and
    size where they are more than its steps need.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: int | None = Field(None, ge=1, le=5_000)
    checksum_decimals: dict[str, tuple[int, int]] = {}


class PipelineConfig(BaseModel):
    """State depths, thresholds and modes of the pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth_max: int = Field(1_000, ge=2, le=5_000)
    age_s: float = Field(30.0, gt=0, le=86_400)
    books: dict[str, BookRules] = {}
    indicators: tuple[str, ...] = ()
    ticks_kept: int = Field(1_024, ge=1, le=65_536)

    mode: Literal["auto", "full", "smart", "latch"] = "auto"
    ask_trades: bool = True
    move_bps: float = Field(2.0, gt=0, le=100_000)
    quiet_ms: float = Field(100.0, gt=0, le=3_600_000)
    latch_ms: float = Field(10.0, ge=0, le=3_600_000)
    smart_up_per_s: float = Field(100.0, gt=0, le=1_000_000_000)
    smart_down_per_s: float = Field(80.0, ge=0, le=1_000_000_000)
    latch_up_per_s: float = Field(500.0, gt=0, le=1_000_000_000)
    latch_down_per_s: float = Field(400.0, ge=0, le=1_000_000_000)
    rate_window_ms: float = Field(1_000.0, gt=0, le=3_600_000)

    suspect_bps: float = Field(100.0, gt=0, le=100_000)
    reject_bps: float = Field(1_000.0, gt=0, le=100_000)
    claim_age_s: float = Field(10.0, gt=0, le=86_400)
    frozen_s: float = Field(10.0, gt=0, le=86_400)
    frozen_bps: float = Field(10.0, gt=0, le=100_000)
    skew_ms: float = Field(500.0, gt=0, le=3_600_000)
    skew_window_s: float = Field(10.0, gt=0, le=86_400)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.smart_down_per_s <= self.smart_up_per_s <= self.latch_up_per_s:
            raise ValueError("smart_down_per_s <= smart_up_per_s <= latch_up_per_s must hold")
        if not self.smart_up_per_s <= self.latch_down_per_s <= self.latch_up_per_s:
            raise ValueError("smart_up_per_s <= latch_down_per_s <= latch_up_per_s must hold")
        if self.suspect_bps > self.reject_bps:
            raise ValueError("suspect_bps <= reject_bps must hold")
        return self
