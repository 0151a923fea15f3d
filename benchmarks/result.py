"""What one benchmark case found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Result:
    """Hold a case's figures beside its peer's, from the same run."""

    case: str
    metrics: dict[str, float]
    bar: str
    met: bool
    peer: str | None = None
    peer_metrics: dict[str, float] = field(default_factory=dict)
    ratio: float | None = None
    note: str = ""
