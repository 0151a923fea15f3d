"""History, then live: nothing missing, nothing twice."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.dtypes import DELTA_ROW, TICK_ROW, TRADE_ROW, Rows
from domain.market_events import BookDelta, BookSnapshot, Tick, Trade
from market.history.seam import Hole, Seam
from market.rows import RowEvent, events_of
from tests.market.history.market import packed

NO_ROWS = np.empty((0, 10), np.int64)


def tick(sequence: int, instrument: int = 0, at_ns: int | None = None) -> Tick:
    """Make a tick."""
    at_ns = sequence if at_ns is None else at_ns
    return Tick(instrument, at_ns, at_ns + 5, 100, 1, 101, 1, sequence)


def trade(number: int, instrument: int = 0, at_ns: int | None = None) -> Trade:
    """Make a trade."""
    at_ns = number if at_ns is None else at_ns
    return Trade(instrument, at_ns, at_ns + 5, number, 100, 1, 1)


def delta(first: int, last: int, at_ns: int | None = None) -> BookDelta:
    """Make a book change."""
    return BookDelta(0, at_ns or last, last, first, last, ((100, last),), ())


def rows(events: list[RowEvent]) -> Rows:
    """Pack events."""
    return packed(events) if events else NO_ROWS


@st.composite
def streams(draw: st.DrawFn) -> list[RowEvent]:
    """Draw what a feed tells: trades number on, ticks skip, books go on from change to change."""
    events: list[RowEvent] = []
    trades, sequences, books = [0, 0], [0, 0], [0, 0]
    for at_ns in range(1, draw(st.integers(1, 60)) + 1):
        instrument, kind = draw(st.integers(0, 1)), draw(st.integers(0, 6))
        key = instrument, at_ns // 2, at_ns
        if kind < 2:
            trades[instrument] += 1
            events.append(Trade(*key, trades[instrument], 5, 1, 1))
        elif kind < 4:
            sequences[instrument] += draw(st.integers(1, 4))
            events.append(Tick(*key, 5, 1, 6, 1, sequences[instrument]))
        elif kind < 6:
            first = books[instrument] + 1
            books[instrument] += draw(st.integers(1, 3))
            levels = tuple((price, 1) for price in range(draw(st.integers(0, 7))))
            events.append(BookDelta(*key, first, books[instrument], levels, ()))
        else:
            books[instrument] += 1
            events.append(BookSnapshot(*key, books[instrument], ((5, 1),), ((6, 1),)))
    return events


@settings(max_examples=150, deadline=None)
@given(streams(), st.data())
def test_for_any_cut_the_joined_stream_is_the_original(events: list[RowEvent], data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(events)), "where the live buffer begins")
    middle = data.draw(st.integers(begin, len(events)), "where the buffer is joined")
    ends: dict[tuple[int, type], int] = {}
    for event in events:
        # History ends for each market and kind elsewhere, as its files do.
        key = event.instrument, type(event)
        if key not in ends:
            ends[key] = data.draw(st.integers(begin, middle), f"where history of {key} ends")
    history = [event for place, event in enumerate(events) if place < ends[event.instrument, type(event)]]
    size = data.draw(st.integers(1, 9), "how many come at once")
    seam = Seam()
    for at in range(begin, middle, size):
        seam.buffer(rows(events[at : min(at + size, middle)]))
    given = [seam.warm(rows(history[at : at + size])) for at in range(0, len(history), size)]
    assert [hole for hole in seam.holes() if hole.row_kind != TICK_ROW] == []
    given += [seam.join()]
    given += [seam.live(rows(events[at : at + size])) for at in range(middle, len(events), size)]
    assert events_of(np.concatenate([NO_ROWS, *given])) == events


@settings(max_examples=100, deadline=None)
@given(streams(), st.data())
def test_what_history_gave_before_it_was_buffered_is_not_given_twice(
    events: list[RowEvent], data: st.DataObject
) -> None:
    end = data.draw(st.integers(0, len(events)))
    begin = data.draw(st.integers(0, end))
    seam = Seam()
    given = [seam.warm(rows(events[:end]))]
    seam.buffer(rows(events[begin:]))
    given.append(seam.join())
    got = events_of(np.concatenate([NO_ROWS, *given]))
    assert got == events


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 30), st.integers(0, 12), st.integers(1, 20))
def test_a_hole_in_trades_is_told_and_can_be_filled(last: int, missing: int, more: int) -> None:
    everything = [trade(number) for number in range(1, last + missing + more + 1)]
    seam = Seam()
    seam.buffer(rows([*everything[last + missing :]]))
    given = [seam.warm(rows([*everything[:last]]))]
    wanted = (Hole(0, TRADE_ROW, last, last + missing + 1, missing),) if missing else ()
    assert seam.holes() == wanted
    fetched = everything[max(0, last - 3) : last + missing + 3]
    half = seam.fill(rows([*fetched[: len(fetched) // 2]]))
    assert sum(hole.missing or 0 for hole in seam.holes()) == missing - len(half)
    given += [half, seam.fill(rows([*fetched])), seam.join()]
    assert seam.holes() == () and len(seam.fill(rows([*fetched]))) == 0
    assert events_of(np.concatenate(given)) == everything


def test_what_is_filled_from_the_far_end_leaves_the_hole_where_it_begins() -> None:
    seam = Seam()
    seam.buffer(rows([trade(10)]))
    seam.warm(rows([trade(5)]))
    assert len(seam.fill(rows([trade(9), trade(8)]))) == 2
    assert seam.holes() == (Hole(0, TRADE_ROW, 5, 10, 2),)
    assert len(seam.fill(rows([trade(6)]))) == 1
    assert seam.holes() == (Hole(0, TRADE_ROW, 6, 10, 1),)


def test_a_hole_in_a_book_is_told_unless_a_snapshot_mends_it() -> None:
    seam = Seam()
    seam.buffer(rows([delta(9, 10)]))
    seam.warm(rows([delta(1, 5)]))
    assert seam.holes() == (Hole(0, DELTA_ROW, 5, 9, 3),)
    mended = Seam()
    mended.buffer(rows([delta(9, 10), BookSnapshot(0, 11, 11, 10, ((1, 1),), ())]))
    mended.warm(rows([delta(1, 5)]))
    assert mended.holes() == ()


def test_ticks_that_do_not_overlap_are_unproven() -> None:
    seam = Seam()
    seam.buffer(rows([tick(9)]))
    seam.warm(rows([tick(3), tick(7)]))
    assert seam.holes() == (Hole(0, TICK_ROW, 7, 9, None),)
    seam.warm(rows([tick(9)]))
    assert seam.holes() == () and seam.dropped_rows == 1


def test_a_venue_that_counts_anew_is_not_taken_for_the_old_one() -> None:
    seam = Seam()
    seam.warm(rows([trade(1_000, at_ns=50)]))
    fresh: list[RowEvent] = [trade(1, at_ns=60), trade(2, at_ns=61)]
    assert events_of(seam.live(rows(fresh))) == fresh


def test_a_venue_without_sequences_is_joined_by_its_time() -> None:
    seam = Seam()
    seam.buffer(rows([tick(0, at_ns=30), tick(0, at_ns=40)]))
    kept = seam.warm(rows([tick(0, at_ns=10), tick(0, at_ns=20), tick(0, at_ns=30)]))
    got = events_of(np.concatenate([kept, seam.join()]))
    assert [event.exchange_ts_ns for event in got] == [10, 20, 30, 40]


def test_live_alone_passes_as_it_is() -> None:
    seam = Seam()
    assert len(seam.join()) == 0
    batch = rows([tick(1)])
    assert seam.live(batch) is batch
