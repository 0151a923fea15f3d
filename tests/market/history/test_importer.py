"""Importing files, good and bad."""

from __future__ import annotations

import json
import os
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import ExitCode, SwarmError
from domain.market_events import BookDelta, BookSnapshot, Tick, Trade
from market.history import staging as staging_module
from market.history.catalog import parts
from market.history.file_job import FileJob
from market.history.history import History
from market.history.importer import Imported, Importer
from market.history.layout import IMPORTS, STAGING, Kind
from market.history.staging import Change, Staging
from market.history.steps import Steps
from market.rows import RowEvent, events_of
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

NAME = "BTCUSDT-trades-2025-01-01"


def imported(root: Path, path: Path, *, dry_run: bool = False, **job: Any) -> Imported:
    """Import one file."""
    (found,) = Importer(root / "history").run([FileJob(path, "binance", **job)], dry_run=dry_run)
    return found


def held(root: Path, symbol: str = "BTCUSDT") -> list[RowEvent]:
    """Give all rows of a market as events."""
    found = list(History(root / "history").rows("binance", (symbol,)))
    return events_of(np.concatenate(found)) if found else []


def files(root: Path) -> list[str]:
    """Give every file under the history but the locks."""
    folder = root / "history"
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != "lock")


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


def line(number: int, **changes: str) -> str:
    """Give one line of trades with some columns changed."""
    names = TRADES_HEAD.split(",")
    return ",".join(
        changes.get(name, told) for name, told in zip(names, trades(9)[number].split(","), strict=True)
    )


BAD = [
    ([*trades(3), "4,93579.05"], 4, "2 columns, not 7"),
    ([*trades(3), line(3) + ",extra"], 4, "8 columns, not 7"),
    ([*trades(2), line(2, price="abc")], 3, "price 'abc' is no decimal number"),
    ([*trades(2), line(2, price="NaN")], 3, "price 'NaN' is no decimal number"),
    ([*trades(2), line(2, qty="")], 3, "qty '' is no"),
    ([*trades(2), line(2, qty="-1")], 3, "size is not above zero"),
    ([*trades(2), line(2, price="0")], 3, "price is not above zero"),
    ([*trades(2), line(2, id="x7")], 3, "id 'x7' is no whole number"),
    ([*trades(3), trades(3)[2]], 4, "the id is there twice"),
    ([*trades(3), line(3, id="2")], 4, "the id goes back"),
    ([*trades(3), line(3, time=str(US0))], 4, "the time goes back"),
    ([*trades(2), trades(3, 1000)[2]], 3, "is no time in us"),
    ([*trades(2), line(2, time="tomorrow")], 3, "time 'tomorrow' is no whole number"),
    ([*trades(2), line(2, is_buyer_maker="maybe")], 3, "maker is neither false nor true"),
    ([*trades(2), '7,"93579,1,1,1,True,True'], 3, "the line is no CSV"),
    ([*trades(2), "", *trades(2, first=9)], 3, "price '' is no decimal number"),
    ([line(0, time="12")], 1, "12 is no time between 2009 and 2100"),
    (["1,2,3"], 1, "3 columns, not 6 or 7"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "number", "what"), BAD)
@pytest.mark.parametrize("headed", [False, True])
def test_a_bad_line_is_named_and_nothing_is_imported(
    tmp_path: Path, lines: list[str], number: int, what: str, headed: bool
) -> None:
    path = written(tmp_path / f"{NAME}.csv", lines, header=TRADES_HEAD if headed else None)
    if headed and number == 1 and "6 or 7" in what:
        what = "3 columns, not 7"
    with pytest.raises(SwarmError) as told:
        imported(tmp_path, path)
    assert told.value.code == ExitCode.BAD_DATA
    assert what in told.value.what and told.value.where == f"{path}:{number + headed}"
    assert files(tmp_path) == []


def test_a_line_far_into_a_large_file_is_named(tmp_path: Path) -> None:
    lines = trades(120_000)
    lines[119_990] = lines[119_990].replace(".05", ".O5")
    path = written(tmp_path / f"{NAME}.zip", lines, zipped=True)
    with pytest.raises(SwarmError, match=r":119991\)"):
        imported(tmp_path, path)
    assert files(tmp_path) == []


