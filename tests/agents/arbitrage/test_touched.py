"""Which markets a batch moved, whatever rows it is made of."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.arbitrage.touched import touched
from domain.market_events import BookDelta, BookSnapshot, Levels, Tick, Trade
from market.rows import RowEvent, rows_of

LEVELS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=7).map(tuple)


def event(kind: int, market: int, bids: Levels, asks: Levels) -> RowEvent:
    if kind == 0:
        return Tick(market, 1, 1, 1, 1, 2, 1, 1)
    if kind == 1:
        return Trade(market, 1, 1, 1, 1, 1, 1)
    if kind == 2:
        return BookDelta(market, 1, 1, 1, 1, bids, asks)
    return BookSnapshot(market, 1, 1, 1, bids, asks)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), LEVELS, LEVELS), min_size=1, max_size=8))
def test_every_market_that_a_touch_or_a_book_is_told_of_is_named_once(
    told: list[tuple[int, int, Levels, Levels]],
) -> None:
    rows = np.concatenate([rows_of(event(*each)) for each in told])
    assert touched(rows) == tuple(dict.fromkeys(market for kind, market, _, _ in told if kind != 1))
