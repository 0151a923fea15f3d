"""What a deployed federation on one machine consists of, as one TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.errors import ConfigError
from federation.loop.config import LoopConfig
from federation.run.config import FederationConfig, Scalar

TRAINER = "federation.run.rows_trainer:train_rows"
# Made from simulated rows where it is not yet there; whoever trains on other rows names another.
HOLDOUT = "deploy.holdout:tape_loss"
REGIONS = ("tokyo", "frankfurt", "nyc")


class DeployedRegion(BaseModel):
    """Say what one region's node is given; paths are seen from the state folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: Path
    trainer: str = TRAINER
    here: bool = Field(default=True, description="whether its node runs on this machine")
    settings: dict[str, Scalar] = {}


class DeploymentConfig(BaseModel):
    """Name the processes and their bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="SuperLink listens here; 0.0.0.0 for all addresses")
    names: tuple[str, ...] = Field(default=(), description="under which other machines know this one")
    port: int = Field(default=7180, ge=1, le=65_000, description="SuperLink; the nodes' own follow it")
    superlink: str = Field(default="", description="HOST:PORT of a SuperLink elsewhere that nodes join")
    regions: dict[str, DeployedRegion] = {name: DeployedRegion(store=Path("rows") / name) for name in REGIONS}
    first: Path | None = Field(default=None, description="safetensors to begin with; none: a new perceptron")
    nice: int = Field(default=10, ge=0, le=19)
    memory_mb: int = Field(default=4096, ge=512, description="of each process")
    poll_s: float = Field(default=0.1, gt=0, le=60, description="how often Flower looks for work")
    federation: FederationConfig = FederationConfig(
        poll_s=0.5,
        holdout=HOLDOUT,
        holdout_path=Path("holdout"),
        loop=LoopConfig(regress_frac=0.1),
    )

    @property
    def local(self) -> str:
        """Give the address at which this machine reaches its own SuperLink."""
        return "127.0.0.1" if self.host == "0.0.0.0" else self.host

    @property
    def here(self) -> list[str]:
        """Name the regions whose nodes run on this machine."""
        return [name for name, region in self.regions.items() if region.here]


def only(config: DeploymentConfig, regions: Sequence[str] | None, *, paced: bool) -> DeploymentConfig:
    """Leave out other regions; where paced, nodes learn when the learner beside them says so."""
    more: dict[str, Scalar] = {"waits": True} if paced else {}
    chosen = {
        name: region.model_copy(update={"settings": {**region.settings, **more}})
        for name, region in config.regions.items()
        if regions is None or name in regions
    }
    unknown = [name for name in regions or () if name not in chosen]
    if unknown:
        raise ConfigError(
            f"there is no region {unknown[0]}",
            where="federation",
            mend=f"choose from {', '.join(config.regions)}, or write it into the config",
        )
    federation = config.federation
    if (
        paced
    ):  # one that had nothing to say is asked again after a rest: the others wait for it a little longer
        waits_s = max(federation.loop.deadline_min_s, 1.5 * federation.loop.retry_s)
        loop = federation.loop.model_copy(update={"deadline_min_s": waits_s})
        federation = federation.model_copy(update={"loop": loop})
    return config.model_copy(update={"regions": chosen, "federation": federation})


def read_deployment(path: Path | None) -> DeploymentConfig:
    """Read a file, or take the three regions as they are without one."""
    if path is None:
        return DeploymentConfig()
    try:
        return DeploymentConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(
            f"the config cannot be read: {why}", where=str(path), mend="name a TOML file"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(error), where=str(path), mend="mend the TOML") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{field}: {first['msg']}", where=str(path), mend="mend that field") from None
