"""Compacting, verifying, archiving, restoring and letting go."""

from __future__ import annotations

import io
import tarfile
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import ExitCode, SwarmError
from domain.market_events import Trade
from market.history.archive import Manifest, archive, restore
from market.history.catalog import parts
from market.history.compaction import compact
from market.history.file_job import FileJob
from market.history.history import History
from market.history.importer import Importer
from market.history.layout import MANIFESTS, part_of
from market.history.retention import retain
from market.history.verification import Verified, verify
from market.rows import RowEvent, events_of
from tests.market.history.dumps import klines, trades, written
from tests.market.history.market import MS, NOON_NS, recorded, stream

SYMBOLS = ("BTCUSDT", "ETH/USDT")
DAY, NEXT = date(2026, 1, 1), date(2026, 1, 2)


def replayed(root: Path) -> list[RowEvent]:
    """Give everything."""
    found = list(History(root).rows("test-x", SYMBOLS))
    return events_of(np.concatenate(found)) if found else []


def contents(root: Path) -> dict[str, bytes]:
    """Give every file of the history itself."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.parquet"))}


def trouble(root: Path) -> list[str]:
    """Give what verify complains about."""
    return [each for one in verify(root) for each in one.trouble]


def test_compaction_joins_the_files_of_a_day_and_changes_no_row(tmp_path: Path) -> None:
    events = stream(900)
    recorded(tmp_path, events, group_rows=20, file_rows_max=40)
    before = list(parts(tmp_path))
    done = list(compact(tmp_path, before=NEXT))
    assert len(done) == 6 and len(list(parts(tmp_path))) == 6
    assert sum(one.files_before for one in done) == len(before)
    assert sum(one.rows for one in done) == len(events) and replayed(tmp_path) == events
    assert trouble(tmp_path) == [] and list(compact(tmp_path, before=NEXT)) == []


def test_compaction_sorts_files_that_overlap(tmp_path: Path) -> None:
    first, second = stream(300, seed=1), stream(300, seed=2)
    recorded(tmp_path, first)
    later = [msgspec.structs.replace(event, local_ts_ns=event.local_ts_ns + 1) for event in second]
    # Other trades: those that history has would not be recorded again.
    recorded(
        tmp_path,
        [
            msgspec.structs.replace(one, trade_id=one.trade_id + 1_000) if isinstance(one, Trade) else one
            for one in later
        ],
    )
    wanted = sorted(event.local_ts_ns for event in replayed(tmp_path))
    list(compact(tmp_path, before=NEXT))
    assert [event.local_ts_ns for event in replayed(tmp_path)] == wanted and len(wanted) == 600
    assert len(list(parts(tmp_path))) == 6


def test_compaction_leaves_the_day_that_grows_and_other_steps_apart(tmp_path: Path) -> None:
    recorded(tmp_path, stream(200), group_rows=20, file_rows_max=20)
    before = contents(tmp_path)
    assert list(compact(tmp_path, before=DAY)) == [] and contents(tmp_path) == before


def test_bars_are_compacted_with_their_volumes(tmp_path: Path) -> None:
    minutes = written(tmp_path / "BTCUSDT-1m-2025-01.csv", klines(4))
    later = written(
        tmp_path / "BTCUSDT-1m-2025-02.csv", [line.replace("1735689", "1735690") for line in klines(2)]
    )
    root = tmp_path / "history"
    Importer(root).run([FileJob(minutes, "binance"), FileJob(later, "binance")])
    (done,) = compact(root, before=NEXT)
    (part,) = parts(root)
    table = pq.read_table(part.path(root), partitioning=None)
    assert done.rows == 6 == table.num_rows
    assert str(table.column("quote_volume")[0].as_py()) == "2240.3986090000"
    (told,) = verify(root)
    assert told.trouble == () and told.gaps == 1


def test_verify_counts_gaps_of_trades_and_books(tmp_path: Path) -> None:
    lines = trades(9)
    path = written(tmp_path / "BTCUSDT-trades-2025-01-01.csv", lines[:3] + lines[5:7] + lines[8:])
    Importer(tmp_path / "history").run([FileJob(path, "binance")])
    (told,) = verify(tmp_path / "history")
    assert (told.gaps, told.missing, told.duplicates, told.trouble) == (2, 3, 0, ())


def damaged(root: Path, kind: str = "trades") -> Path:
    """Give one file of some recorded ones, to be damaged."""
    recorded(root, stream(300))
    return next(root.rglob(f"{kind}-*.parquet"))


def test_verify_names_a_file_that_is_cut(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert any(path.name in each and "cannot be read" in each for each in trouble(tmp_path))
    with pytest.raises(SwarmError, match="cannot be read"):
        replayed(tmp_path)


def test_verify_names_a_file_whose_pages_are_damaged(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    assert any("cannot be read" in each for each in trouble(tmp_path))


def rewritten(path: Path, table: pa.Table, name: str | None = None) -> None:
    """Write a file of ours anew."""
    path.unlink()
    pq.write_table(table, path if name is None else path.with_name(name))


def test_verify_names_what_is_unsorted_short_doubled_or_in_the_wrong_place(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    table = pq.read_table(path, partitioning=None)
    rewritten(path, table.take(list(reversed(range(table.num_rows)))))
    found = " ".join(trouble(tmp_path))
    assert "is not sorted by time" in found and "ends at" in found
    rewritten(path, table.slice(0, table.num_rows - 1))
    assert any(f"has {table.num_rows - 1} rows, not {table.num_rows}" in each for each in trouble(tmp_path))
    rewritten(path, table)
    assert trouble(tmp_path) == []
    other = path.with_name(path.name.replace(f"-{table.num_rows}.", f"-{table.num_rows + 1}."))
    pq.write_table(pa.concat_tables([table, table.slice(table.num_rows - 1)]), other)
    assert f"{table.num_rows} sequences are there twice" not in trouble(tmp_path)
    assert any("sequences are there twice" in each for each in trouble(tmp_path))
    other.unlink()
    moved = Path(str(path).replace("day=2026-01-01", "day=2026-01-02").replace("BTCUSDT", "XRPUSDT"))
    moved.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, moved)
    assert any("its folder 'XRPUSDT'" in each for each in trouble(tmp_path)) or "ETH" in str(path)


def test_a_day_goes_into_an_archive_and_comes_back_the_same(tmp_path: Path) -> None:
    root, other, target = tmp_path / "a", tmp_path / "b", tmp_path / "day.tar"
    events = stream(400)
    recorded(root, events, group_rows=20, file_rows_max=60)
    manifest = archive(root, target, first=DAY, last=DAY)
    told = restore(other, target)
    assert told.files == len(manifest.files) == len(contents(root)) and told.there_already == 0
    assert contents(other) == contents(root) and replayed(other) == events
    assert restore(other, target).there_already == told.files
    assert trouble(other) == [] and list((other / MANIFESTS).glob("*.json"))
    with pytest.raises(SwarmError, match="there already"):
        archive(root, target, first=DAY, last=DAY)
    with pytest.raises(SwarmError, match="no history from"):
        archive(root, tmp_path / "none.tar", first=NEXT, last=NEXT)
    assert not list(tmp_path.glob("*.new"))


def test_an_archive_of_one_symbol_holds_only_that(tmp_path: Path) -> None:
    recorded(tmp_path / "a", stream(100))
    manifest = archive(tmp_path / "a", tmp_path / "x.tar", first=DAY, last=DAY, symbols=("ETH/USDT",))
    assert {entry.path.split("/")[1] for entry in manifest.files} == {"symbol=ETH%2FUSDT"}


def test_verify_holds_files_to_the_manifest_of_their_archive(tmp_path: Path) -> None:
    recorded(tmp_path / "a", stream(100))
    archive(tmp_path / "a", tmp_path / "x.tar", first=DAY, last=DAY)
    path = next((tmp_path / "a").rglob("*.parquet"))
    rewritten(path, pq.read_table(path, partitioning=None))
    assert trouble(tmp_path / "a") == [f"{path.name} is not what its archive's manifest says"]


def test_restoring_never_replaces_what_differs(tmp_path: Path) -> None:
    root, target = tmp_path / "a", tmp_path / "day.tar"
    recorded(root, stream(200), group_rows=20, file_rows_max=50)
    archive(root, target, first=DAY, last=DAY)
    paths = sorted(root.rglob("*.parquet"))
    rewritten(paths[0], pq.read_table(paths[0], partitioning=None))
    paths[1].unlink()
    before = contents(root)
    with pytest.raises(SwarmError, match="with other content") as told:
        restore(root, target)
    assert told.value.code == ExitCode.BAD_DATA and contents(root) == before


def test_restoring_a_day_that_was_compacted_since_would_double_it(tmp_path: Path) -> None:
    root, target = tmp_path / "a", tmp_path / "day.tar"
    recorded(root, stream(200), group_rows=20, file_rows_max=20)
    archive(root, target, first=DAY, last=DAY)
    list(compact(root, before=NEXT))
    before = contents(root)
    with pytest.raises(SwarmError, match="of the time that is to be restored"):
        restore(root, target)
    assert contents(root) == before


def test_damaged_archives_restore_nothing(tmp_path: Path) -> None:
    root, target = tmp_path / "a", tmp_path / "day.tar"
    recorded(root, stream(200))
    archive(root, target, first=DAY, last=DAY)
    whole = target.read_bytes()
    with tarfile.open(target) as tar:
        names = tar.getnames()
        place = tar.getmember(names[2]).offset_data
    broken = {
        "cut": whole[: len(whole) // 2],
        "no tar": b"not a tar" * 200,
        "flipped": whole[: place + 50] + bytes([whole[place + 50] ^ 1]) + whole[place + 51 :],
        "short": whole[: place - 512] + bytes(10_240),
    }
    for name, data in broken.items():
        path = tmp_path / f"{name}.tar"
        path.write_bytes(data)
        with pytest.raises(SwarmError) as told:
            restore(tmp_path / "b", path)
        assert told.value.code == ExitCode.BAD_DATA, name
        assert contents(tmp_path / "b") == {}, name


def made_tar(path: Path, files: dict[str, bytes]) -> Path:
    """Write a tar of anything."""
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"x": b""}, "does not begin with manifest.json"),
        ({"manifest.json": b"{"}, "manifest.json cannot be read"),
        ({"manifest.json": msgspec.json.encode(Manifest("other", ()))}, "the format is 'other'"),
        (
            {"manifest.json": msgspec.json.encode(Manifest("murmuration archive 1", ())), "../../evil": b"1"},
            "holds '../../evil', which its manifest does not",
        ),
        (
            {
                "manifest.json": b'{"format":"murmuration archive 1","files":'
                b'[{"path":"../evil","bytes":1,"blake2b":""}]}',
                "../evil": b"1",
            },
            "holds '../evil'",
        ),
    ],
)
def test_a_tar_of_somebody_else_is_refused(tmp_path: Path, files: dict[str, bytes], what: str) -> None:
    with pytest.raises(SwarmError, match=what):
        restore(tmp_path / "history", made_tar(tmp_path / "x.tar", files))
    assert not (tmp_path / "evil").exists()


def test_old_days_go_only_when_it_is_meant(tmp_path: Path) -> None:
    recorded(tmp_path, stream(100))
    recorded(tmp_path, stream(100, start_ns=NOON_NS + 86_400_000 * MS))
    before = contents(tmp_path)
    told = retain(tmp_path, first_kept=NEXT)
    assert not told.done and told.rows == 100 and contents(tmp_path) == before
    done = retain(tmp_path, first_kept=NEXT, really=True)
    assert done.done and done.parts == told.parts
    assert {part.series.day for part in parts(tmp_path)} == {NEXT}
    assert not list(tmp_path.rglob("day=2026-01-01"))
    assert not retain(tmp_path, first_kept=NEXT, really=True).done


def test_names_that_are_none_of_ours_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "venue=a" / "symbol=b" / "day=2026-01-01"
    folder.mkdir(parents=True)
    for name in ("ticks-1-2.parquet", "odd-1-2-3.parquet", "ticks-a-b-c.parquet", "notes.txt"):
        (folder / name).write_bytes(b"")
        assert part_of(folder / name) is None
    assert list(parts(tmp_path)) == [] and list(parts(tmp_path / "none")) == []


def test_one_series_of_a_verified_report_says_what_it_holds(tmp_path: Path) -> None:
    recorded(tmp_path, stream(100))
    found: list[Verified] = list(verify(tmp_path, venues=("test-x",)))
    assert sum(one.rows for one in found) == 100 and all(one.files == 1 for one in found)
    assert list(verify(tmp_path, venues=("other",))) == []