def test_a_file_cut_in_its_last_line_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / f"{NAME}.csv", trades(3))
    path.write_text(path.read_text()[:-1])
    with pytest.raises(SwarmError, match="the last line is cut"):
        imported(tmp_path, path)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_zip_that_is_cut_is_refused(tmp_path: Path, keep: float) -> None:
    path = written(tmp_path / f"{NAME}.zip", trades(500), zipped=True)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(SwarmError, match="the zip is cut or damaged") as told:
        imported(tmp_path, path)
    assert told.value.code == ExitCode.BAD_DATA and files(tmp_path) == []


def test_a_zip_with_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / f"{NAME}.zip", trades(500), zipped=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(SwarmError) as told:
        imported(tmp_path, path)
    assert told.value.code == ExitCode.BAD_DATA and files(tmp_path) == []


def test_a_zip_of_two_files_an_empty_file_and_bad_text_are_refused(tmp_path: Path) -> None:
    two, empty, odd = tmp_path / f"{NAME}.zip", tmp_path / "ETHUSDT-trades-2025-01-01.csv", tmp_path / "o.csv"
    with zipfile.ZipFile(two, "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("b", "1")
    empty.write_bytes(b"")
    odd.write_bytes(b"1,2,3,4,1735689600000000,True,True\n2,\xff,3,4,1735689600000000,True,True\n")
    for path, what in (
        (two, "holds 2 files"),
        (empty, "the file is empty"),
        (odd, r"no text in UTF-8.*:2\)"),
    ):
        with pytest.raises(SwarmError, match=what):
            imported(
                tmp_path,
                path,
                symbol=None if path != odd else "BTCUSDT",
                format=None if path != odd else "trades",
            )


def test_files_of_another_symbol_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / f"{NAME}.csv", trades(3))
    with pytest.raises(SwarmError, match="named after BTCUSDT, not ETHUSDT"):
        imported(tmp_path, path, symbol="ETHUSDT")
    mixed = depth()
    mixed[5] = mixed[5].replace("BTCUSDT", "ETHUSDT")
    path = written(tmp_path / "BTCUSDT_T_DEPTH_2025-01-01.csv", mixed)
    with pytest.raises(SwarmError, match=r"the symbol is 'ETHUSDT', not BTCUSDT .*:6\)"):
        imported(tmp_path, path)


@pytest.mark.parametrize(
    ("old", "new", "number", "what"),
    [
        (",b,set,99.4", ",c,set,99.4", 7, "side is 'c'"),
        (",b,set,99.4", ",b,delta,99.4", 7, "update_type is 'delta'"),
        (",53,53,", ",40,40,", 7, "last_update_id goes back"),
        (",53,53,", ",54,53,", 7, "first_update_id is above"),
    ],
)
def test_bad_depth_lines_are_named(tmp_path: Path, old: str, new: str, number: int, what: str) -> None:
    path = tmp_path / "BTCUSDT_T_DEPTH_2025-01-01.csv"
    written(path, [one.replace(old, new) for one in depth()])
    with pytest.raises(SwarmError) as told:
        imported(tmp_path, path)
    assert what in told.value.what and told.value.where == f"{path}:{number}" and files(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("4.1587", "4.1001", "high and low do not hold the bar"),
        (f"{US0 + 119_999_999}", f"{US0 + 118_999_999}", "another length"),
        (f"{US0 + 60_000_000},", f"{US0},", "there twice"),
    ],
)
def test_bad_bars_are_named(tmp_path: Path, old: str, new: str, what: str) -> None:
    lines = klines()
    lines[1] = lines[1].replace(old, new)
    with pytest.raises(SwarmError, match=rf"{what}.*:2\)"):
        imported(tmp_path, written(tmp_path / "BTCUSDT-1m-2025-01.csv", lines))


def test_book_depth_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-bookDepth-2025-01-01.csv", ["2025-01-01 00:00:08,-5,1,2"])
    with pytest.raises(SwarmError, match="bands of depth, not levels"):
        imported(tmp_path, path)


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


