"""Counts add up, field by field."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.dtypes import LEVEL_DTYPE, TICK_DTYPE
from domain.market_events import Tick
from domain.report import OrderCounts

counts = st.builds(OrderCounts, *[st.integers(0, 10**9)] * 6)


@given(counts, counts, counts)
def test_counts_add_up_in_any_order(left: OrderCounts, middle: OrderCounts, right: OrderCounts) -> None:
    assert left.plus(middle).plus(right) == right.plus(left.plus(middle))
    assert left.plus(middle).sent == left.sent + middle.sent and left.plus(OrderCounts()) == left


def test_arrays_and_structs_have_the_same_field_names() -> None:
    names = TICK_DTYPE.names
    assert names is not None and set(names) <= set(Tick.__struct_fields__)
    assert all(TICK_DTYPE[name] == np.int64 for name in names) and LEVEL_DTYPE.itemsize == 16
