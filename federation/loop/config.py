"""The bounds of the loop."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from federation.aggregation.adam import AdamConfig
from federation.vetting.vet import VettingConfig


class LoopConfig(BaseModel):
    """Say when updates become a version, and how much a late or a large one counts.

    A version is made when `buffer` regions have answered (0: all that are up), or at a deadline that follows
    from how long they took before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    aggregator: Literal["fedavg", "fedprox", "fedadam", "trimmed_mean", "median", "krum"] = "fedavg"
    buffer: int = Field(default=0, ge=0)
    staleness_power: float = Field(default=0.5, ge=0, description="weight (1 + versions late) ** -power")
    staleness_max: int = Field(default=8, ge=0, le=64, description="versions late, beyond which none counts")
    examples_max: int = Field(default=100_000, ge=1, description="what a region may claim to count for")
    deadline_slack: float = Field(default=1.5, ge=1, description="times the middle region's usual time")
    deadline_first_s: float = Field(default=120.0, gt=0)
    deadline_min_s: float = Field(default=1.0, gt=0)
    deadline_max_s: float = Field(default=3600.0, gt=0)
    lost_slack: float = Field(default=20.0, ge=2, description="times a region's usual time until asked again")
    lost_first_s: float = Field(default=1800.0, gt=0)
    lost_min_s: float = Field(default=60.0, gt=0)
    retry_s: float = Field(default=30.0, ge=0, description="rest after an update that did not count")
    regress_frac: float = Field(
        default=0.02, ge=0, description="how much worse a version may be on the hold-out"
    )
    adam: AdamConfig = AdamConfig()
    vetting: VettingConfig = VettingConfig()
