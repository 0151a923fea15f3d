"""Whatever the rows hold, nothing outside the pipeline's block is touched and no wrong book is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.dtypes import BIDS, DELTA_ROW, ROW_WIDTH, SNAPSHOT_ROW
from tests.market.pipeline_rows import advance, delta, examples, instrument, pipeline, rows, snapshot, tick

EDGES = [0, 1, -1, 2, 5, 1 << 53, (1 << 53) + 1, 1 << 62, (1 << 63) - 1, -(1 << 63), 10_000, 10_001]
WORD = st.one_of(st.sampled_from(EDGES), st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 12))
ROW = st.tuples(st.integers(-1, 6), st.sampled_from([0, 1, 2, 3, -1, 1 << 62]), *[WORD] * 8)


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(ROW, min_size=1, max_size=30), st.booleans())
def test_any_rows_at_all_are_survived(drawn: list[Any], synced: bool) -> None:
    made = pipeline(instrument(0), instrument(2, venue="y"))
    if synced:
        advance(made, rows(snapshot(8), delta(9), tick(10, index=2), snapshot(11, index=2)))
    fixed = {word: made.columns.block[word] for word in (16, 17, 18, 66, 67, 68, 69, 70, 71, 72, 73)}
    advance(made, np.array(drawn, np.int64))
    made.watch(1 << 61)
    for word, figure in fixed.items():
        assert made.columns.block[word] == figure
    again = pipeline(instrument(0), instrument(2, venue="y"), linked=False)
    again.restore(made.state())
    assert again.state() == made.state()


@settings(max_examples=examples(150), deadline=None)
@given(
    st.sampled_from([-1, -(1 << 63), 7, 40, 1 << 20, (1 << 63) - 1]),
    st.sampled_from([DELTA_ROW, SNAPSHOT_ROW]),
)
def test_counts_that_reach_beyond_the_batch_are_malformed(count: int, kind: int) -> None:
    made = pipeline()
    advance(made, rows(snapshot(8)))
    batch = rows(delta(9, bids=((9_990, 1), (9_989, 1))))
    batch[0, 0], batch[0, BIDS] = kind, count
    advance(made, batch)
    assert made.book(0).stale == (kind == DELTA_ROW)
    assert made.book(0).bids.tolist() == ([] if kind == DELTA_ROW else [(9_998, 5)])


MUTATION = st.tuples(st.integers(0, 60), st.integers(0, ROW_WIDTH - 1), WORD)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(MUTATION, min_size=1, max_size=4))
def test_a_mutated_stream_never_leaves_a_crossed_or_unsorted_book(
    mutations: list[tuple[int, int, int]],
) -> None:
    made = pipeline()
    told = [snapshot(8, tuple((9_998 - step, 5) for step in range(8)))]
    changes = [delta(first, bids=((9_990 + first, first), (9_970 + first, 0))) for first in range(9, 20)]
    batch = rows(*told, *changes)
    for row, column, word in mutations:
        batch[row % len(batch), column] = word
    advance(made, batch)
    book = made.book(0)
    bids, asks = book.bids["price_ticks"], book.asks["price_ticks"]
    assert (np.diff(bids) < 0).all() and (np.diff(asks) > 0).all()
    assert (book.bids["size_lots"] > 0).all() and (book.asks["size_lots"] > 0).all()
    assert len(bids) == 0 or len(asks) == 0 or bids[0] < asks[0]
