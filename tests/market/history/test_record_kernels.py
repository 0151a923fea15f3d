"""The kernels of history against slow and obvious ones, compiled and plain."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.history.record_kernels import find_records, merge_records
from market.rows import events_of, rows_of
from tests.market.history.market import packed, stream

LANES = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=8),
    min_size=1,
    max_size=9,
)


@settings(max_examples=150, deadline=None)
@given(LANES)
def test_lanes_are_merged_as_a_stable_sort_would(lanes: list[list[tuple[int, int, int]]]) -> None:
    lanes = [sorted(lane, key=lambda one: one[:2]) for lane in lanes]
    flat = [one for lane in lanes for one in lane]
    local_ns, arrival, length = (np.array(column, np.int64) for column in zip(*flat, strict=True))
    end = np.cumsum([len(lane) for lane in lanes])
    place = np.empty(len(flat), np.int64)
    head, heap = end - np.array([len(lane) for lane in lanes]), np.empty(len(lanes), np.int64)
    rows = merge_records(local_ns, arrival, length, head, end, heap, place)
    order = sorted(range(len(flat)), key=lambda at: (flat[at][:2], at))
    wanted, row = [0] * len(flat), 0
    for at in order:
        wanted[at], row = row, row + flat[at][2]
    assert rows == row == sum(one[2] for one in flat) and place.tolist() == wanted


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_every_record_is_found_where_it_begins(seed: int) -> None:
    events = stream(30, seed=seed)
    rows = packed(events)
    starts = np.empty(len(rows), np.int64)
    found = find_records(rows, starts)
    assert found == len(events)
    assert starts[:found].tolist() == np.cumsum([0, *(len(rows_of(event)) for event in events)]).tolist()[:-1]
    assert events_of(rows) == events


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ([0] * 10, 0),
        ([5] * 10, 0),
        ([3, 0, 0, 0, 1, 1, -1, 0, 0, 0], 0),
        ([3, 0, 0, 0, 1, 1, 0, 6, 0, 0], 0),
        ([4, 0, 0, 0, 1, 1, 1 << 40, 1 << 62, 0, 0], 0),
    ],
)
def test_rows_that_begin_no_record_are_named(row: list[int], place: int) -> None:
    starts = np.empty(2, np.int64)
    assert find_records(np.array([row], np.int64), starts) == -1 - place
    good = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert find_records(np.array([good, row], np.int64), starts) == -1 - (place + 1)


def test_they_hold_in_plain_python_too() -> None:
    if os.environ.get("SWARM_KERNELS", "on") == "off":
        pytest.skip("this is that run")
    words = [sys.executable, "-m", "pytest", "-q", "--no-header", __file__, "-k", "not plain"]
    found = subprocess.run(
        words, env={**os.environ, "SWARM_KERNELS": "off"}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
