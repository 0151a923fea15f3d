"""What a federation and its regions are told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.errors import ConfigError
from federation.loop.config import LoopConfig

Scalar = str | int | float | bool
SUMMED = ("fedavg", "fedprox", "fedadam")
# Regions that begin together begin as lines, so that the mean of their first models is a model too. Then they
# take short steps and are pulled back: what a region believes beyond that is mostly its own rows' chance.
TRAIN: dict[str, Scalar] = {
    "model.linear_start": 2,
    "model.line_ridge": 0.2,
    "model.line_rows": 2_000,
    "model.epochs": 3,
    "model.held_frac": 0.0,
    "model.decay": 1.0,
}
CONFIG_FILE, FIRST_FILE = "federation.json", "first.safetensors"


class FederationConfig(BaseModel):
    """Say how the coordinator runs the loop; `train` goes to every region with each version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loop: LoopConfig = LoopConfig()
    train: dict[str, Scalar] = TRAIN
    seed: int = 1
    holdout: str = Field(default="", description="module:function that makes the hold-out's loss of a path")
    holdout_path: Path = Path()
    personal: tuple[str, ...] = Field(default=("norm.",), description="beginnings of names that stay local")
    versions_max: int = Field(default=0, ge=0, description="end after this many; 0 runs without end")
    versions_kept: int = Field(default=256, ge=2)
    poll_s: float = Field(default=0.005, gt=0)
    secure: bool = Field(default=False, description="sum under masks: no region's update is seen")
    secure_clip: float = Field(default=20.0, gt=0, description="the longest step that goes into a sum")
    secure_step_s: float = Field(default=60.0, gt=0, description="for each step of a sum after training")

    @model_validator(mode="after")
    def _sums_only(self) -> Self:
        if self.secure and self.loop.aggregator not in SUMMED:
            raise ValueError(f"secure sums cannot make a {self.loop.aggregator}: it looks at single updates")
        if self.secure and self.loop.buffer > 0:
            raise ValueError("secure sums are rounds: they go without a buffer")
        return self


class RegionSettings(BaseModel):
    """Say what a region's client works with, from its node config: paths and limits of its own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    region: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")
    store: Path
    state: Path
    trainer: str = Field(pattern=r"^[\w.]+:\w+$")
    waits: bool = Field(
        default=False, description="whether a learner beside it says when there is something new"
    )
    personal: str = Field(default="norm.", description="beginnings of names that stay local, by commas")
    clip: float = Field(default=0.0, ge=0, description="the longest step that leaves; 0 does not clip")
    noise: float = Field(default=0.0, ge=0, description="standard deviation in clips; 0 adds none")
    epsilon_max: float = Field(default=8.0, gt=0)
    delta: float = Field(default=1e-5, gt=0, lt=1)
    secure: bool = Field(default=False, description="answer under masks only, never in the clear")

    @model_validator(mode="after")
    def _noise_needs_a_clip(self) -> Self:
        if self.noise > 0 and self.clip == 0:
            raise ValueError("noise is counted in clips: set clip too")
        return self

    def stays(self, name: str) -> bool:
        """Tell whether a tensor is the region's own."""
        return any(name.startswith(each) for each in self.personal.split(",") if each)


def region_settings(node_config: Mapping[str, object]) -> RegionSettings:
    """Read a node config."""
    try:
        return RegionSettings.model_validate(dict(node_config))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{field}: {first['msg']}", where="node config", mend="see docs/learning.md"
        ) from None


def read_federation(folder: Path) -> FederationConfig:
    """Read a federation's own file; defaults where there is none."""
    path = folder / CONFIG_FILE
    try:
        return (
            FederationConfig.model_validate_json(path.read_bytes()) if path.exists() else FederationConfig()
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{field}: {first['msg']}", where=str(path), mend="mend that field") from None
