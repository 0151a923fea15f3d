"""How long to wait: from how long it took before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from federation.loop.config import LoopConfig

DURATIONS_MAX = 9
_NS = 1e9


def usual_ns(durations_ns: Sequence[int]) -> int | None:
    """Give the lower middle of the durations."""
    return sorted(durations_ns)[(len(durations_ns) - 1) // 2] if durations_ns else None


def deadline_ns(config: LoopConfig, up: Iterable[str], durations_ns: Mapping[str, Sequence[int]]) -> int:
    """Wait for a little more than the middle region's usual time: half may be slower, or dead."""
    usual = [took for region in up if (took := usual_ns(durations_ns.get(region, ()))) is not None]
    middle = usual_ns(usual)
    if middle is None:
        return int(config.deadline_first_s * _NS)
    return int(
        min(max(middle * config.deadline_slack, config.deadline_min_s * _NS), config.deadline_max_s * _NS)
    )


def lost_ns(config: LoopConfig, durations_ns: Sequence[int]) -> int:
    """Give the time after which what a region was asked for will not come any more."""
    usual = usual_ns(durations_ns)
    if usual is None:
        return int(config.lost_first_s * _NS)
    return int(max(usual * config.lost_slack, config.lost_min_s * _NS))


def with_duration(
    durations_ns: Mapping[str, Sequence[int]], region: str, took_ns: int
) -> dict[str, tuple[int, ...]]:
    """Note how long a region took; the oldest are forgotten."""
    kept = (*durations_ns.get(region, ()), took_ns)[-DURATIONS_MAX:]
    return {name: tuple(each) for name, each in durations_ns.items()} | {region: kept}
