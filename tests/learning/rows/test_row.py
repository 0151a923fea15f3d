"""Rows as a value: joined, picked, valued, and refused by name where nothing can be learnt from them."""

from __future__ import annotations

import numpy as np
import pytest

from domain.errors import ExitCode, SwarmError
from learning.rows.row import Rows
from tests.learning.rows.builders import START_NS, S, table


def test_rows_of_several_markets_are_joined_in_the_order_of_time() -> None:
    first = Rows.of("tokyo-x", "BTCUSDT", table(3, START_NS, 2 * S, shard=2))
    second = Rows.of("tokyo-x", "ETHUSDT", table(3, START_NS, S, shard=1))
    both = Rows.joined([first, Rows.empty(), second, first])
    assert len(both) == 9 and len(both.markets) == 2
    assert (np.diff(both.table["at_ns"]) >= 0).all()
    assert both.table["shard"][:3].tolist() == [1, 2, 2]
    assert [both.markets[one][1] for one in both.market[:3]] == ["ETHUSDT", "BTCUSDT", "BTCUSDT"]
    assert len(Rows.joined([])) == 0


def test_rows_are_picked_by_mask_and_slice() -> None:
    rows = Rows.of("x", "Y", table(6))
    assert rows.pick(rows.y == 2).table["at_ns"].tolist() == [START_NS + 2 * S, START_NS + 5 * S]
    assert len(rows.pick(slice(1, 3))) == 2
    assert rows.x.shape == (6, 16) and rows.x.flags.c_contiguous and rows.x.dtype == np.float32


def test_a_side_earns_the_move_less_the_cost() -> None:
    rows = Rows.of("x", "Y", table(3))
    rows.table["gross_bps"] = (5, 5, -1)
    assert rows.earned_bps(np.array([1, -1, 0], np.int8), 2.0).tolist() == [3, -7, 0]


def test_what_can_be_learnt_from_is_given_back() -> None:
    rows = Rows.of("x", "Y", table(6))
    assert rows.need("tokyo", 6) is rows


def broken(what: str) -> Rows:
    rows = Rows.of("x", "Y", table(6))
    if what == "class":
        rows.table["label"] = 1
    if what == "label":
        rows.table["label"] = -1
    if what == "nan":
        rows.table["features"][3, 4] = np.nan
    if what == "outcome":
        rows.table["gross_bps"][3] = np.nan
    if what == "early":
        rows.table["label_ns"][3] = rows.table["at_ns"][3] - 1
    return rows


@pytest.mark.parametrize(
    ("rows", "least", "words"),
    [
        (Rows.empty(), 1, "the region has 0 labelled rows of the 1 it needs"),
        (broken("label"), 1, "the region has 0 labelled rows"),
        (broken(""), 7, "the region has 6 labelled rows of the 7 it needs"),
        (broken("class"), 1, "all labelled rows are of one class: there is no down and no up"),
        (broken("nan"), 1, "a row has a feature that is not finite"),
        (broken("outcome"), 1, "a row has an outcome that is not finite"),
        (broken("early"), 1, "a row's outcome was known before its decision"),
    ],
)
def test_what_cannot_is_refused_by_name(rows: Rows, least: int, words: str) -> None:
    with pytest.raises(SwarmError, match=words) as refused:
        rows.need("tokyo", least)
    assert refused.value.code == ExitCode.BAD_DATA and "tokyo" in str(refused.value)
    assert "\n" not in str(refused.value)
