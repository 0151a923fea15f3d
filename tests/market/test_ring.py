"""Any window of a ring is one contiguous view of the newest ticks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.market_events import Tick
from market.ring import TickRing


def tick(number: int) -> Tick:
    return Tick(0, number, number + 1, number + 2, number + 3, number + 4, number + 5, number)


def filled(count: int, capacity: int) -> TickRing:
    ring = TickRing(capacity)
    for number in range(count):
        ring.push(tick(number))
    return ring


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 40), st.integers(1, 12), st.integers(-1, 15))
def test_a_window_is_the_newest_ticks_oldest_first(count: int, capacity: int, asked: int) -> None:
    ring = filled(count, capacity)
    size = max(0, min(asked, count, capacity))
    window = ring.last(asked)
    assert window["exchange_ts_ns"].tolist() == list(range(count - size, count))
    assert len(ring) == min(count, capacity)


def test_a_window_is_contiguous_read_only_and_not_a_copy() -> None:
    ring = filled(7, 4)
    window = ring.last(4)
    assert window.flags.c_contiguous and not window.flags.writeable
    assert np.shares_memory(window, ring.last(2))


def test_every_field_of_a_tick_is_kept() -> None:
    row = filled(1, 4).last(1)[0]
    assert row.tolist() == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("count", [0, 3, 4, 11])
def test_a_restored_ring_goes_on_as_the_first(count: int) -> None:
    ring, again = filled(count, 4), TickRing(4)
    again.restore(ring.state())
    for one in (ring, again):
        one.push(tick(100))
    assert again.last(4).tolist() == ring.last(4).tolist() and again.state() == ring.state()


def test_a_ring_of_another_capacity_cannot_be_restored() -> None:
    with pytest.raises(AssertionError, match="a ring of 4"):
        TickRing(5).restore(filled(1, 4).state())
