"""Virtual time happens in order, and messages keep theirs."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.schedule import Schedule
from sim.wan import Path, WanConfig


@given(st.lists(st.integers(0, 20), max_size=40), st.integers(0, 20))
def test_what_is_due_happens_by_time_and_then_by_turn(times: list[int], until_ns: int) -> None:
    schedule, seen = Schedule(0), list[tuple[int, int]]()
    for number, time in enumerate(times):
        schedule.put(time, seen.append, (time, number))
    expected = sorted((time, number) for number, time in enumerate(times) if time < until_ns)
    assert schedule.run(until_ns) == len(expected) and seen == expected
    assert schedule.now_ns == until_ns and len(schedule) == len(times) - len(expected)


def test_what_happens_may_put_in_more() -> None:
    schedule, seen = Schedule(5), list[tuple[int, int]]()

    def again(left: int) -> None:
        seen.append((schedule.now_ns, left))
        if left > 0:
            schedule.put(schedule.now_ns + 2, again, left - 1)

    schedule.put(5, again, 2)
    assert schedule.run(100) == 3 and seen == [(5, 2), (7, 1), (9, 0)]


def test_the_past_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="before"):
        Schedule(5).put(4, print)


@given(st.integers(0, 1000), st.floats(0, 5))
def test_messages_never_overtake_each_other(seed: int, jitter_frac: float) -> None:
    path, draws = Path(300, jitter_frac, seed, "a", "b"), random.Random(seed)
    sent_ns = arrived_ns = 0
    for _ in range(50):
        sent_ns += draws.randrange(100_000)
        now_ns = path.arrival_ns(sent_ns)
        assert now_ns >= arrived_ns and now_ns >= sent_ns + 300_000
        arrived_ns = now_ns


def test_a_path_is_its_seed_and_its_name() -> None:
    def drawn(seed: int, name: str) -> list[int]:
        path = Path(300, 0.5, seed, name)
        return [path.arrival_ns(n * 10**9) for n in range(5)]

    assert drawn(1, "a") == drawn(1, "a")
    assert drawn(1, "a") != drawn(2, "a") != drawn(2, "b")


def test_tokyo_is_farther_from_the_coordinator_than_new_york() -> None:
    wan = WanConfig()
    assert wan.to_coordinator_us("tokyo") > wan.to_coordinator_us("nyc") > wan.to_coordinator_us("frankfurt")
    assert wan.to_coordinator_us("lagos") == wan.elsewhere_us
