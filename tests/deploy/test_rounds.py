"""Regions train in the same round where they can, and who is ready does not wait for long."""

from deploy.rounds import PATIENCE_S, Together
from hw.clock import VirtualClock

S = 10**9


def test_who_is_ready_waits_for_the_others_but_not_for_long() -> None:
    ready: set[str] = set()
    clock = VirtualClock(1)
    together = Together(["tokyo", "frankfurt", "nyc"], lambda region: region in ready, clock)
    assert together() == []
    ready |= {"nyc", "tokyo"}
    assert together() == []
    clock.advance(int((PATIENCE_S - 1) * S))
    assert together() == []
    ready.add("frankfurt")
    assert together() == ["tokyo", "frankfurt", "nyc"]
    ready.clear()
    assert together() == []
    ready.add("nyc")
    assert together() == []
    clock.advance(int(PATIENCE_S * S))
    assert together() == ["nyc"], "the others may be gone"
