"""Files to import that are cut, mixed or wrong: the line is named, and nothing is imported."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import ExitCode, SwarmError
from market.history.layout import Kind
from market.history.steps import Steps
from tests.market.history.dumps import (
    TRADES_HEAD,
    US0,
    depth,
    klines,
    trades,
    written,
)
from tests.market.history.importing import NAME, files, imported, line

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
