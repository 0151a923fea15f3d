"""Recording and replay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import ExitCode, SwarmError
from domain.market_events import FeedUp, MarketRows
from market.history import part as part_module
from market.history.catalog import parts
from market.history.history import History
from market.history.layout import Kind, part_of
from market.history.queue import RowQueue
from market.history.recorder import Recorder, RecorderConfig
from market.history.staging import Staging
from market.rows import events_of
from tests.market.history.market import MS, NOON_NS, Standing, instrument, packed, recorded, stream

SYMBOLS = ("BTCUSDT", "ETH/USDT")


def test_what_was_recorded_is_replayed_in_the_order_in_which_it_came(tmp_path: Path) -> None:
    events = stream(2_000)
    told = recorded(tmp_path, events).stats()
    rows = list(History(tmp_path).rows("test-x", SYMBOLS))
    assert events_of(np.concatenate(rows)) == events
    assert all(batch.flags.c_contiguous and batch.shape[1] == 10 for batch in rows)
    assert sum(told.records.values()) == len(events) and told.dropped_rows == told.lost_rows == 0
    assert told.files == 6 and told.bytes == sum(p.stat().st_size for p in tmp_path.rglob("*.parquet"))
    assert told.alarm is None and told.waiting_rows == 0 and told.unwritten_records == 0


@pytest.mark.parametrize(
    ("group_rows", "file_rows_max", "batch_rows"), [(1, 7, 1), (50, 120, 64), (7, 1, 9_999)]
)
def test_the_sizes_of_groups_files_and_batches_change_nothing(
    tmp_path: Path, group_rows: int, file_rows_max: int, batch_rows: int
) -> None:
    events = stream(120, instruments=3)
    told = recorded(tmp_path, events, 3, group_rows=group_rows, file_rows_max=file_rows_max)
    history = History(tmp_path)
    got = np.concatenate(list(history.rows("test-x", (*SYMBOLS, "SOLUSDT"), batch_rows=batch_rows)))
    assert events_of(got) == events
    assert told.files >= 9


def test_a_stretch_of_time_is_what_lies_in_it(tmp_path: Path) -> None:
    events = stream(200)
    recorded(tmp_path, events, group_rows=20)
    history = History(tmp_path)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(-5, 250), st.integers(-5, 250), st.sampled_from((1, 50, 5_000)))
    def holds(low: int, high: int, batch_rows: int) -> None:
        start_ns, end_ns = NOON_NS + low * MS, NOON_NS + high * MS
        got = list(history.rows("test-x", SYMBOLS, start_ns, end_ns, batch_rows=batch_rows))
        told = [event for batch in got for event in events_of(batch)]
        assert told == [event for event in events if start_ns <= event.local_ts_ns < end_ns]

    holds()


@pytest.mark.parametrize("bound", [{"buffered_rows_max": 30}, {"open_files_max": 1}])
def test_the_bounds_of_memory_and_open_files_change_nothing(tmp_path: Path, bound: dict[str, Any]) -> None:
    events = stream(600)
    told = recorded(tmp_path, events, group_rows=25, **bound).stats()
    assert events_of(np.concatenate(list(History(tmp_path).rows("test-x", SYMBOLS)))) == events
    assert told.files > 6


def test_one_symbol_and_one_kind_can_be_replayed_and_get_the_index_that_is_asked_for(tmp_path: Path) -> None:
    events = stream(500)
    recorded(tmp_path, events)
    market = instrument(7, "ETH/USDT")
    history = History(tmp_path)
    (rows,) = history.rows("test-x", ("ETH/USDT",), instruments={"ETH/USDT": market}, kinds=(Kind.TRADES,))
    wanted = [event for event in events if type(event).__name__ == "Trade" and event.instrument == 1]
    assert [event.trade_id for event in events_of(rows)] == [event.trade_id for event in wanted]  # type: ignore[union-attr]
    assert set(rows[:, 1].tolist()) == {7}
    assert history.instrument("test-x", "ETH/USDT", 7).tick == market.tick
    with pytest.raises(SwarmError, match=r"has tick 0\.01 and lot 0\.00001, the market now 0\.1"):
        list(history.rows("test-x", ("ETH/USDT",), instruments={"ETH/USDT": instrument(7, tick="0.1")}))
    with pytest.raises(SwarmError, match="no history of XRP"):
        history.instrument("test-x", "XRP")


def test_files_stand_alone_and_say_what_they_hold(tmp_path: Path) -> None:
    recorded(tmp_path, stream(300))
    for path in tmp_path.rglob("*.parquet"):
        part = part_of(path)
        file = pq.ParquetFile(path)
        told = {key.decode(): value.decode() for key, value in file.schema_arrow.metadata.items()}
        assert part is not None and part.rows == file.metadata.num_rows and told["kind"] == part.series.kind
        assert (told["tick"], told["lot"], told["quote"]) == ("0.01", "0.00001", "USDT")
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"
        times = file.read().column("local_ts_ns").to_pylist()
        assert times == sorted(times) and (times[0], times[-1]) == (part.first_ns, part.last_ns)
        file.close()
    assert (tmp_path / "venue=test-x" / "symbol=ETH%2FUSDT" / "day=2026-01-01").is_dir()


def test_midnight_and_a_clock_that_went_back_begin_another_file(tmp_path: Path) -> None:
    late = stream(200, start_ns=NOON_NS + 12 * 3_600_000 * MS - 100 * MS)
    earlier = stream(100, start_ns=NOON_NS, seed=3)
    recorded(tmp_path, late + earlier, group_rows=16)
    days = {part.series.day.isoformat() for part in parts(tmp_path)}
    assert days == {"2026-01-01", "2026-01-02"}
    got = events_of(np.concatenate(list(History(tmp_path).rows("test-x", SYMBOLS))))
    assert got == earlier + late


def test_structs_and_rows_may_be_mixed_and_the_feed_may_write_over_its_rows(tmp_path: Path) -> None:
    events = stream(60)
    rows = packed(events[:30])
    recorder = Recorder(tmp_path, [instrument(), instrument(1, "ETH/USDT")], Standing())
    with recorder:
        recorder.deliver(FeedUp("test-x", 1))
        recorder.deliver(MarketRows(1, rows))
        rows[:] = 0
        for event in events[30:]:
            recorder.deliver(event)
    assert events_of(np.concatenate(list(History(tmp_path).rows("test-x", SYMBOLS)))) == events
    recorder.close()


def test_files_become_whole_while_it_goes_on(tmp_path: Path) -> None:
    recorder = Recorder(
        tmp_path, [instrument()], Standing(), RecorderConfig(poll_s=0.001, file_s=0.001, queue_rows_max=10)
    )
    waited = threading.Event()
    with recorder:
        recorder.deliver(stream(1, 1)[0])
        for _ in range(2_000):
            if recorder.files == 1:
                break
            waited.wait(0.005)
        assert [part.rows for part in parts(tmp_path)] == [1]


def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    queue = RowQueue(10)
    for number in range(6):
        queue.put(np.full((3, 10), number))
    assert queue.waiting_rows == 9 and queue.dropped_rows == 9
    assert [batch[0, 0] for batch in queue.take(4)] == [3, 4]
    assert [batch[0, 0] for batch in queue.take(4)] == [5]
    assert queue.take(4) == [] and queue.taken_rows == 9
    queue.put(np.zeros((50, 10), np.int64))
    assert queue.waiting_rows == 50, "one batch always passes"


def test_a_full_disk_ends_the_recording_with_one_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_module, "open_sink", lambda path: pa.OSFile("/dev/full", "wb"))
    alarms: list[str] = []
    config = RecorderConfig(poll_s=0.001, group_rows=10)
    recorder = Recorder(
        tmp_path, [instrument(), instrument(1, "ETH/USDT")], Standing(), config, alarms.append
    )
    with recorder:
        for event in stream(100):
            recorder.deliver(event)
        waited = threading.Event()
        for _ in range(2_000):
            if recorder.alarm is not None:
                break
            waited.wait(0.005)
        before = recorder.lost_rows
        recorder.deliver(stream(1)[0])
        assert recorder.lost_rows == before + 1
    assert len(alarms) == 1 and "the disk is full" in alarms[0] and recorder.stats().alarm == alarms[0]
    assert list(parts(tmp_path)) == []


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (OSError(5, "Input/output error"), "Input/output error"),
        (ValueError("odd"), "a mistake of ours: ValueError: odd"),
        (SwarmError("gone", where="here", mend="mend"), "gone"),
    ],
)
def test_other_trouble_ends_the_recording_with_one_alarm_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, word: str
) -> None:
    def fail(path: Path) -> None:
        raise error

    monkeypatch.setattr(part_module, "open_sink", fail)
    told = recorded(tmp_path, stream(10)).alarm
    assert told is not None and told.startswith("recording stopped") and word in told


def test_the_same_stretch_recorded_twice_is_an_alarm_and_changes_nothing(tmp_path: Path) -> None:
    recorded(tmp_path, stream(50))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    told = recorded(tmp_path, stream(50)).alarm
    assert told is not None and "is there already" in told
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == before


def test_rows_that_are_none_stop_the_recording(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, [instrument()], Standing(), RecorderConfig(poll_s=0.001))
    with recorder:
        recorder.record(np.full((2, 10), 99))
    assert recorder.alarm is not None and "row 0 of 2 begins no record" in recorder.alarm


def test_two_recorders_of_one_venue_refuse_each_other(tmp_path: Path) -> None:
    with (
        Recorder(tmp_path, [instrument()], Standing()),
        pytest.raises(SwarmError, match="is at work in process") as told,
        Recorder(tmp_path, [instrument()], Standing()),
    ):
        pass
    assert told.value.code == ExitCode.STATE_IN_USE


KILLED = """
import sys, time
from pathlib import Path
from market.history.recorder import Recorder, RecorderConfig
from tests.market.history.market import Standing, instrument, stream
config = RecorderConfig(poll_s=0.001, group_rows=50, file_s=3600, file_rows_max=400)
recorder = Recorder(Path(sys.argv[1]), [instrument(), instrument(1, "ETH/USDT")], Standing(), config)
recorder.start()
for event in stream(3000):
    recorder.deliver(event)
while recorder.queue.waiting_rows or recorder.files < 2:
    time.sleep(0.001)
print("filled", flush=True)
time.sleep(60)
"""


def test_a_kill_loses_only_what_no_whole_file_held_and_the_next_start_says_so(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"filled\n"
        os.kill(child.pid, signal.SIGKILL)
    events = stream(3000)
    kept = events_of(np.concatenate(list(History(tmp_path).rows("test-x", SYMBOLS))))
    assert len(kept) > 400 and [event for event in events if event in kept] == kept
    again = Recorder(tmp_path, [instrument()], Standing())
    with again:
        pass
    (leftovers,) = again.leftovers
    assert leftovers.dropped_files > 0 and "unfinished files" in str(leftovers)
    assert not list(tmp_path.rglob("*.new"))
    with Staging(tmp_path, "recorder-test-x") as staging:
        assert not staging.leftovers
