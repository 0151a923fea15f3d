"""How long a message takes: near the venue next to nothing, across an ocean a tenth of a second."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from domain.draws import stream

# One way, in microseconds: half of usual round trips between cloud regions; the coordinator is in Frankfurt.
COORDINATOR_US = {"tokyo": 112_000, "frankfurt": 400, "nyc": 41_000}
BETWEEN_US = {
    "tokyo": {"frankfurt": 112_000, "nyc": 78_000},
    "frankfurt": {"tokyo": 112_000, "nyc": 41_000},
    "nyc": {"tokyo": 78_000, "frankfurt": 41_000},
}
HOMES = {"tokyo-x": "tokyo", "frankfurt-x": "frankfurt", "nyc-x": "nyc"}

Microseconds = Annotated[int, Field(ge=1, le=10_000_000)]


class WanConfig(BaseModel):
    """One-way latencies; each message takes up to `jitter_frac` longer, drawn from the link's own stream.

    A venue is as far as its home region is; one whose home nobody names is near. `pinned_us` says by region
    and venue what shall hold instead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    venue_us: Microseconds = 300
    homes: dict[str, str] = Field(default_factory=lambda: dict(HOMES))
    between_us: dict[str, dict[str, Microseconds]] = Field(
        default_factory=lambda: {region: dict(others) for region, others in BETWEEN_US.items()}
    )
    pinned_us: dict[str, dict[str, Microseconds]] = Field(default_factory=dict)
    coordinator_us: dict[str, int] = Field(default_factory=lambda: dict(COORDINATOR_US))
    elsewhere_us: Microseconds = 80_000
    jitter_frac: float = Field(default=0.1, ge=0, le=10)

    def to_coordinator_us(self, region: str) -> int:
        """Give a region's distance from the coordinator."""
        return self.coordinator_us.get(region, self.elsewhere_us)

    def to_venue_us(self, region: str, venue: str) -> int:
        """Give a region's distance from a venue."""
        pinned = self.pinned_us.get(region, {}).get(venue)
        if pinned is not None:
            return pinned
        home = self.homes.get(venue, region)
        return (
            self.venue_us if home == region else self.between_us.get(region, {}).get(home, self.elsewhere_us)
        )


class Path:
    """One direction of one connection: messages are late by turns, but never overtake each other."""

    __slots__ = ("_base_ns", "_draws", "_jitter_ns", "_latest_ns")

    def __init__(self, base_us: int, jitter_frac: float, seed: int, *names: str) -> None:
        self._base_ns = base_us * 1000
        self._jitter_ns = self._base_ns * jitter_frac
        self._draws = stream(seed, "wan", *names)
        self._latest_ns = 0

    def arrival_ns(self, sent_ns: int) -> int:
        """Tell when a message that is sent now arrives."""
        late = int(self._draws.random() * self._jitter_ns)
        self._latest_ns = max(self._latest_ns, sent_ns + self._base_ns + late)
        return self._latest_ns
