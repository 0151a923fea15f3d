"""Collection waits for idle moments, but not for ever."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from hw.clock import VirtualClock
from hw.gc_policy import NS_PER_S, GcPolicy


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock()


@pytest.fixture
def policy(clock: VirtualClock) -> Iterator[GcPolicy]:
    """A policy in force, taken back afterwards."""
    policy = GcPolicy(clock.now_ns)
    policy.freeze()
    yield policy
    policy.release()


class _Node:
    def __init__(self) -> None:
        self.itself = self


def test_freezing_switches_automatic_collection_off_until_released() -> None:
    policy = GcPolicy()
    policy.freeze()
    assert not gc.isenabled() and gc.get_freeze_count() > 0
    policy.release()
    assert gc.isenabled() and gc.get_freeze_count() == 0


def test_an_idle_moment_collects_the_oldest_generation_that_is_due(
    policy: GcPolicy, clock: VirtualClock
) -> None:
    assert policy.collect_when_idle() is None
    seen = []
    for _ in range(130):
        clock.advance(NS_PER_S)
        seen.append(policy.collect_when_idle())
    assert seen[0] == 0 and seen[9] == 1 and seen[59] == 2 and seen[119] == 2
    assert policy.collections == [seen.count(0), seen.count(1), 2]


def test_a_busy_process_collects_only_what_is_overdue(policy: GcPolicy, clock: VirtualClock) -> None:
    seen = []
    for _ in range(600):
        clock.advance(NS_PER_S)
        seen.append(policy.collect_when_idle(idle=False))
    assert seen[:5] == [None, None, None, None, 0] and seen[59] == 1 and seen[599] == 2
    assert seen.count(2) == 1 and seen.count(1) == 9


def test_cyclic_garbage_is_gone_within_the_bound(policy: GcPolicy, clock: VirtualClock) -> None:
    gone = weakref.ref(_Node())
    assert gone() is not None
    clock.advance(5 * NS_PER_S)
    assert policy.collect_when_idle(idle=False) == 0 and gone() is None
