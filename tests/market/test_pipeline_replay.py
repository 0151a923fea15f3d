"""However rows are cut, and wherever a state is taken and restored, the outcome is the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.dtypes import ROW_WIDTH
from domain.market_events import BookDelta, BookSnapshot, Tick, Trade
from market.pipeline import Pipeline
from market.rows import RowEvent, rows_of
from tests.market.pipeline_rows import BEGIN, MS, examples, instrument, pipeline

MARKETS = (instrument(0), instrument(1, venue="y"), instrument(2, base="ETH"))
Seen = list[tuple[int, ...]]

LEVEL = st.tuples(st.integers(0, 12), st.integers(0, 3))
STEP = st.tuples(
    st.sampled_from(["tick"] * 4 + ["trade", "delta", "delta", "snapshot", "odd"]),
    st.integers(0, 2),
    st.integers(0, 30),
    st.integers(-8, 8),
    st.integers(0, 3),
    st.lists(LEVEL, max_size=3),
)


def events(steps: list[Any]) -> list[RowEvent]:
    """Make events that mostly follow each other, with gaps, doubles, crossings and nonsense among them."""
    made: list[RowEvent] = []
    at_ns, sequence = BEGIN, [10, 10, 10]
    for kind, index, gap_ms, move, skip, levels in steps:
        at_ns += gap_ms * MS
        first = sequence[index] + 1 + (skip == 3)
        mid = 10_000 + 7 * move
        if kind == "tick":
            sequence[index] = first
            made.append(Tick(index, at_ns - MS, at_ns, mid - 1, 5, mid + 1 - (skip == 3), 6, first))
        elif kind == "trade":
            made.append(Trade(index, at_ns - MS, at_ns, first, mid, skip, 1))
        elif kind == "delta":
            sequence[index] = first + skip
            bids = tuple((9_999 - price, size) for price, size in levels)
            asks = tuple((10_000 + price, size) for price, size in levels)
            made.append(BookDelta(index, at_ns - MS, at_ns, first, sequence[index], bids, asks))
        elif kind == "snapshot":
            made.append(BookSnapshot(index, 0, at_ns, first - 1, ((9_990, 3),), ((10_010, 3),)))
        else:
            made.append(Trade(7 * move, at_ns, -skip, 1, 1, -1, move))
    return made


def drive(made: Pipeline, told: list[RowEvent], cuts: list[int]) -> Seen:
    """Advance over events, in batches that end at the cuts."""
    seen: Seen = []
    edges = [0, *sorted({min(cut, len(told)) for cut in cuts}), len(told)]
    for first, last in pairwise(edges):
        batch = [rows_of(event) for event in told[first:last]]
        rows = np.concatenate(batch) if batch else np.zeros((0, ROW_WIDTH), np.int64)
        at = 0
        while at < len(rows):
            at = made.advance(rows, at, len(rows))
            if made.flags != 0:
                seen.append((made.flags, made.instrument, *made.touch(made.instrument), made.local_ts_ns))
    return seen


@settings(max_examples=examples(150), deadline=None)
@given(
    st.lists(STEP, max_size=60), st.lists(st.integers(0, 60), max_size=8), st.sampled_from(["auto", "smart"])
)
def test_any_cut_of_the_rows_gives_the_same_questions_and_the_same_state(
    steps: list[Any], cuts: list[int], mode: Any
) -> None:
    told = events(steps)
    whole, cut = pipeline(*MARKETS, mode=mode), pipeline(*MARKETS, mode=mode)
    assert drive(whole, told, []) == drive(cut, told, cuts)
    assert whole.state() == cut.state()


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(STEP, max_size=60), st.integers(0, 60))
def test_a_restored_pipeline_goes_on_as_the_first(steps: list[Any], cut: int) -> None:
    told = events(steps)
    first, second = pipeline(*MARKETS), pipeline(*MARKETS, linked=False)
    drive(first, told[:cut], [])
    second.restore(first.state())
    assert second.state() == first.state()
    assert drive(first, told[cut:], []) == drive(second, told[cut:], [])
    assert second.state() == first.state()


def test_a_state_fits_a_list_of_markets_that_changed() -> None:
    first = pipeline(*MARKETS)
    drive(first, events([("tick", index, 1, 0, 0, []) for index in (0, 1, 2)]), [])
    moved = (instrument(0, base="ETH"), instrument(4), instrument(5, base="SOL"))
    second = pipeline(*moved)
    second.restore(first.state())
    assert second.touch(0) == first.touch(2) and second.touch(4) == first.touch(0)
    assert len(second.ring(0)) == 1 and second.touch(5)[:4] == (0, 0, 0, 0)


def test_a_market_whose_steps_changed_begins_anew() -> None:
    first = pipeline()
    drive(first, events([("tick", 0, 1, 0, 0, [])]), [])
    other = type(MARKETS[0]).of(0, "x", "BTC", "USDT", tick="0.1", lot="0.001")
    second = pipeline(other)
    second.restore(first.state())
    assert second.touch(0)[:4] == (0, 0, 0, 0) and len(second.ring(0)) == 0
