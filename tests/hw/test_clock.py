"""Clocks never go back, and a stepped wall clock is told, not followed."""

from __future__ import annotations

import time

import pytest

from domain.protocols import Clock
from hw.clock import SystemClock, VirtualClock, monotonic_ns, perf_ns

HOUR_NS = 3_600_000_000_000


def test_every_clock_tells_time_that_does_not_go_back() -> None:
    clocks: list[Clock] = [SystemClock(), VirtualClock(5)]
    for clock in clocks:
        seen = [clock.now_ns() for _ in range(1000)]
        assert seen == sorted(seen) and all(isinstance(each, int) for each in seen)


def test_a_system_clock_starts_at_wall_time() -> None:
    before = time.time_ns()
    now_ns = SystemClock().now_ns()
    assert before - 1_000_000 <= now_ns <= time.time_ns() + 1_000_000


@pytest.mark.parametrize("jump_ns", [HOUR_NS, -HOUR_NS])
def test_a_jump_of_the_wall_clock_is_told_and_not_followed(
    jump_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    assert abs(clock.step_ns()) < 100_000_000
    before, real = clock.now_ns(), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + jump_ns)
    assert abs(clock.step_ns() - jump_ns) < 100_000_000
    assert 0 <= clock.now_ns() - before < HOUR_NS


def test_time_does_not_go_back_over_a_restart() -> None:
    floor_ns = time.time_ns() + HOUR_NS
    clock = SystemClock(floor_ns)
    assert clock.now_ns() >= floor_ns and abs(clock.step_ns()) < 100_000_000


def test_virtual_time_is_what_it_was_set_to() -> None:
    clock = VirtualClock(10)
    clock.advance(5)
    clock.set(15)
    assert (clock.now_ns(), clock.step_ns()) == (15, 0)
    with pytest.raises(AssertionError, match="cannot go back"):
        clock.set(14)
    with pytest.raises(AssertionError, match="cannot go back"):
        clock.advance(-1)


def test_measuring_clocks_run_forwards() -> None:
    assert perf_ns() <= perf_ns() and monotonic_ns() <= monotonic_ns()
