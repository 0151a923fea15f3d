"""The feature store: whole or not there, once each, and only what was known when."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import ExitCode, SwarmError
from learning.rows.part import COLUMNS, _file_hash
from learning.rows.row import Rows
from learning.rows.shelf import parts
from learning.rows.store import DAY_NS, Store, StoreConfig
from tests.learning.rows.builders import START_NS, S, table


def rows(count: int = 6, symbol: str = "BTCUSDT", **told: int) -> Rows:
    return Rows.of("tokyo-x", symbol, table(count, **told))


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.parquet"))


def test_what_is_appended_comes_back_as_it_was(tmp_path: Path) -> None:
    store, given = Store(tmp_path), rows(9)
    given.table["realised_bps"][2] = np.nan
    given.table["model"][3] = b""
    assert store.append(given) == 1
    found = Store(tmp_path).rows()
    assert found.markets == (("tokyo-x", "BTCUSDT"),) and found.table.tobytes() == given.table.tobytes()
    assert files(tmp_path)[0].parent.relative_to(tmp_path).parts[:2] == ("venue=tokyo-x", "symbol=BTCUSDT")


def test_markets_and_shards_lie_side_by_side_in_the_order_of_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(Rows.joined([rows(4, "BTC/USD'%"), rows(4, "ÄTH", shard=2, first_ns=START_NS - S)]))
    found = store.rows()
    assert len(found) == store.count() == 8 and (np.diff(found.table["at_ns"]) >= 0).all()
    named = [found.markets[place] for place in found.market]
    assert named[:3] == [("tokyo-x", "ÄTH"), ("tokyo-x", "BTC/USD'%"), ("tokyo-x", "ÄTH")]
    assert len(store.rows(symbols=["ÄTH"])) == len(store.rows(symbols=["tokyo-x:BTC/USD'%"])) == 4
    assert len(store.rows(symbols=[])) == len(store.rows(symbols=["other-x:ÄTH"])) == 0


def test_a_stretch_of_time_is_half_open(tmp_path: Path) -> None:
    store, next_day_ns = Store(tmp_path), (START_NS // DAY_NS + 1) * DAY_NS
    store.append(rows(6, first_ns=next_day_ns - 3 * S))
    assert len(files(tmp_path)) == 2
    found = store.rows(next_day_ns - S, next_day_ns + S)
    assert found.table["at_ns"].tolist() == [next_day_ns - S, next_day_ns]
    assert len(store.rows(until_ns=next_day_ns)) == 3 and len(store.rows(since_ns=next_day_ns)) == 3


def test_only_what_was_known_at_a_time_is_given_for_it(tmp_path: Path) -> None:
    store, given = Store(tmp_path), rows(6)
    given.table["label_ns"] = START_NS + np.array([9, 2, 30, 4, 5, 6]) * S
    given.table["label"][5] = -1
    store.append(given)
    for as_of_s in (0, 1, 2, 5, 6, 29, 30):
        found = store.rows(as_of_ns=START_NS + as_of_s * S)
        known = [place for place in range(5) if given.table["label_ns"][place] <= START_NS + as_of_s * S]
        assert found.table["at_ns"].tolist() == given.table["at_ns"][known].tolist()
    assert store.count() == 6 and len(store.rows()) == 5


def test_what_was_known_then_does_not_change_by_what_comes_later(tmp_path: Path) -> None:
    store, as_of_ns = Store(tmp_path), START_NS + 13 * S
    store.append(rows(6))
    before = store.rows(as_of_ns=as_of_ns).table.tobytes()
    store.append(rows(600, first_ns=START_NS + 6 * S, seed=2))
    assert store.rows(as_of_ns=as_of_ns).table.tobytes() == before != b""


def test_a_decision_is_kept_once_and_its_latest_writing_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    unknown, known = rows(6), rows(6)
    unknown.table["label"] = -1
    assert store.append(unknown) == 1 and store.append(unknown) == 0
    assert len(store.rows()) == 0 and store.count() == 6
    assert store.append(known) == 1 and store.append(known.pick(slice(2, 5))) == 1
    assert store.rows().table.tobytes() == known.table.tobytes() and store.count() == 6
    assert store.compact() == 2 and len(files(tmp_path)) == 1
    assert Store(tmp_path).rows().table.tobytes() == known.table.tobytes()
    assert store.compact() == 0
    assert store.append(Rows.empty()) == 0


def test_joining_never_brings_an_older_writing_back(tmp_path: Path) -> None:
    store, first, second = Store(tmp_path, StoreConfig(files_max=2)), rows(4), rows(4, seed=2)
    store.append(first)
    store.append(second)
    # Written again in two halves, the first rows are the latest; joined, the halves equal the oldest file.
    store.append(first.pick(slice(0, 2)))
    store.append(first.pick(slice(2, 4)))
    assert store.rows().table.tobytes() == first.table.tobytes()
    store.compact()
    assert store.rows().table.tobytes() == first.table.tobytes() and len(files(tmp_path)) == 1


def test_many_small_files_become_one_by_themselves(tmp_path: Path) -> None:
    store = Store(tmp_path, StoreConfig(files_max=4))
    for place in range(11):
        store.append(rows(2, first_ns=START_NS + place * 2 * S))
        assert len(files(tmp_path)) <= 4
    assert store.count() == 22


def test_a_large_file_is_not_written_again_for_a_few_small_ones(tmp_path: Path) -> None:
    store = Store(tmp_path, StoreConfig(files_max=3))
    store.append(rows(3_000))
    (large,) = files(tmp_path)
    for place in range(8):
        store.append(rows(2, first_ns=START_NS + (3_000 + place * 2) * S, seed=3))
        assert large.exists() and len(files(tmp_path)) <= 4
    assert store.count() == 3_016
    later = rows(2)
    store.append(later)
    assert store.rows().table[:2].tobytes() == later.table.tobytes() and store.count() == 3_016
    store.compact()
    assert store.rows().table[:2].tobytes() == later.table.tobytes() and store.count() == 3_016


def test_a_bad_file_does_not_keep_new_rows_out(tmp_path: Path) -> None:
    store = Store(tmp_path, StoreConfig(files_max=2))
    store.append(rows(3))
    truncated(files(tmp_path)[0])
    for place in range(1, 6):
        assert store.append(rows(3, first_ns=START_NS + place * 10 * S)) == 1
    with pytest.raises(SwarmError, match="cannot be read"):
        store.compact()
    files(tmp_path)[0].unlink()
    assert store.count() == 15


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    store = Store(tmp_path, StoreConfig(keep_days=2))
    for day in range(4):
        store.append(rows(3, first_ns=START_NS + day * DAY_NS))
    days = store.rows().table["at_ns"] // DAY_NS - START_NS // DAY_NS
    assert sorted(set(days.tolist())) == [2, 3] and len(files(tmp_path)) == 2
    assert len(list(tmp_path.glob("venue=*/symbol=*/day=*"))) == 2


def test_an_empty_store_gives_no_rows(tmp_path: Path) -> None:
    store = Store(tmp_path / "none")
    assert len(store.rows()) == store.count() == 0
    with pytest.raises(SwarmError, match="the region has 0 labelled rows"):
        store.rows().need("tokyo")


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def scribbled(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    path.write_bytes(bytes(content))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def rewritten(path: Path, drop: str = "", **told: str) -> None:
    import pyarrow.parquet as pq

    whole = pq.read_table(path)
    metadata = {**{k.decode(): v.decode() for k, v in whole.schema.metadata.items()}, **told}
    kept = whole.select([name for name in whole.column_names if name != drop])
    pq.write_table(kept.replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (truncated, "cannot be read"),
        (emptied, "cannot be read"),
        (scribbled, "its content is not what was written"),
        (lambda path: rewritten(path, drop="f_ofi_2"), "it has no column f_ofi_2"),
        (lambda path: rewritten(path, drop="label_ns"), "it has no column label_ns"),
        (lambda path: rewritten(path, version="2"), "another version: it has version 2, this build knows 1"),
        (lambda path: rewritten(path, features="f9"), "its features are f9, this build's are f1"),
        (lambda path: rewritten(path, format="murmuration history"), "it is no file of rows"),
    ],
)
def test_a_bad_file_is_refused_by_its_name(tmp_path: Path, harm: Callable[[Path], Any], words: str) -> None:
    store = Store(tmp_path)
    store.append(rows(200))
    assert len(store.rows()) == 200
    (only,) = files(tmp_path)
    harm(only)
    for ask in (store.rows, store.count, Store(tmp_path).rows):
        with pytest.raises(SwarmError, match=words) as refused:
            ask()
        assert refused.value.code == ExitCode.BAD_DATA and only.name in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_row_that_has_nothing_in_a_column_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    Store(tmp_path).append(rows(6))
    (only,) = files(tmp_path)
    whole = pq.ParquetFile(only).read()
    place = whole.column_names.index("f_ofi_2")
    holes = pa.array([None, *whole["f_ofi_2"].to_pylist()[1:]], pa.float32())
    pq.write_table(whole.set_column(place, whole.schema.field(place), holes), only)
    only.rename(only.with_stem(f"{only.stem[: only.stem.rindex('-')]}-{_file_hash(only)}"))
    with pytest.raises(SwarmError, match="a row has nothing in column f_ofi_2"):
        Store(tmp_path).rows()


def test_a_folder_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SwarmError, match=r"rows cannot be written: (Not a directory|File exists)") as refused:
        Store(tmp_path / "file").append(rows(3))
    assert refused.value.code == ExitCode.CONFIG and "file" in str(refused.value)


def test_other_files_do_no_harm(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(rows(3))
    (only,) = files(tmp_path)
    (only.parent / "notes.txt").write_text("mine")
    (only.parent / "half.parquet.new").write_bytes(b"x")
    for name in ("my-own-copy", "0000000002-a-b-c", "2-a"):
        (only.parent / f"{name}.parquet").write_bytes(only.read_bytes())
    (only.parent.parent / "day=before").mkdir()
    (only.parent.parent / "day=before" / only.name).write_bytes(b"x")
    assert store.count() == 3 and store.append(rows(4)) == 1


def test_what_a_dead_writer_left_is_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(rows(3))
    left = tmp_path / ".staging" / "77.new"
    left.write_bytes(b"half a file")
    assert store.count() == 3
    store.append(rows(3, first_ns=START_NS + 50 * S))
    assert not left.exists() and store.count() == 6


def test_a_compaction_that_died_before_it_removed_leaves_nothing_double(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.append(rows(3))
    store.append(rows(3, first_ns=START_NS + 3 * S))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_remove", lambda *_: None)
        store.compact()
    assert len(files(tmp_path)) == 3 and store.count() == len(store.rows()) == 6
    store.compact()
    assert len(files(tmp_path)) == 1 and store.count() == 6


def test_a_reader_whose_files_were_compacted_away_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, beside = Store(tmp_path), Store(tmp_path)
    store.append(rows(3))
    store.append(rows(3, first_ns=START_NS + 3 * S))
    asked: list[int] = []
    query = Store._query

    def slow(self: Store, found: Any, sql: str) -> Any:
        if self is store and "SELECT file" in sql:
            asked.append(len(found))
            if len(asked) == 1:
                beside.compact()
        return query(self, found, sql)

    monkeypatch.setattr(Store, "_query", slow)
    assert len(store.rows()) == 6 and asked == [2, 1]


def test_a_reader_gives_up_where_files_keep_going(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, kept = Store(tmp_path), dict[Path, bytes]()
    store.append(rows(3))
    (only,) = files(tmp_path)
    kept[only] = only.read_bytes()

    def gone(self: Store, path: Path, known: object) -> None:
        path.unlink()

    def listed(root: Path) -> Any:
        only.write_bytes(kept[only])
        return parts(root)

    monkeypatch.setattr(Store, "_check", gone)
    monkeypatch.setattr("learning.rows.store.parts", listed)
    with pytest.raises(SwarmError, match="its files went while they were read") as refused:
        store.rows()
    assert refused.value.retryable


def test_what_only_the_query_finds_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.append(rows(200))
    (only,) = files(tmp_path)
    scribbled(only)
    monkeypatch.setattr(Store, "_check", lambda *_: None)
    with pytest.raises(SwarmError, match="cannot be read") as refused:
        store.rows()
    assert refused.value.code == ExitCode.BAD_DATA and "\n" not in str(refused.value)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.append(rows(3))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SwarmError, match="No space left") as refused:
            store.append(rows(3, first_ns=START_NS + 9 * S))
    assert refused.value.code == ExitCode.DISK_FULL
    assert store.count() == 3 and len(files(tmp_path)) == 1
    store.append(rows(3, first_ns=START_NS + 9 * S))
    assert store.count() == 6


SCRIPT = """
import sys
from pathlib import Path
from learning.rows.row import Rows
from learning.rows.shelf import parts
from learning.rows.store import Store, StoreConfig
from tests.learning.rows.builders import START_NS, S, table
store, place = Store(Path(sys.argv[1]), StoreConfig(files_max=2)), 0
while True:
    store.append(Rows.of("x", "Y", table(50, START_NS + place * 50 * S)))
    place += 1
    print(place, flush=True)
"""


def test_a_writer_that_is_killed_loses_nothing_that_it_said_it_wrote(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    said = 0
    while said < 3:
        said = int(writer.stdout.readline())
    writer.kill()
    rest = writer.communicate()[0].split()
    said = max([said, *(int(one) for one in rest)])
    count = Store(tmp_path).count()
    assert count in (50 * said, 50 * (said + 1))
    Store(tmp_path).compact()
    assert Store(tmp_path).count() == count and len(files(tmp_path)) == 1


def test_the_columns_are_those_that_sql_sees() -> None:
    assert {"at_ns", "shard", "model", "label", "f_ofi_1", "p_up", "realised_bps"} < set(COLUMNS)
    assert len(COLUMNS) == len(set(COLUMNS)) == 33
