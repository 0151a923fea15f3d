"""Rows say the same as events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from bus.codec import EVENTS
from domain.dtypes import ROW_WIDTH, level_rows
from domain.errors import SwarmError
from domain.market_events import BookDelta, BookSnapshot, MarketRows, Tick, Trade
from market.rows import RowEvent, events_of, rows_of

NUMBERS = some.integers(-(1 << 62), 1 << 62)
LEVELS = some.lists(some.tuples(NUMBERS, NUMBERS), max_size=12).map(tuple)
EVENTS_MADE = some.one_of(
    some.builds(Tick, *[NUMBERS] * 8),
    some.builds(Trade, *[NUMBERS] * 7),
    some.builds(BookDelta, *[NUMBERS] * 5, LEVELS, LEVELS, NUMBERS),
    some.builds(BookSnapshot, *[NUMBERS] * 4, LEVELS, LEVELS, NUMBERS),
)


@given(some.lists(EVENTS_MADE, max_size=8))
def test_events_come_back_from_their_rows(events: list[RowEvent]) -> None:
    rows = [rows_of(event) for event in events]
    assert events_of(np.concatenate([np.zeros((0, ROW_WIDTH), np.int64), *rows])) == events


@given(some.lists(EVENTS_MADE, max_size=4))
def test_rows_come_back_from_bytes(events: list[RowEvent]) -> None:
    rows = np.concatenate([np.zeros((0, ROW_WIDTH), np.int64), *[rows_of(event) for event in events]])
    read = EVENTS.decode(EVENTS.encode(MarketRows(5, rows)))
    assert isinstance(read, MarketRows) and read.local_ts_ns == 5
    assert events_of(read.rows) == events


def test_rows_that_are_not_whole_are_refused() -> None:
    whole = EVENTS.encode(MarketRows(5, rows_of(Tick(0, 1, 2, 3, 4, 5, 6, 7))))
    cut = whole[:3] + b"\x05\xc4\x08" + whole[-8:]
    with pytest.raises(SwarmError, match="not whole"):
        EVENTS.decode(cut)


def test_levels_fill_rows_five_by_five() -> None:
    assert [level_rows(count) for count in (0, 1, 5, 6, 10, 11)] == [0, 1, 1, 2, 2, 3]
