"""What a deployed federation on one machine consists of, as one TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.errors import ConfigError
from federation.cli import PORT_MAX
from federation.loop.config import LoopConfig
from federation.privacy.secure_sum import CLIENTS_MIN
from federation.run.config import FederationConfig, RegionSettings, Scalar
from federation.update import REGION

TRAINER = "federation.run.rows_trainer:train_rows"
# Made from simulated rows where it is not yet there; whoever trains on other rows names another.
HOLDOUT = "deploy.holdout:tape_loss"
REGIONS = ("tokyo", "frankfurt", "nyc")
TAKEN = frozenset({"superlink", "serverapp", "server"})  # by processes and by files of keys
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?$", max_length=253)]


class DeployedRegion(BaseModel):
    """Say what one region's node is given; paths are seen from the state folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: Path
    trainer: str = TRAINER
    here: bool = Field(default=True, description="whether its node runs on this machine")
    settings: dict[str, Scalar] = {}

    @model_validator(mode="after")
    def _what_a_region_reads(self) -> Self:
        """A bound that is misspelt would not be kept to, and nobody would know."""
        if unknown := [name for name in self.settings if name not in RegionSettings.model_fields]:
            raise ValueError(f"there is no setting {unknown[0]!r}")
        texts = [str(self.store), *(each for each in self.settings.values() if isinstance(each, str))]
        if any('"' in each or not each.isprintable() for each in texts):
            raise ValueError("a text has a quote or a line's end in it")
        known = {"region": "zug", "store": self.store, "state": Path(), "trainer": self.trainer}
        try:
            RegionSettings.model_validate({**known, **self.settings})
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(_said(first["loc"], first["msg"])) from None
        return self


class DeploymentConfig(BaseModel):
    """Name the processes and their bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Host = Field(default="127.0.0.1", description="SuperLink listens here; 0.0.0.0 for all addresses")
    names: tuple[Host, ...] = Field(default=(), description="under which other machines know this one")
    port: int = Field(default=7180, ge=1, le=PORT_MAX, description="SuperLink; the nodes' own follow it")
    superlink: str = Field(
        default="",
        pattern=r"^(\S+:\d{1,5})?$",
        description="HOST:PORT of a SuperLink elsewhere that nodes join",
    )
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

    @model_validator(mode="after")
    def _regions_that_can_be(self) -> Self:
        if not self.regions:
            raise ValueError("there is no region")
        for name in self.regions:
            if REGION.fullmatch(name) is None or name in TAKEN:
                raise ValueError(f"{name[:60]!r} is no region's name: a to z, 0 to 9, - and _")
        if self.federation.secure and len(self.regions) < CLIENTS_MIN:
            raise ValueError(f"secure sums need {CLIENTS_MIN} regions, and here are {len(self.regions)}")
        return self

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
        told = _said(first["loc"], first["msg"])
        raise ConfigError(told, where=str(path), mend="mend that field") from None


def _said(place: Sequence[int | str], what: str) -> str:
    return ": ".join([*([".".join(map(str, place))] if place else []), what.removeprefix("Value error, ")])
