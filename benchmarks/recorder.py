"""Ticks into Parquet through the real recorder, its queue and its thread, and a question about a day of them.

Timed until every tick is in a whole file on the disk; the queue is long enough that none is dropped. The peer
writes one symbol's day into SQLite with `executemany`, in transactions of 10,000, and is asked the same.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.result import Result
from domain.dtypes import (
    ASK_LOTS,
    ASK_TICKS,
    BID_LOTS,
    BID_TICKS,
    EXCHANGE_NS,
    INSTRUMENT,
    KIND,
    LOCAL_NS,
    ROW_WIDTH,
    SEQUENCE,
    TICK_ROW,
    Rows,
)
from domain.instrument import Instrument
from hw.clock import perf_ns
from hw.kernel import compile_kernels
from market.history.layout import DAY_NS
from market.history.query import Query
from market.history.recorder import Recorder, RecorderConfig

CASE = "recorder"
BAR: dict[str, tuple[str, float]] = {"ticks_per_s": (">=", 300_000.0), "query_s": ("<=", 0.2)}

_SYMBOLS, _DAYS = 4, 2
_BATCH_ROWS = 64  # what a busy feed brings at once
_MIDNIGHT_NS = 1_767_225_600_000_000_000  # 2026-01-01
_QUESTION = "SELECT count(*), min({low}), max({high}), sum({size}) FROM {ticks} WHERE {day}"


class _Standing:
    def now_ns(self) -> int:
        return _MIDNIGHT_NS


def run(quick: bool) -> Result:
    """Record some markets over two days, ask for a day of one, and do the same with SQLite."""
    day_ticks = 5_000 if quick else 1_100_000
    markets = [
        Instrument.of(index, "bench-x", f"A{index}", "USDT", tick="0.01", lot="0.001")
        for index in range(_SYMBOLS)
    ]
    compile_kernels(None)
    folder = Path(tempfile.mkdtemp(prefix="recorder-"))
    try:
        _record_s(folder / "warm", markets, 100)  # imports of Arrow are no part of recording
        record_s, size = _record_s(folder / "history", markets, day_ticks)
        query_s, found = _query_s(folder / "history")
        # The day of one symbol alone: SQLite would take minutes for all of them.
        peer_s, peer_query_s, peer_found = _sqlite_s(folder / "peer.db", markets, day_ticks)
    finally:
        shutil.rmtree(folder)
    assert found == peer_found and found[0] == day_ticks, (found, peer_found)
    ticks = day_ticks * _SYMBOLS * _DAYS
    metrics = {
        "ticks_per_s": ticks / record_s,
        "query_s": query_s,
        "ticks": float(ticks),
        "day_ticks": float(day_ticks),
        "bytes_per_tick": size / ticks,
    }
    peer = {"ticks_per_s": day_ticks / peer_s, "query_s": peer_query_s}
    return Result(
        case=CASE,
        metrics=metrics,
        bar="ticks_per_s >= 300000, query_s <= 0.2",
        met=metrics["ticks_per_s"] >= BAR["ticks_per_s"][1] and query_s <= BAR["query_s"][1],
        peer="sqlite3 executemany, WAL, one transaction a batch of 10,000, index on symbol and day",
        peer_metrics=peer,
        ratio=metrics["ticks_per_s"] / peer["ticks_per_s"],
    )


def _day(symbols: int, day: int, day_ticks: int) -> Rows:
    """Make a day of all markets: prices walk, sizes vary, times are of the exchange's milliseconds."""
    draws = np.random.default_rng(day)
    count = symbols * day_ticks
    rows = np.zeros((count, ROW_WIDTH), np.int64)
    rows[:, KIND] = TICK_ROW
    rows[:, INSTRUMENT] = np.arange(count) % symbols
    rows[:, LOCAL_NS] = _MIDNIGHT_NS + day * DAY_NS + np.sort(draws.integers(0, DAY_NS, count))
    rows[:, EXCHANGE_NS] = (rows[:, LOCAL_NS] - 3_000_000) // 1_000_000 * 1_000_000
    rows[:, SEQUENCE] = np.arange(1, count + 1) + day * count
    rows[:, BID_TICKS] = 6_000_000 + np.cumsum(draws.integers(-2, 3, count))
    rows[:, ASK_TICKS] = rows[:, BID_TICKS] + draws.integers(1, 5, count)
    rows[:, BID_LOTS] = draws.integers(1, 100_000, count)
    rows[:, ASK_LOTS] = draws.integers(1, 100_000, count)
    return rows


def _record_s(root: Path, markets: list[Instrument], day_ticks: int) -> tuple[float, int]:
    config = RecorderConfig(queue_rows_max=1 << 24)
    total_ns = 0
    recorder = Recorder(root, markets, _Standing(), config)
    recorder.start()
    for day in range(_DAYS):
        rows = _day(len(markets), day, day_ticks)
        begun_ns = perf_ns()
        for at in range(0, len(rows), _BATCH_ROWS):
            recorder.record(rows[at : at + _BATCH_ROWS])
        total_ns += perf_ns() - begun_ns
    begun_ns = perf_ns()
    recorder.close()
    total_ns += perf_ns() - begun_ns
    told = recorder.stats()
    assert told.alarm is None and told.dropped_rows == 0, told
    return total_ns / 1e9, told.bytes


def _query_s(root: Path) -> tuple[float, tuple[int, ...]]:
    question = _QUESTION.format(
        low="bid_ticks",
        high="ask_ticks",
        size="bid_lots",
        ticks="ticks",
        day="venue = 'bench-x' AND symbol = 'A1USDT' AND day = '2026-01-02'",
    )
    taken: list[float] = []
    found: tuple[int, ...] = ()
    for _ in range(5):
        begun_ns = perf_ns()
        with Query(root) as history:  # opening is part of asking
            _, rows = history.run(question)
            (found,) = ((int(a), int(b), int(c), int(d)) for a, b, c, d in rows)
        taken.append((perf_ns() - begun_ns) / 1e9)
    return sorted(taken)[len(taken) // 2], found


def _sqlite_s(path: Path, markets: list[Instrument], day_ticks: int) -> tuple[float, float, tuple[int, ...]]:
    rows = _day(len(markets), 1, day_ticks)
    rows = rows[rows[:, INSTRUMENT] == 1]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=normal")
    connection.execute(
        "create table ticks(symbol text, day text, exchange_ts_ns, local_ts_ns, sequence,"
        " bid_ticks, bid_lots, ask_ticks, ask_lots)"
    )
    connection.execute("create index days on ticks(symbol, day)")
    begun_ns = perf_ns()
    for batch in _batches(rows):
        connection.execute("begin immediate")
        connection.executemany("insert into ticks values (?, ?, ?, ?, ?, ?, ?, ?, ?)", batch)
        connection.execute("commit")
    written_ns = perf_ns()
    question = _QUESTION.format(
        low="bid_ticks", high="ask_ticks", size="bid_lots", ticks="ticks", day="symbol = ? and day = ?"
    )
    found = tuple(connection.execute(question, ("A1USDT", "2026-01-02")).fetchone())
    asked_ns = perf_ns()
    connection.close()
    return (written_ns - begun_ns) / 1e9, (asked_ns - written_ns) / 1e9, found


def _batches(rows: Rows) -> Iterator[list[tuple[str | int, ...]]]:
    for at in range(0, len(rows), 10_000):
        yield [("A1USDT", "2026-01-02", *row) for row in rows[at : at + 10_000, EXCHANGE_NS:9].tolist()]