@pytest.mark.parametrize(
    ("job", "what"),
    [
        ({"steps": Steps(tick="0.01")}, "tick and lot come together"),
        ({"steps": Steps(tick="0.1", lot="1")}, r"is no multiple of 0\.1"),
        ({"steps": Steps(tick="0.0000000001", lot="0.1")}, "cannot be used"),
        ({"format": "odd"}, "no format 'odd'"),
        ({"format": "csv"}, "does not say what its columns mean"),
        ({"format": "csv", "map": "price=p"}, "trades need 'size'"),
        ({"format": "csv", "map": "price"}, "is not FIELD=COLUMN"),
        ({"format": "csv", "map": "price=a,size=b,time=c,x=y"}, "trades have no field 'x'"),
        ({"format": "csv", "map": "price=a,size=b,time=c", "columns": tuple("abcdefg")}, "is no"),
        ({"format": "csv", "map": "price=a,size=b,time=c"}, "there is no column 'a'"),
        ({"format": "csv", "map": "price=a,size=b,time=c", "kind": Kind.TICKS}, "ticks need 'bid'"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_one_clear_line(tmp_path: Path, job: dict[str, Any], what: str) -> None:
    path = written(tmp_path / f"{NAME}.csv", trades(3), header="id,price,qty,quote_qty,time,m,b")
    with pytest.raises(SwarmError, match=what):
        imported(tmp_path, path, **job)
    assert files(tmp_path) == []


def test_names_that_tell_nothing_need_a_word(tmp_path: Path) -> None:
    with pytest.raises(SwarmError, match="not told by its name"):
        imported(tmp_path, written(tmp_path / "data.dat", trades(1)), symbol="BTCUSDT")
    with pytest.raises(SwarmError, match="no symbol is known"):
        imported(tmp_path, written(tmp_path / "data.csv", trades(1)), format="trades")
    with pytest.raises(SwarmError, match="does not tell its two assets"):
        imported(tmp_path, written(tmp_path / "data.csv", trades(1)), format="trades", symbol="XY")


@pytest.mark.parametrize(
    ("suffix", "text", "what"),
    [
        ("jsonl", '{"p":1,"q":1,"t":1735689600000}\n{"p":1,\n', r"no JSON.*:2\)"),
        ("jsonl", '{"p":1,"q":1}\n', r"has no 't'.*:1\)"),
        ("jsonl", "[]\n", "no rows"),
        ("jsonl", "5\n", r"no object.*:1\)"),
        ("jsonl", '{"p":null,"q":1,"t":1735689600000}\n', r"neither text nor a number.*:1\)"),
        ("jsonl", "", "the file is empty"),
        ("json", '[{"p":1,"q":1,"t":1735689600000},{"p":1', r"cut or damaged in this element.*:2\)"),
        ("json", '[{"p":1,"q":1,"t":1735689600000}] x', "something follows the array"),
        ("json", "[\xff", "damaged|UTF-8"),
    ],
)
def test_bad_json_is_named(tmp_path: Path, suffix: str, text: str, what: str) -> None:
    path = tmp_path / f"mine.{suffix}"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(SwarmError, match=what) as told:
        imported(
            tmp_path, path, symbol="BTCUSDT", map="price=p,size=q,time=t", steps=Steps(tick="1", lot="1")
        )
    assert told.value.code == ExitCode.BAD_DATA and files(tmp_path) == []


def test_bad_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    path.write_bytes(b"PAR1 and no more")
    wanted: dict[str, Any] = {"symbol": "BTCUSDT", "map": "price=p,size=q,time=t"}
    with pytest.raises(SwarmError, match="the Parquet file is cut or damaged"):
        imported(tmp_path, path, **wanted)
    pq.write_table(pa.table({"p": ["1", None], "q": [1, 2], "t": [1, 2]}), path)
    with pytest.raises(SwarmError, match=r"p is absent.*:2\)"):
        imported(tmp_path, path, **wanted)
    pq.write_table(pa.table({"p": ["1"], "q": [1]}), path)
    with pytest.raises(SwarmError, match="there is no column 't'"):
        imported(tmp_path, path, **wanted)


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
