"""Importing files, good and bad."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import SwarmError
from domain.market_events import BookDelta, BookSnapshot, Tick, Trade
from market.history import staging as staging_module
from market.history.catalog import parts
from market.history.file_job import FileJob
from market.history.history import History
from market.history.importer import Importer
from market.history.layout import IMPORTS, STAGING, Kind
from market.history.staging import Change, Staging
from market.history.steps import Steps
from tests.market.history.dumps import (
    AGG_HEAD,
    DEPTH_HEAD,
    KLINES_HEAD,
    TICKER_HEAD,
    TRADES_HEAD,
    US0,
    agg_trades,
    depth,
    klines,
    tickers,
    trades,
    written,
)
from tests.market.history.importing import NAME, files, held, imported, line


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("header", [None, TRADES_HEAD])
@pytest.mark.parametrize(("unit", "told"), [(1, "us"), (1000, "ms")])
def test_trades_come_in_exactly(
    tmp_path: Path, zipped: bool, header: str | None, unit: int, told: str
) -> None:
    path = tmp_path / f"{NAME}.{'zip' if zipped else 'csv'}"
    written(path, trades(5, unit), header=header, zipped=zipped)
    found = imported(tmp_path, path)
    assert (found.tick, found.lot, found.steps) == ("0.01", "0.00001", "inferred from this file's numbers")
    assert found.rows == {"trades": 5} and f"times in {told}" in found.notes and not found.known
    at = US0 * 1000
    assert held(tmp_path)[:2] == [
        Trade(0, at, at, 1, 9_357_605, 120, 1),
        Trade(0, at + 10**9, at + 10**9, 2, 9_357_705, 121, -1),
    ]


def test_agg_trades_keep_their_own_ids(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-aggTrades-2025-01-01.csv", agg_trades(), header=AGG_HEAD)
    found = imported(tmp_path, path)
    assert "ids are those of aggregate trades" in found.notes
    assert [event.trade_id for event in held(tmp_path) if isinstance(event, Trade)] == [0, 1, 2]


def test_best_levels_become_ticks(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-bookTicker-2025-01-01.csv", tickers(), header=TICKER_HEAD)
    imported(tmp_path, path)
    at = US0 * 1000
    assert held(tmp_path)[0] == Tick(0, at, at + 2_000_000, 9_357_605, 150, 9_357_606, 225, 100)


@pytest.mark.parametrize("unit", [1, 1000])
def test_klines_become_bars(tmp_path: Path, unit: int) -> None:
    path = written(tmp_path / "BTCUSDT-1m-2025-01.csv", klines(3, unit), header=KLINES_HEAD)
    found = imported(tmp_path, path)
    assert found.rows == {"bars": 3}
    (part,) = parts(tmp_path / "history")
    table = pq.read_table(part.path(tmp_path / "history"), partitioning=None).to_pylist()
    minute = 60 * 10**9
    (bars,) = History(tmp_path / "history").bars(
        "binance", "BTCUSDT", US0 * 1000 + 1, US0 * 1000 + 2 * minute
    )
    assert bars["open_ts_ns"].tolist() == [US0 * 1000 + minute] and bars["interval_ns"].tolist() == [minute]
    assert (
        table[1]["open_ts_ns"] == US0 * 1000 + 60 * 10**9
        and table[1]["close_ts_ns"] == US0 * 1000 + 120 * 10**9
    )
    assert (table[0]["low_ticks"], table[0]["volume_lots"], table[0]["trades"]) == (41_506, 53_923, 13)
    assert table[0]["quote_volume"] == Decimal("2240.398609") and table[0]["interval_ns"] == 60 * 10**9


@pytest.mark.parametrize("header", [None, DEPTH_HEAD])
def test_depth_lines_become_whole_book_changes(tmp_path: Path, header: str | None) -> None:
    path = tmp_path / "BTCUSDT_T_DEPTH_2025-01-01.csv"
    written(path, depth(), header=header)
    imported(tmp_path, path, format="depth")
    at = US0 * 1000
    assert held(tmp_path) == [
        BookSnapshot(0, at, at, 50, ((996, 2), (995, 1)), ((997, 4), (998, 3))),
        BookDelta(0, at + 10**6, at + 10**6, 51, 52, ((996, 5),), ((997, 0),)),
        BookDelta(0, at + 2 * 10**6, at + 2 * 10**6, 53, 53, ((994, 6),), ()),
    ]


GENERIC = [
    ("csv", "ts,px,qty,side\n1735689600.5,10.25,3,buy\n1735689601,10.5,1e-1,SELL\n", "time=ts:s"),
    ("jsonl", '{"ts":"2025-01-01T00:00:00.5Z","px":10.25,"qty":3,"side":"b"}\n'
     '{"ts":"2025-01-01T00:00:01Z","px":"10.50","qty":0.1,"side":"s"}\n', "time=ts:iso"),
    ("json", ' [ {"ts":1735689600500,"px":10.25,"qty":3,"side":"Buy","x":{"y":[1]}} ,\n'
     '{"ts":1735689601000,"px":10.5,"qty":0.1,"side":"sell"} ]\n', "time=ts"),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "text", "time"), GENERIC)
def test_other_files_come_in_through_a_map(tmp_path: Path, suffix: str, text: str, time: str) -> None:
    path = tmp_path / f"mine.{suffix}"
    path.write_text(text)
    found = imported(tmp_path, path, symbol="BTCUSDT", map=f"price=px,size=qty,side=side,{time}")
    at = US0 * 1000
    assert held(tmp_path) == [
        Trade(0, at + 500_000_000, at + 500_000_000, 1, 1025, 30, 1),
        Trade(0, at + 10**9, at + 10**9, 2, 1050, 1, -1),
    ]
    assert "no ids there: rows are numbered" in found.notes


@pytest.mark.parametrize("px", [[10.25, 10.5], ["10.25", "10.50"], [Decimal("10.25"), Decimal("10.50")]])
def test_parquet_comes_in_and_floats_by_their_shortest_text(tmp_path: Path, px: list[Any]) -> None:
    path = tmp_path / "mine.parquet"
    times = pa.array([US0 // 1000, US0 // 1000 + 1])
    pq.write_table(pa.table({"p": px, "q": [1, 2], "t": times, "i": [7, 9]}), path)
    found = imported(tmp_path, path, symbol="BTCUSDT", map="price=p,size=q,time=t,id=i")
    assert [event.price_ticks for event in held(tmp_path) if isinstance(event, Trade)] == [1025, 1050]
    assert "the taker's side is not known" in found.notes


def test_times_of_arrow_and_dictionary_columns_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    times = pa.array([US0, US0 + 1], pa.timestamp("us"))
    sides = pa.array(["buy", "sell"]).dictionary_encode()
    pq.write_table(pa.table({"p": ["1", "2"], "q": [1, 2], "t": times, "s": sides}), path)
    imported(tmp_path, path, symbol="BTCUSDT", map="price=p,size=q,time=t,side=s")
    assert [
        (event.exchange_ts_ns, event.aggressor) for event in held(tmp_path) if isinstance(event, Trade)
    ] == [
        (US0 * 1000, 1),
        (US0 * 1000 + 1000, -1),
    ]


def test_bars_without_an_end_are_as_long_as_they_are_apart(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("t,o,h,l,c,v\n1735689600,1,2,1,2,5\n1735689660,2,2,1,1,0\n")
    imported(tmp_path, path, symbol="BTCUSDT", map="time=t:s,open=o,high=h,low=l,close=c,volume=v")
    (part,) = parts(tmp_path / "history")
    assert part.series.kind == Kind.BARS and part.rows == 2


def test_a_file_without_header_takes_names_from_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("1735689600000,10.25,3")
    imported(tmp_path, path, symbol="BTC-USD", map="price=p,size=q,time=t:ms", columns=("t", "p", "q"))
    assert len(held(tmp_path, "BTC-USD")) == 1
    assert History(tmp_path / "history").instrument("binance", "BTC-USD").quote == "USD"


def test_huge_sizes_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "PEPEUSDT-trades-2025-01-01.csv"
    written(path, [f"1,0.00002048,{10**15}.00000000,1,{US0},True,True"])
    found = imported(tmp_path, path)
    assert (found.tick, found.lot) == ("0.00000001", "1")
    assert [event.size_lots for event in held(tmp_path, "PEPEUSDT") if isinstance(event, Trade)] == [10**15]


def test_many_files_go_in_together_or_not_at_all(tmp_path: Path) -> None:
    good = written(tmp_path / f"{NAME}.csv", trades(3))
    bad = written(tmp_path / "ETHUSDT-trades-2025-01-01.csv", [*trades(2), "x"])
    importer = Importer(tmp_path / "history")
    with pytest.raises(SwarmError, match=r"ETHUSDT.*:3\)"):
        importer.run([FileJob(good, "binance"), FileJob(bad, "binance")])
    assert files(tmp_path) == []
    written(bad, trades(2))
    assert [one.rows for one in importer.run([FileJob(good, "binance"), FileJob(bad, "binance")])] == [
        {"trades": 3},
        {"trades": 2},
    ]


def test_what_others_left_is_swept_up_and_who_is_at_work_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "history"
    with Staging(root, "recorder-old") as old:
        left = old.folder / "ticks-1.new"
    left.write_bytes(b"12345")
    path = written(tmp_path / f"{NAME}.csv", trades(3))
    with Staging(root, "recorder-busy") as busy:
        (busy.folder / "ticks-1.new").write_bytes(b"1")
        importer = Importer(root)
        importer.run([FileJob(path, "binance")])
        assert (importer.leftovers.dropped_files, importer.leftovers.dropped_bytes) == (1, 5)
        assert (busy.folder / "ticks-1.new").exists() and not left.exists()


def test_a_dry_run_checks_all_and_keeps_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / f"{NAME}.csv", trades(3))
    assert imported(tmp_path, path, dry_run=True).rows == {"trades": 3}
    assert files(tmp_path) == []


def test_the_same_file_again_changes_nothing_and_another_of_the_same_time_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / f"{NAME}.csv", trades(3))
    imported(tmp_path, path)
    before = files(tmp_path)
    again = imported(tmp_path, path)
    assert again.known and again.rows == {"trades": 3} and files(tmp_path) == before
    assert any(name.startswith(IMPORTS) for name in before)
    other = written(tmp_path / "BTCUSDT-trades-2025-01.csv", trades(4))
    with pytest.raises(SwarmError, match="BTCUSDT has trades of that time on 2025-01-01 already"):
        imported(tmp_path, other)
    assert files(tmp_path) == before
    for part in list(parts(tmp_path / "history")):
        part.path(tmp_path / "history").unlink()
    assert not imported(tmp_path, path).known


def test_two_days_make_two_parts_and_steps_of_the_history_are_taken_over(tmp_path: Path) -> None:
    path = written(tmp_path / f"{NAME}.csv", [*trades(2), line(2, time=str(US0 + 86_400_000_000))])
    found = imported(tmp_path, path, steps=Steps(tick="0.01", lot="0.00001"))
    assert found.steps == "given" and found.series == ("trades/2025-01-01", "trades/2025-01-02")
    later = written(tmp_path / "BTCUSDT-trades-2025-01-03.csv", [line(3, time=str(US0 + 2 * 86_400_000_000))])
    assert imported(tmp_path, later).steps == "those of the history that is here"


def test_steps_come_from_exchange_info(tmp_path: Path) -> None:
    info = tmp_path / "info.json"
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.00001000"},
    ]
    one = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": filters}
    info.write_text(json.dumps({"symbols": [one]}))
    path = written(tmp_path / f"{NAME}.csv", trades(3))
    found = imported(tmp_path, path, steps=Steps(exchange_info=info))
    assert (found.tick, found.lot, found.steps) == ("0.01", "0.00001", "from info.json")
    info.write_text("{}")
    with pytest.raises(SwarmError, match="does not tell the steps of BTCUSDT"):
        imported(tmp_path, path, steps=Steps(exchange_info=info))


def test_an_import_that_was_noted_is_finished_by_whoever_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / f"{NAME}.csv", trades(3))

    def die(root: Path, folder: Path, change: Change) -> None:
        raise KeyboardInterrupt

    def killed(self: Staging) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    with monkeypatch.context() as patch:
        patch.setattr(staging_module, "_apply", die)
        patch.setattr(Staging, "close", killed)
        with pytest.raises(KeyboardInterrupt):
            imported(tmp_path, path)
    assert held(tmp_path) == [] and all(name.startswith(STAGING) for name in files(tmp_path))
    assert imported(tmp_path, path).known and len(held(tmp_path)) == 3
