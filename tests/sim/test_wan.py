"""Distances: near one's own venue, an ocean from the others, and as told where the plan says so."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sim.wan import BETWEEN_US, Path, WanConfig

MS_NS = 1_000_000


def test_the_own_venue_is_near_and_the_others_are_as_far_as_their_regions() -> None:
    wan = WanConfig()
    assert wan.to_venue_us("tokyo", "tokyo-x") == wan.venue_us == 300
    assert wan.to_venue_us("tokyo", "frankfurt-x") == 112_000
    assert wan.to_venue_us("nyc", "frankfurt-x") == 41_000
    assert 75_000 <= wan.to_venue_us("nyc", "tokyo-x") <= 80_000


def test_distances_are_the_same_both_ways() -> None:
    for here, others in BETWEEN_US.items():
        assert all(BETWEEN_US[there][here] == far for there, far in others.items())


def test_a_venue_without_a_home_is_near_and_a_region_that_nobody_knows_is_elsewhere() -> None:
    wan = WanConfig(homes={"moon-x": "moon"})
    assert wan.to_venue_us("tokyo", "tokyo-x") == wan.venue_us
    assert wan.to_venue_us("tokyo", "moon-x") == wan.elsewhere_us
    assert wan.to_coordinator_us("moon") == wan.elsewhere_us


def test_a_pinned_leg_is_as_told_and_leaves_the_others() -> None:
    wan = WanConfig(pinned_us={"nyc": {"nyc-x": 20_000, "tokyo-x": 1_000}})
    assert wan.to_venue_us("nyc", "nyc-x") == 20_000 and wan.to_venue_us("nyc", "tokyo-x") == 1_000
    assert wan.to_venue_us("nyc", "frankfurt-x") == 41_000 and wan.to_venue_us("tokyo", "nyc-x") == 78_000


@pytest.mark.parametrize("wrong", [0, -1, 10_000_001])
def test_a_distance_out_of_bounds_is_refused(wrong: int) -> None:
    with pytest.raises(ValidationError):
        WanConfig(pinned_us={"nyc": {"nyc-x": wrong}})
    with pytest.raises(ValidationError):
        WanConfig(venue_us=wrong)


def test_messages_are_late_within_the_jitter_and_never_overtake() -> None:
    path, again = (Path(20_000, 0.1, 1, "nyc-1", "tokyo-x", "up") for _ in range(2))
    arrivals = [path.arrival_ns(sent) for sent in range(0, 1_000 * MS_NS, MS_NS)]
    assert arrivals == sorted(arrivals)
    assert arrivals == [again.arrival_ns(sent) for sent in range(0, 1_000 * MS_NS, MS_NS)]
    late = [arrival - sent for arrival, sent in zip(arrivals, range(0, 1_000 * MS_NS, MS_NS), strict=True)]
    assert min(late) >= 20 * MS_NS and max(late) <= 22 * MS_NS
