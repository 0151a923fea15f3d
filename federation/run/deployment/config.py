"""What a deployed federation on one machine consists of, as one TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.errors import ConfigError
from federation.run.config import FederationConfig, Scalar

TRAINER = "federation.run.rows_trainer:train_rows"
REGIONS = ("tokyo", "frankfurt", "nyc")
# Regions that begin together begin as lines, so that the mean of their first models is a model too.
TRAIN: dict[str, Scalar] = {"model.linear_start": 2}


class DeployedRegion(BaseModel):
    """Say what one region's node is given; paths are seen from the state folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: Path
    trainer: str = TRAINER
    settings: dict[str, Scalar] = {}


class DeploymentConfig(BaseModel):
    """Name the processes and their bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=7180, ge=1, le=65_000, description="SuperLink; the nodes' own follow it")
    regions: dict[str, DeployedRegion] = {name: DeployedRegion(store=Path("rows") / name) for name in REGIONS}
    first: Path | None = Field(default=None, description="safetensors to begin with; none: a new perceptron")
    nice: int = Field(default=10, ge=0, le=19)
    memory_mb: int = Field(default=4096, ge=512, description="of each process")
    poll_s: float = Field(default=0.1, gt=0, le=60, description="how often Flower looks for work")
    federation: FederationConfig = FederationConfig(poll_s=0.5, train=TRAIN)


def read_deployment(path: Path | None) -> DeploymentConfig:
    """Read a file, or take the three regions as they are without one."""
    if path is None:
        return DeploymentConfig()
    try:
        return DeploymentConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(error), where=str(path), mend="mend the TOML") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{field}: {first['msg']}", where=str(path), mend="mend that field") from None
