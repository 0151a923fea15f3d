"""The compiled book against a slow, obvious one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.order import Side, TimeInForce
from hw.kernel import kernels_on
from sim.exchange import engine_kernels as k
from sim.exchange.engine import Engine
from sim.exchange.messages import SelfTradePrevention
from tests.sim.exchange.slow_book import Row, SlowBook, random_ops

BUY, SELL = 1, -1
OPS = 1_000_000 if kernels_on() else 5_000
PIECE = 50_000


def rows_of(flat: list[int]) -> list[Row]:
    """Cut a flat outcome into rows."""
    assert len(flat) % k.ROW == 0
    return [(a, b, c, d, e, f) for a, b, c, d, e, f in zip(*[iter(flat)] * k.ROW, strict=True)]


def book(bids: list[tuple[int, int]] = [], asks: list[tuple[int, int]] = []) -> Engine:  # noqa: B006
    """Rest orders 1, 2, … of accounts 1, 2, …: bids first."""
    engine = Engine(orders_start=2)
    for at, (side, price, size) in enumerate(
        [(BUY, *bid) for bid in bids] + [(SELL, *ask) for ask in asks], start=1
    ):
        assert engine.place(at, at, side, k.GTC, price, size)[0] == k.RESTED
    return engine


def test_a_million_random_operations_equal_the_slow_reference() -> None:
    draw = random.Random(7)
    engine, slow = Engine(orders_start=64), SlowBook()
    rested = gone = traded = taken = 0
    next_id, done, seen = 1, 0, dict[int, int]()
    while done < OPS:
        ops = random_ops(draw, next_id, min(PIECE, OPS - done))
        done += len(ops)
        next_id = max(op[1] for op in ops) + 1
        expected: list[Row] = []
        for op in ops:
            expected.extend(slow.cancel(op[1]) if op[0] == k.CANCEL_OP else slow.place(*op[1:]))
        given_rows = np.concatenate([rows.copy() for rows in engine.run(np.array(ops, np.int64))])
        assert np.array_equal(given_rows, np.array(expected, np.int64))
        kinds = given_rows[:, 0]
        rested += int(given_rows[kinds == k.RESTED, 2].sum())
        gone += int(given_rows[kinds == k.CANCELLED, 2].sum() + given_rows[kinds == k.MAKER_EXPIRED, 3].sum())
        traded += int(given_rows[kinds == k.TRADE, 3].sum())
        taken += int(given_rows[(kinds >= k.RESTED) & (kinds < k.CANCELLED), 3].sum())
        bids, asks = engine.depth(1_000)
        assert (bids, asks) == slow.depth()
        assert not bids or not asks or bids[0][0] < asks[0][0]
        assert rested == gone + traded + sum(size for _, size in bids + asks)
        assert taken == traded
        for kind, count in zip(*np.unique(kinds, return_counts=True), strict=True):
            seen[int(kind)] = seen.get(int(kind), 0) + int(count)
    wanted = {k.TRADE, k.MAKER_EXPIRED, k.LEVEL_SIZE, k.RESTED, k.FILLED, k.EXPIRED, k.PREVENTED, k.CANCELLED}
    assert set(seen) >= wanted | {k.WOULD_TAKE, k.UNKNOWN_ORDER, k.DUPLICATE_ID}
    assert engine.live == len(slow.where)


ORDER = st.tuples(
    st.integers(1, 3),
    st.sampled_from([BUY, SELL]),
    st.sampled_from([k.GTC, k.IOC, k.FOK, k.POST, k.MARKET]),
    st.integers(1, 6),
    st.integers(1, 9),
    st.sampled_from([k.PREVENT_NONE, k.PREVENT_TAKER, k.PREVENT_MAKER, k.PREVENT_BOTH]),
    st.sampled_from([k.UNLIMITED, 3, 17]),
)


@settings(max_examples=300 if kernels_on() else 40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.one_of(ORDER, st.integers(1, 20)), max_size=40))
def test_any_short_history_equals_the_slow_reference(
    history: list[tuple[int, int, int, int, int, int, int] | int],
) -> None:
    engine, slow = Engine(orders_max=32, orders_start=1), SlowBook()
    for order_id, item in enumerate(history, start=1):
        if isinstance(item, int):
            assert rows_of(engine.cancel(item)) == slow.cancel(item)
            continue
        account, side, tif, price, size, self_trade, budget = item
        limit = k.UNLIMITED if tif != k.MARKET or side == SELL else budget
        order = (order_id, account, side, tif, 0 if tif == k.MARKET else price, size, self_trade, limit)
        assert rows_of(engine.place(*order)) == slow.place(*order)
        assert engine.bid_ticks == (slow.best(BUY) or 0) and engine.ask_ticks == (slow.best(SELL) or 0)
    assert engine.depth(20) == slow.depth()
    assert engine.live == len(slow.where)


def test_the_first_at_a_price_trades_first() -> None:
    engine = book(asks=[(10, 5), (10, 5), (9, 1)])
    rows = rows_of(engine.place(9, 9, BUY, k.GTC, 10, 8))
    trades = [(row[1], row[2], row[3]) for row in rows if row[0] == k.TRADE]
    assert trades == [(3, 9, 1), (1, 10, 5), (2, 10, 2)]
    assert rows[0] == (k.FILLED, 9, 0, 8, 79, -1)
    assert engine.depth(5) == ((), ((10, 3),))


def test_a_partly_filled_order_keeps_its_place() -> None:
    engine = book(bids=[(10, 5), (10, 5)])
    engine.place(8, 8, SELL, k.IOC, 10, 2)
    rows = rows_of(engine.place(9, 9, SELL, k.IOC, 10, 4))
    assert [(row[1], row[3], row[4]) for row in rows if row[0] == k.TRADE] == [(1, 3, 0), (2, 1, 4)]


@pytest.mark.parametrize(
    ("self_trade", "status", "left_in_book"),
    [
        (k.PREVENT_NONE, k.RESTED, 0),
        (k.PREVENT_TAKER, k.PREVENTED, 5),
        (k.PREVENT_MAKER, k.RESTED, 0),
        (k.PREVENT_BOTH, k.PREVENTED, 0),
    ],
)
def test_self_trades_end_as_asked(self_trade: int, status: int, left_in_book: int) -> None:
    engine = book(asks=[(10, 5)])
    rows = rows_of(engine.place(9, 1, BUY, k.GTC, 10, 6, self_trade))
    assert rows[0][0] == status
    assert any(row[0] == k.TRADE for row in rows) == (self_trade == k.PREVENT_NONE)
    assert sum(size for _, size in engine.depth(5)[1]) == left_in_book


def test_a_budget_stops_a_market_order_in_the_middle_of_a_level() -> None:
    engine = book(asks=[(10, 5), (20, 5)])
    rows = rows_of(engine.place(9, 9, BUY, k.MARKET, 0, 10, k.PREVENT_NONE, 99))
    assert rows[0] == (k.EXPIRED, 9, 3, 7, 90, -1)
    assert engine.depth(5)[1] == ((20, 3),)


def test_a_full_book_grows_by_doubling_and_then_refuses() -> None:
    engine = Engine(orders_max=6, orders_start=2)
    for order_id in range(1, 7):
        assert engine.place(order_id, 1, BUY, k.GTC, order_id, 1)[0] == k.RESTED
    assert engine.capacity == 6
    assert engine.place(7, 1, BUY, k.GTC, 9, 1) == [k.FULL, 7, 1, 0, 0, -1]
    assert engine.place(7, 2, SELL, k.IOC, 6, 1)[0] == k.FILLED
    assert engine.place(8, 1, BUY, k.GTC, 9, 1)[0] == k.RESTED
    assert [price for price, _ in engine.depth(9)[0]] == [9, 5, 4, 3, 2, 1]


def test_a_batch_meets_a_full_book_as_single_orders_do() -> None:
    places = [(k.PLACE_OP, order_id, 1, BUY, k.GTC, order_id, 1, 0) for order_id in range(1, 8)]
    ops = np.array([*places, places[6], (k.CANCEL_OP, 3, 0, 0, 0, 0, 0, 0), places[6]], np.int64)
    engine = Engine(orders_max=6, orders_start=2)
    rows = np.concatenate([piece.copy() for piece in engine.run(ops)])
    assert rows[:, 0].tolist() == [k.RESTED] * 6 + [k.FULL, k.FULL, k.CANCELLED, k.RESTED]
    assert engine.live == 6


def test_growth_in_the_middle_of_a_batch_keeps_price_and_time() -> None:
    engine = Engine(orders_start=1)
    ops = np.array([(k.PLACE_OP, i, i, SELL, k.GTC, 50 + i % 3, 1, 0) for i in range(1, 300)], np.int64)
    for _ in engine.run(ops):
        pass
    rows = rows_of(engine.place(999, 999, BUY, k.MARKET, 0, 299))
    makers = [row[1] for row in rows if row[0] == k.TRADE]
    assert makers == sorted(range(1, 300), key=lambda i: (50 + i % 3, i))
    assert engine.live == 0 and engine.depth(5) == ((), ())


def test_depth_shows_no_more_than_asked() -> None:
    engine = book(bids=[(price, price) for price in range(1, 200)])
    assert engine.depth(2) == (((199, 199), (198, 198)), ())
    assert len(engine.depth(5_000)[0]) == 199


@pytest.mark.skipif(not kernels_on(), reason="nothing is compiled in the plain run")
def test_every_entry_point_is_compiled_for_one_signature_only() -> None:
    engine = Engine(orders_start=1)
    for order_id, tif in enumerate((TimeInForce.GTC, TimeInForce.POST), start=1):
        engine.place(order_id, 1, Side.BUY, tif, 10, 1, SelfTradePrevention.EXPIRE_MAKER)
    engine.cancel(2)
    engine.depth(3)
    assert [len(rows) for rows in engine.run(np.array([(k.CANCEL_OP, 1, 0, 0, 0, 0, 0, 0)], np.int64))] == [1]
    entries: list[Any] = [k.layout, k.place, k.cancel, k.regrow, k.depth_of]
    assert [len(entry.signatures) for entry in entries] == [1] * 5
    count = len(entries[1].signatures)
    entries[1].compile("int64(int64[::1], int64, int64, int64, int64, int64, int64, int64, int64)")
    assert len(entries[1].signatures) == count


@pytest.mark.skipif(not kernels_on(), reason="this is the plain run")
def test_the_kernels_hold_as_plain_python_too() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", __file__],
        env={**os.environ, "SWARM_KERNELS": "off"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
