"""How many versions a registry keeps."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RegistryConfig(BaseModel):
    """Bounds of a registry; the champion, the one before it and the canary are always kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retired_max: int = Field(20, ge=1, le=10_000)
    """Retired versions beyond so many are removed, the longest retired first."""
    candidates_max: int = Field(50, ge=1, le=10_000)
    """Candidates beyond so many are removed, the oldest first."""
    history_lines_max: int = Field(4_096, ge=16, le=1_000_000)
    """Lines after which a history is sealed and a new one goes on from where it stood."""
    canary_ppm: int = Field(100_000, ge=1, le=1_000_000)
    """Share of agents that a canary serves where nobody says otherwise."""
