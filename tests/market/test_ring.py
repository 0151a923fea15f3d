"""Any window of a ring is one contiguous view of the newest ticks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.market_events import Tick
from market.ring import TickRing, TickRings
from market.ring_kernels import push


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


def test_rings_of_many_symbols_share_one_array_and_are_restored_together() -> None:
    rings, again = TickRings(3, 4), TickRings(3, 4)
    for number in range(11):
        rings.ring(number % 2).push(tick(number))
        push(again.ticks, again.tick_counts, number % 2, *(number + add for add in range(6)))
    assert np.array_equal(rings.ticks, again.ticks) and rings.tick_counts.tolist() == [6, 5, 0]
    third = TickRings(3, 4)
    third.restore(rings.state())
    assert np.array_equal(third.ticks, rings.ticks) and third.state() == again.state()
    assert rings.ring(1).last(9)["exchange_ts_ns"].tolist() == [3, 5, 7, 9]


def test_rings_of_another_number_of_symbols_cannot_be_restored() -> None:
    with pytest.raises(AssertionError, match="rings of 2 symbols"):
        TickRings(1).restore(TickRings(2).state())


def test_the_memory_of_a_ring_is_stated() -> None:
    assert TickRings(2, 1024).bytes_per_symbol() == 2 * 1024 * 48 + 8
