"""One arbitrage group of a region, as its file says it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.ids import SHARD_MAX
from risk.limits import AgentLimits

Name = Annotated[str, Field(min_length=1, max_length=24, pattern=r"^[A-Za-z0-9_.-]+$")]
Microseconds = Annotated[int, Field(ge=1, le=10_000_000)]
Milliseconds = Annotated[int, Field(ge=1, le=600_000)]


class ArbitrageConfig(BaseModel):
    """Arbitrage over the markets of some venues: one hand a market, on consecutive shards from `shard` on.

    No `venues` means all of the region's, no `symbols` all that a venue lists. `reach_us` says how far each
    region that runs arbitrage is from each venue it has an account at, one way: all regions carry the same
    table, and the one whose slowest leg is nearest executes. It holds for latency until that was measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    shard: Annotated[int, Field(ge=0, le=SHARD_MAX)]
    venues: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    legs_max: Annotated[int, Field(ge=2, le=4)] = 4
    limits: AgentLimits = AgentLimits()
    reach_us: dict[str, dict[str, Microseconds]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len(set(self.venues)) != len(self.venues) or len(set(self.symbols)) != len(self.symbols):
            raise ValueError("a venue or a symbol is named twice")
        return self
