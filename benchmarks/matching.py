"""Match a mixed stream of limit, cancel and market operations in one book, on one core."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sortedcontainers import SortedDict

from benchmarks.result import Result
from hw.clock import perf_ns
from sim.exchange import engine_kernels as k
from sim.exchange.engine import Engine

CASE = "matching"
BAR: dict[str, tuple[str, float]] = {"ops_per_s": (">=", 1_000_000.0)}

OPS, OPS_QUICK = 2_000_000, 100_000
ACCOUNTS = 50
ROUNDS, ROUNDS_QUICK = 3, 1


def run(quick: bool) -> Result:
    """Run the same stream through the compiled book in batches, one by one, and through the peer."""
    ops, rounds = mixed_ops(OPS_QUICK if quick else OPS), ROUNDS_QUICK if quick else ROUNDS
    _through_batches(ops[:1_000])
    best_s, traded = min(_through_batches(ops) for _ in range(rounds))
    single_s, single_traded = min(_one_by_one(ops) for _ in range(rounds))
    peer_s, peer_traded = min(_through_peer(ops) for _ in range(rounds))
    assert traded == peer_traded == single_traded, "both books must trade the same"
    rate, peer_rate = len(ops) / best_s, len(ops) / peer_s
    single_us = single_s / len(ops) * 1e6
    bar = BAR["ops_per_s"][1]
    return Result(
        case=CASE,
        metrics={
            "ops_per_s": rate,
            "single_call_us": single_us,
            "traded_lots_per_op": traded / len(ops),
            "cancel_share": float((ops[:, k.OP] == k.CANCEL_OP).mean()),
        },
        bar=f"ops_per_s >= {bar:,.0f}",
        met=rate >= bar,
        peer="pure-Python book on sortedcontainers",
        peer_metrics={"ops_per_s": peer_rate},
        ratio=rate / peer_rate,
        note="batches of ops in, event rows out; single_call_us is one Python call per op, outcome as a list",
    )


def mixed_ops(count: int) -> NDArray[np.int64]:
    """Draw a stream: 46 limit : 46 cancel : 8 market. Each limit order is cancelled within 400 others."""
    draw = np.random.default_rng(1)
    limits, markets = int(count * 0.46), count - 2 * int(count * 0.46)
    at = np.arange(limits, dtype=np.float64)
    when = np.concatenate([at, at + draw.integers(1, 400, limits), draw.random(markets) * limits])
    ops = np.zeros((count, k.OP_WORDS), np.int64)
    limit, cancel, market = ops[:limits], ops[limits : 2 * limits], ops[2 * limits :]
    for rows, first in ((limit, 1), (market, limits + 1)):
        rows[:, k.OP_ID] = np.arange(first, first + len(rows))
        rows[:, k.OP_ACCOUNT] = draw.integers(0, ACCOUNTS, len(rows))
        rows[:, k.OP_SIDE] = draw.choice((1, -1), len(rows))
        rows[:, k.OP_SIZE] = draw.integers(1, 100, len(rows))
    middle = 100_000 + np.cumsum(draw.integers(-1, 2, limits))
    # One limit order in about ten is priced through the middle, so limits take as well.
    limit[:, k.OP_PRICE] = middle - limit[:, k.OP_SIDE] * draw.integers(-4, 40, limits)
    cancel[:, k.OP], cancel[:, k.OP_ID] = k.CANCEL_OP, limit[:, k.OP_ID]
    market[:, k.OP_TIF] = k.MARKET
    return np.ascontiguousarray(ops[np.argsort(when, kind="stable")])


def _through_batches(ops: NDArray[np.int64]) -> tuple[float, int]:
    engine, traded = Engine(), 0
    start_ns = perf_ns()
    for rows in engine.run(ops):
        traded += int(rows[rows[:, 0] == k.TRADE, 3].sum())
    return (perf_ns() - start_ns) / 1e9, traded


def _one_by_one(ops: NDArray[np.int64]) -> tuple[float, int]:
    engine, traded = Engine(), 0
    place, cancel, rows_of = engine.place, engine.cancel, ops.tolist()
    start_ns = perf_ns()
    for op, order_id, account, side, tif, price, size, _ in rows_of:
        if op == k.CANCEL_OP:
            cancel(order_id)
        else:
            traded += place(order_id, account, side, tif, price, size)[3]
    return (perf_ns() - start_ns) / 1e9, traded


class PythonBook:
    """Be the peer: price levels in two SortedDicts, orders of a level in a dict, totals kept as it goes."""

    def __init__(self) -> None:
        self.sides: dict[int, Any] = {1: SortedDict(), -1: SortedDict()}
        self.where: dict[int, tuple[Any, int, list[Any]]] = {}
        self.traded = 0

    def place(
        self, order_id: int, account: int, side: int, at_market: bool, price: int, size: int
    ) -> list[Any]:
        """Match, rest what is left of a limit order, and give the events."""
        events: list[Any] = []
        other, left = self.sides[-side], size
        # Keys are side × price, so the last key is the best of either side.
        while left and other:
            key, level = other.peekitem(-1)
            if not at_market and -key > side * price:
                break
            orders = level[1]
            while left and orders:
                maker_id = next(iter(orders))
                maker = orders[maker_id]
                lots = left if left < maker[0] else maker[0]
                left -= lots
                maker[0] -= lots
                level[0] -= lots
                self.traded += lots
                events.append((maker_id, maker[1], key, lots, maker[0]))
                if not maker[0]:
                    del orders[maker_id], self.where[maker_id]
            events.append((key, level[0]))
            if not orders:
                del other[key]
        if left and not at_market:
            mine, key = self.sides[side], side * price
            level = mine.get(key)
            if level is None:
                level = mine[key] = [0, {}]
            level[0] += left
            level[1][order_id] = [left, account]
            self.where[order_id] = (mine, key, level)
        return events

    def cancel(self, order_id: int) -> int | None:
        """Take an order out; give what was left."""
        found = self.where.pop(order_id, None)
        if found is None:
            return None
        side, key, level = found
        left: int = level[1].pop(order_id)[0]
        level[0] -= left
        if not level[1]:
            del side[key]
        return left


def _through_peer(ops: NDArray[np.int64]) -> tuple[float, int]:
    book = PythonBook()
    place, cancel, rows_of = book.place, book.cancel, ops.tolist()
    # Collecting garbage would only slow the peer: it makes no cycles.
    gc.disable()
    start_ns = perf_ns()
    for op, order_id, account, side, tif, price, size, _ in rows_of:
        if op == k.CANCEL_OP:
            cancel(order_id)
        else:
            place(order_id, account, side, tif == k.MARKET, price, size)
    took_ns = perf_ns() - start_ns
    gc.enable()
    return took_ns / 1e9, book.traded
