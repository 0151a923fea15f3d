"""What the learner is told: when it trains, what it compares, and how much of a machine it may take."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from learning.models.model import Settings
from learning.registry.sequential import SequentialConfig
from learning.train.config import ORDER_FLOW, TrainConfig
from learning.train.drift import DriftConfig
from learning.train.schedule import ScheduleConfig


class CanaryConfig(BaseModel):
    """How many agents a canary serves, and what lets it serve all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share_ppm: int = Field(500_000, ge=1, le=1_000_000)
    pairs_min: int = Field(100, ge=1)
    less_bps: float = Field(1.0, ge=0)
    """How much worse than the champion it may at worst be."""
    outcomes: SequentialConfig = SequentialConfig(limit_bps=10.0)


class LearnerConfig(BaseModel):
    """One learner, for all of its regions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: TrainConfig = TrainConfig(rows_min=150)
    canary: CanaryConfig = CanaryConfig()
    schedule: ScheduleConfig = ScheduleConfig(rows_first=150, step_s=20.0, rest_s=5.0)
    """Quicker than its defaults, so that whoever looks on sees versions; the share of rows slows it down."""
    together: ScheduleConfig = ScheduleConfig(rows_first=150, rows_step=60, step_s=8.0, rest_s=3.0)
    """Rounds are short steps, of which it takes some ten to be as good as one long training."""
    drift: DriftConfig = DriftConfig()
    kinds: dict[str, Settings] = {
        "ridge": {"only": ",".join(str(column) for column in ORDER_FLOW)},
        "lightgbm": {},
        "hedge": {"experts": "logistic,ridge,mlp"},
    }
    """What each region trains by itself, in this order, with its settings."""
    rows_max: int = Field(20_000, ge=200)
    """So many of the newest rows are trained and judged on."""
    cores_max: int = Field(1, ge=1)
    """Cores that it runs on, never one that a node has for itself."""
    memory_mb: int = Field(2_048, ge=256)
    """More than so much it never holds for long: it ends itself, and goes on when it is started anew."""
    look_s: float = Field(3.0, ge=0)
    """From one look at new rows to the next."""
