"""How long a message takes: near the venue next to nothing, across an ocean a tenth of a second."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from domain.draws import stream

# One way, in microseconds: half of usual round trips between cloud regions; the coordinator is in Frankfurt.
COORDINATOR_US = {"tokyo": 112_000, "frankfurt": 400, "nyc": 41_000}


class WanConfig(BaseModel):
    """One-way latencies; each message takes up to `jitter_frac` longer, drawn from the link's own stream."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    venue_us: int = Field(default=300, ge=1)
    coordinator_us: dict[str, int] = Field(default_factory=lambda: dict(COORDINATOR_US))
    elsewhere_us: int = Field(default=80_000, ge=1)
    jitter_frac: float = Field(default=0.1, ge=0, le=10)

    def to_coordinator_us(self, region: str) -> int:
        """Give a region's distance from the coordinator."""
        return self.coordinator_us.get(region, self.elsewhere_us)


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
