"""What an operator may set of the coordinator."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bus.journal import JournalConfig
from bus.link_config import LinkConfig
from domain.errors import ConfigError
from domain.units import ATOMS_PER_UNIT


class CoordinatorConfig(BaseModel):
    """Bound authority: how long a lease lasts, how much risk there is, who is called lost.

    `regions` are known before any node of theirs was heard. `arming_quorum`, where set, is how many live
    nodes must attest the same build and config before any of them is granted a lease (control DP-02).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lease_ttl_s: float = Field(default=5.0, gt=0)
    late_after_s: float = Field(default=1.0, gt=0)
    lost_after_s: float = Field(default=3.0, gt=0)
    budget_atoms: int = Field(default=1_000_000 * ATOMS_PER_UNIT, ge=0, lt=1 << 62)
    expected_nodes: int = Field(default=3, ge=1)
    nodes_max: int = Field(default=64, ge=1)
    report_bytes_max: int = Field(default=128 * 1024, ge=1024)
    regions: tuple[str, ...] = ()
    arming_quorum: int | None = Field(default=None, ge=1)
    clock_s: float = Field(default=0.05, gt=0)
    snapshot_facts: int = Field(default=1000, ge=1)
    link: LinkConfig = LinkConfig()
    journal: JournalConfig = JournalConfig()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.late_after_s < self.lost_after_s:
            raise ValueError("must hold: late_after_s < lost_after_s")
        # A status carries every node's report, and must fit into one message.
        if (self.nodes_max + 1) * self.report_bytes_max > self.link.message_bytes_max:
            raise ValueError("must hold: (nodes_max + 1) * report_bytes_max <= link.message_bytes_max")
        return self

    @property
    def lease_ttl_ns(self) -> int:
        """Give the life of a lease."""
        return int(self.lease_ttl_s * 1e9)

    @property
    def late_after_ns(self) -> int:
        """Give the silence after which a node is late."""
        return int(self.late_after_s * 1e9)

    @property
    def lost_after_ns(self) -> int:
        """Give the silence after which a node is lost."""
        return int(self.lost_after_s * 1e9)


def read_config(path: Path | None) -> CoordinatorConfig:
    """Read a TOML file; no file means the defaults."""
    if path is None:
        return CoordinatorConfig()
    try:
        return CoordinatorConfig.model_validate(tomllib.loads(path.read_text()))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"config cannot be read: {error}", where=str(path), mend="give a TOML file with --config"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"config is not TOML: {error}", where=str(path), mend="mend that line") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"config field {field}: {first['msg']}", where=str(path), mend="mend or remove that field"
        ) from error
