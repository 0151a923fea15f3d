"""A book is either stale or exactly what the venue has at its sequence."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.market_events import BookDelta, BookSnapshot, Levels
from market.book import (
    BUFFERED_MAX,
    RETRY_NS_MIN,
    Book,
    BookChange,
    StaleReason,
)

SECOND = 1_000_000_000


def snapshot(sequence: int, bids: Levels = ((99, 5),), asks: Levels = ((101, 4),)) -> BookSnapshot:
    return BookSnapshot(0, 1, 1, sequence, bids, asks)


def delta(first: int, last: int | None = None, bids: Levels = (), asks: Levels = ()) -> BookDelta:
    return BookDelta(0, 1, 1, first, first if last is None else last, bids, asks)


def linked(**limits: Any) -> Book:
    book = Book(0, **limits)
    book.feed_up(1)
    return book


def synced(sequence: int = 7, **limits: Any) -> Book:
    book = linked(**limits)
    assert book.apply(snapshot(sequence)) == BookChange.SYNCED
    return book


def test_a_new_book_is_stale_and_empty() -> None:
    book = Book(3)
    assert book.stale and book.reason == StaleReason.NEVER_SYNCED
    assert (book.bid_ticks, book.ask_ticks, len(book.bids), len(book.asks)) == (0, 0, 0, 0)


def test_a_snapshot_makes_a_book_with_the_best_levels_first() -> None:
    book = linked()
    assert book.apply(snapshot(7, ((99, 5), (98, 1)), ((101, 4), (105, 2)))) == BookChange.SYNCED
    assert not book.stale and book.sequence == 7
    assert book.bids.tolist() == [(99, 5), (98, 1)] and book.asks.tolist() == [(101, 4), (105, 2)]
    assert (book.bid_ticks, book.ask_ticks) == (99, 101)


def test_levels_are_read_only_views_of_one_array() -> None:
    book = synced()
    assert book.bids.base is not None and not book.bids.flags.writeable
    with pytest.raises(ValueError):
        book.bids["size_lots"][0] = 1


def test_diffs_that_wait_for_the_snapshot_are_applied_from_the_one_that_straddles_it() -> None:
    book = linked()
    for first in (5, 7, 9):
        assert book.apply(delta(first, first + 1, bids=((90, first),))) == BookChange.UNCHANGED
    assert book.apply(snapshot(7)) == BookChange.SYNCED
    assert book.sequence == 10 and book.bids.tolist() == [(99, 5), (90, 9)]


def test_a_diff_from_before_the_snapshot_is_dropped_after_it() -> None:
    book = synced(7)
    assert book.apply(delta(6, 7, bids=((99, 0),))) == BookChange.UNCHANGED
    assert book.apply(delta(7, 8, bids=((98, 1),))) == BookChange.CHANGED
    assert book.sequence == 8 and len(book.bids) == 2


@pytest.mark.parametrize(("first", "last"), [(10, 10), (9, 9), (7, 12), (8, 9)])
def test_anything_but_the_next_sequence_is_a_gap(first: int, last: int) -> None:
    book = synced(7)
    book.apply(delta(8, 9))
    good = (first, last) == (10, 10)
    assert book.apply(delta(first, last)) == (BookChange.CHANGED if good else BookChange.STALE)
    assert book.stale != good
    if not good:
        assert book.reason == StaleReason.GAP and len(book.bids) == 0 and book.bid_ticks == 0


def test_a_gap_in_what_waited_leaves_the_book_stale_until_a_later_snapshot() -> None:
    book = linked()
    book.apply(delta(8))
    book.apply(delta(10))
    book.apply(delta(11))
    assert book.apply(snapshot(7)) == BookChange.STALE
    assert book.apply(snapshot(9)) == BookChange.SYNCED
    assert book.sequence == 11


def test_a_snapshot_older_than_what_waits_does_not_help() -> None:
    book = linked()
    book.apply(delta(20))
    assert book.apply(snapshot(7)) == BookChange.STALE
    assert book.apply(snapshot(19)) == BookChange.SYNCED


def test_a_crossed_book_is_stale() -> None:
    book = synced()
    assert book.apply(delta(8, bids=((101, 1),))) == BookChange.STALE
    assert book.reason == StaleReason.CROSSED
    fresh = linked()
    assert fresh.apply(snapshot(7, ((99, 1),), ((99, 1),))) == BookChange.STALE
    assert fresh.reason == StaleReason.CROSSED


def test_diffs_after_a_crossed_snapshot_wait_for_the_next_one() -> None:
    book = linked()
    book.apply(delta(8, bids=((99, 0),)))
    assert book.apply(snapshot(7, ((99, 1),), ((98, 1),))) == BookChange.STALE
    assert book.apply(snapshot(7, ((99, 1),), ((101, 1),))) == BookChange.SYNCED
    assert book.sequence == 8 and len(book.bids) == 0


def test_a_book_with_an_empty_side_is_not_crossed() -> None:
    book = linked()
    assert book.apply(snapshot(7, (), ((101, 1),))) == BookChange.SYNCED
    assert book.bid_ticks == 0 and not book.stale


def test_a_lost_feed_makes_the_book_stale_and_a_new_one_begins_an_epoch() -> None:
    book = synced()
    book.feed_lost()
    assert book.reason == StaleReason.FEED_LOST and not book.wants_snapshot(10 * SECOND)
    assert book.apply(snapshot(9)) == BookChange.UNCHANGED
    epoch = book.epoch
    book.feed_up(11 * SECOND)
    assert book.epoch == epoch + 1 and book.stale
    assert book.wants_snapshot(11 * SECOND)


def test_a_book_that_hears_nothing_for_too_long_is_stale() -> None:
    book = synced(age_ns_max=SECOND)
    assert book.watch(1 + SECOND) == BookChange.UNCHANGED
    assert book.watch(2 + SECOND) == BookChange.STALE
    assert book.reason == StaleReason.AGE
    assert book.watch(3 + SECOND) == BookChange.UNCHANGED


def test_a_restarted_process_has_a_stale_book() -> None:
    book = synced()
    book.restarted()
    assert book.reason == StaleReason.RESTARTED and not book.wants_snapshot(SECOND)


def test_a_snapshot_is_asked_for_once_and_then_ever_more_rarely() -> None:
    book = linked()
    asked = [at for at in range(1, 60 * SECOND, RETRY_NS_MIN // 2) if book.wants_snapshot(at)]
    waits = [(later - earlier) / RETRY_NS_MIN for earlier, later in pairwise(asked)]
    assert waits == [1, 2, 4, 8, 16, 32, 32]
    book.apply(snapshot(7))
    assert not book.wants_snapshot(100 * SECOND)
    book.apply(delta(99))
    assert book.wants_snapshot(100 * SECOND)
    assert not book.wants_snapshot(100 * SECOND)


def test_an_older_snapshot_does_not_turn_a_fresh_book_back() -> None:
    book = synced(7)
    book.apply(delta(8, bids=((98, 1),)))
    assert book.apply(snapshot(8)) == BookChange.UNCHANGED
    assert len(book.bids) == 2


def test_the_waiting_diffs_are_bounded_and_the_oldest_go_first() -> None:
    book = linked()
    for first in range(1, BUFFERED_MAX + 11):
        book.apply(delta(first))
    assert book.apply(snapshot(5)) == BookChange.STALE
    assert book.apply(snapshot(10)) == BookChange.SYNCED
    assert book.sequence == BUFFERED_MAX + 10


def test_an_event_of_another_market_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        Book(1).apply(snapshot(7))


def test_levels_beyond_a_cut_side_are_not_shown() -> None:
    book = linked(depth_max=4)
    book.apply(snapshot(7, asks=((110, 1), (111, 1), (112, 1), (113, 1))))
    book.apply(delta(8, asks=((120, 9),)))
    assert book.asks.tolist() == [(110, 1), (111, 1), (112, 1), (113, 1)]
    book.apply(delta(9, asks=((109, 1),)))
    book.apply(delta(10, asks=((109, 0), (113, 7))))
    # 113 fell off when 109 came: whether it still stands is not known any more.
    assert book.asks.tolist() == [(110, 1), (111, 1), (112, 1)]


def test_the_worst_level_of_a_full_side_is_not_taken_in() -> None:
    book = synced(depth_max=2)
    book.apply(delta(8, bids=((90, 1), (89, 1), (88, 1))))
    assert book.bids.tolist() == [(99, 5), (90, 1)]
    book.apply(delta(9, bids=((90, 0), (89, 3))))
    assert book.bids.tolist() == [(99, 5)]


def test_a_cut_side_with_little_left_makes_the_book_stale() -> None:
    book = linked(depth_max=16)
    book.apply(snapshot(1, tuple((100 - step, 1) for step in range(16)), ((200, 1),)))
    gone = tuple((100 - step, 0) for step in range(15))
    assert book.apply(delta(2, bids=gone)) == BookChange.STALE
    assert book.reason == StaleReason.THIN


def test_a_restored_book_goes_on_exactly_as_the_first() -> None:
    book = linked(depth_max=4)
    book.apply(delta(9))
    waiting = Book(0, depth_max=4)
    waiting.restore(book.state())
    for one in (book, waiting):
        one.apply(snapshot(8, tuple((90 - step, 1) for step in range(4)), ((101, 4),)))
        one.apply(delta(10, bids=((95, 2), (70, 1))))
    again = Book(0, depth_max=4)
    again.restore(book.state())
    for one in (book, waiting, again):
        one.apply(delta(11, bids=((95, 0), (87, 5)), asks=((101, 0), (102, 1))))
    assert book.state() == waiting.state() == again.state()
    assert book.bids.tolist() == again.bids.tolist() and again.ask_ticks == 102


LEVEL = st.tuples(st.integers(1, 30), st.integers(0, 3))
CHANGE = st.tuples(
    st.lists(LEVEL, max_size=4),
    st.lists(LEVEL, max_size=4),
    st.integers(0, 2),
    st.sampled_from(["take"] * 6 + ["drop", "twice", "late", "snapshot", "old snapshot", "lost"]),
)


class Reference:
    """A venue as two dicts, remembering what it was at every sequence."""

    def __init__(self) -> None:
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.sequence = 0
        self.history: dict[int, tuple[Levels, Levels]] = {0: ((), ())}

    def change(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], more: int) -> BookDelta:
        first = self.sequence + 1
        # Bids below 100 and asks above it never cross.
        moved = ([(100 - price, size) for price, size in bids], [(100 + price, size) for price, size in asks])
        for side, levels in zip(self.sides, moved, strict=True):
            for price, size in levels:
                if size != 0:
                    side[price] = size
                else:
                    side.pop(price, None)
        self.sequence = first + more
        self.history[self.sequence] = (
            tuple(sorted(self.sides[0].items(), reverse=True)),
            tuple(sorted(self.sides[1].items())),
        )
        return delta(first, self.sequence, tuple(moved[0]), tuple(moved[1]))

    def snapshot(self, sequence: int, depth: int) -> BookSnapshot:
        bids, asks = self.history[sequence]
        return snapshot(sequence, bids[:depth], asks[:depth])


@settings(max_examples=300, deadline=None)
@given(st.lists(CHANGE, max_size=60), st.sampled_from([8, 100]))
def test_whatever_is_lost_doubled_or_late_a_book_is_stale_or_right(changes: list[Any], depth: int) -> None:
    venue, book = Reference(), linked(depth_max=depth)
    late: list[BookDelta] = []
    for bids, asks, more, fate in changes:
        event = venue.change(bids, asks, more)
        if fate == "late":
            late.append(event)
        elif fate == "lost":
            book.feed_lost()
            book.feed_up(1)
            late.clear()
        elif fate != "drop":
            book.apply(event)
        if fate == "twice":
            book.apply(event)
        if fate == "snapshot":
            book.apply(venue.snapshot(venue.sequence, depth))
        if fate == "old snapshot":
            book.apply(venue.snapshot(sorted(venue.history)[len(venue.history) // 2], depth))
        if fate == "take" and late:
            book.apply(late.pop())
        _assert_right_or_stale(book, venue, depth)


def _assert_right_or_stale(book: Book, venue: Reference, depth: int) -> None:
    if book.stale:
        assert len(book.bids) == len(book.asks) == book.bid_ticks == book.ask_ticks == 0
        return
    for shown, true in zip((book.bids, book.asks), venue.history[book.sequence], strict=True):
        assert shown.tolist() == list(true[: len(shown)])
        assert len(shown) == len(true) or len(shown) >= depth // 8
    assert book.bid_ticks == (book.bids["price_ticks"][0] if len(book.bids) else 0)
    assert book.ask_ticks == (book.asks["price_ticks"][0] if len(book.asks) else 0)


@settings(max_examples=50, deadline=None)
@given(st.lists(CHANGE, max_size=60))
def test_nothing_lost_means_never_stale(changes: list[Any]) -> None:
    venue, book = Reference(), linked()
    book.apply(venue.snapshot(0, 100))
    for bids, asks, more, _ in changes:
        assert book.apply(venue.change(bids, asks, more)) == BookChange.CHANGED
    assert (tuple(book.bids.tolist()), tuple(book.asks.tolist())) == venue.history[venue.sequence]
