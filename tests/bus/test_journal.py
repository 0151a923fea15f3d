"""The contract of every store, and what a journal on disk adds to it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.journal import Journal, JournalConfig
from bus.journal_block import block_hash, genesis_hash, pack, unpack
from bus.journal_mark import Mark, read_mark
from bus.journal_memory import MemoryJournal
from bus.journal_reader import journal_head, open_reader, verify
from bus.segment import read_blocks, segment_numbers
from domain.errors import ExitCode, SwarmError
from domain.protocols import Store
from tests.bus.journal_builders import NAME, journal_of, killed_journal, many

MAKERS: dict[str, Callable[[Path], Store]] = {
    "Journal": lambda folder: Journal.open(folder / "disk", NAME),
    "MemoryJournal": lambda folder: MemoryJournal(NAME),
}


def test_every_store_in_bus_is_under_contract() -> None:
    needed = {"append", "commit", "snapshot", "latest_snapshot", "read", "head_hash"}
    found = {
        cls.__name__
        for module in ("bus.journal", "bus.journal_memory", "bus.journal_reader", "bus.journal_chain")
        for cls in vars(sys.modules[module]).values()
        if isinstance(cls, type) and needed <= set(dir(cls))
    }
    assert found == set(MAKERS) and len(found) == 2


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())
def test_a_store_gives_back_what_was_committed_in_order(
    maker: Callable[[Path], Store], tmp_path: Path
) -> None:
    store = maker(tmp_path)
    assert (store.events, store.latest_snapshot(), list(store.read(1))) == (0, None, [])
    assert [store.append(each) for each in (b"a", b"", b"c")] == [1, 2, 3]
    assert list(store.read(1)) == [] and store.events == 3
    before = store.head_hash
    store.commit()
    assert store.head_hash != before
    store.append(b"d")
    store.commit()
    store.commit()
    assert list(store.read(1)) == [(1, b"a"), (2, b""), (3, b"c"), (4, b"d")]
    assert list(store.read(3)) == [(3, b"c"), (4, b"d")] and list(store.read(5)) == []
    store.snapshot(b"first")
    store.append(b"e")
    store.snapshot(b"second")
    assert store.latest_snapshot() == (5, b"second") and store.events == 5
    expected = genesis_hash(NAME)
    for first, block in ((1, [b"a", b"", b"c"]), (4, [b"d"]), (5, [b"e"])):
        expected = block_hash(expected, first, pack(block))
    assert store.head_hash == expected.hex()


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_records_survive_packing(records: list[bytes]) -> None:
    assert unpack(pack(records)) == records


@given(st.binary(max_size=60))
def test_any_other_bytes_are_a_value_error_or_the_packing_of_what_they_give(content: bytes) -> None:
    try:
        records = unpack(content)
    except ValueError:
        return
    assert pack(records) == content


def test_segments_follow_each_other_and_replay_as_one(tmp_path: Path) -> None:
    blocks = many(10)
    journal = journal_of(tmp_path, blocks, segment_events_max=6)
    head = journal.head_hash
    journal.close()
    journal.close()
    assert segment_numbers(tmp_path) == [1, 2, 3, 4, 5]
    with Journal.open(tmp_path, NAME) as again:
        assert again.report.segments == 5 and again.report.events == 30 and again.head_hash == head
        records = [record for block in blocks for record in block]
        assert [record for _, record in again.read(1)] == records
        assert next(again.read(14)) == (14, records[13])
    single = MemoryJournal(NAME)
    for block in blocks:
        for record in block:
            single.append(record)
        single.commit()
    assert single.head_hash == head


def test_a_segment_ends_by_its_size_too(tmp_path: Path) -> None:
    journal_of(tmp_path, [[b"x" * 50_000]] * 6, segment_bytes_max=100_000).close()
    assert len(segment_numbers(tmp_path)) > 2 and verify(tmp_path).events == 6


def test_a_writer_that_died_after_sealing_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, many(2), segment_events_max=6)
    journal._writer.seal(journal.committed_events, bytes.fromhex(journal.head_hash))
    journal.close()
    again = Journal.open(tmp_path, NAME)
    again.append(b"more")
    again.close()
    report = verify(tmp_path)
    assert (report.segments, report.events, report.reason) == (2, 7, None)


def test_the_newest_two_snapshots_are_kept_and_a_damaged_one_is_not_believed(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, many(1))
    for state in (b"one", b"two", b"three"):
        journal.append(b"tick")
        journal.snapshot(state)
    files = sorted(tmp_path.glob("snapshot-*"))
    assert len(files) == 2 and journal.latest_snapshot() == (6, b"three")
    files[-1].write_bytes(files[-1].read_bytes()[:-1] + b"?")
    assert journal.latest_snapshot() == (5, b"two")
    files[0].rename(files[0].with_name("snapshot-000000000000004"))
    assert journal.latest_snapshot() is None
    journal.close()


def test_a_snapshot_of_a_cut_tail_is_not_believed_and_goes_with_the_next(tmp_path: Path) -> None:
    killed_journal(tmp_path, [[b"a"], [b"snapshot"]])
    log = tmp_path / "000001.db-wal"
    os.truncate(log, log.stat().st_size - 1)
    with Journal.open(tmp_path, NAME) as journal:
        assert journal.report.cut_events == 1 and journal.latest_snapshot() is None
        journal.append(b"another")
        journal.append(b"and another")
        journal.snapshot(b"new")
        assert journal.latest_snapshot() == (3, b"new")
        journal.snapshot(b"")
        assert journal.latest_snapshot() == (3, b"")


def test_an_unfinished_commit_is_cut_and_reported(tmp_path: Path) -> None:
    killed_journal(tmp_path, [[b"a" * 3000], [b"b" * 3000]])
    log = tmp_path / "000001.db-wal"
    content = log.read_bytes()
    with log.open("ab") as file:
        file.write(b"\0\0\0\1\0\0\0\0" + content[16:24] + b"half a frame")
    with Journal.open(tmp_path, NAME) as journal:
        assert journal.report.cut_bytes == 28 and journal.report.cut_events == 0
        assert journal.report.reason == "the last commit was not finished"
    assert verify(tmp_path).reason is None


def test_a_full_queue_is_committed_inline(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "events", NAME, JournalConfig(pending_events_max=3)) as journal:
        for each in range(7):
            journal.append(bytes([each]))
        assert (journal.committed_events, journal.events) == (6, 7)
    with Journal.open(tmp_path / "bytes", NAME, JournalConfig(pending_bytes_max=10)) as journal:
        for _ in range(3):
            journal.append(b"12345")
        assert journal.committed_events == 2


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with Journal.open(tmp_path, NAME) as journal:
        with pytest.raises(SwarmError, match=f"in use by process {os.getpid()}") as refusal:
            Journal.open(tmp_path, NAME)
        assert refusal.value.code is ExitCode.STATE_IN_USE
        journal.append(b"still here")
        journal.commit()
    assert verify(tmp_path).events == 1


def test_appends_go_on_while_another_thread_commits(tmp_path: Path) -> None:
    done = threading.Event()
    with Journal.open(tmp_path, NAME) as journal:

        def commit_often() -> None:
            while not done.is_set():
                journal.commit()

        thread = threading.Thread(target=commit_often)
        thread.start()
        records = [str(each).encode() for each in range(20_000)]
        assert [journal.append(record) for record in records] == list(range(1, 20_001))
        done.set()
        thread.join()
    with Journal.open(tmp_path, NAME) as again:
        assert [record for _, record in again.read(1)] == records


def test_a_reader_sees_a_running_journal_without_disturbing_it(tmp_path: Path) -> None:
    with journal_of(tmp_path, many(5), segment_events_max=6) as journal:
        reader = open_reader(tmp_path)
        reading = reader.read(2)
        assert next(reading) == (2, b"0/1")
        for block in many(20):
            for record in block:
                journal.append(record)
            journal.commit()
        assert reader.name == NAME and verify(tmp_path).events == 75
        assert reader.tail(2) == [(74, b"19/1"), (75, b"19/2")]
        assert len(list(reading)) >= 10
        head = journal_head(tmp_path)
        assert head is not None and (head.events, head.hash) == (75, journal.head_hash)
        assert verify(tmp_path).hash == journal.head_hash


def test_a_folder_without_a_journal_is_said_so(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(SwarmError, match="no journal here") as refusal:
            open_reader(folder)
        assert refusal.value.code is ExitCode.NOT_STARTED
    assert journal_head(tmp_path) is None
    journal_of(tmp_path, many(1)).close()
    (tmp_path / "head").unlink()
    assert open_reader(tmp_path).tail(1) == [(3, b"0/2")]
    assert "head mark is missing" in (verify(tmp_path).reason or "")


def test_a_mark_cut_short_or_of_another_kind_is_not_believed(tmp_path: Path) -> None:
    mark = Mark(3, 4, 5, b"h" * 32)
    assert Mark.of(mark.to_bytes()) == mark
    assert Mark.of(mark.to_bytes()[:-1]) is None and Mark.of(b"") is None
    (tmp_path / "head").write_bytes(b"garbage")
    assert read_mark(tmp_path) is None


def test_a_closed_journal_takes_nothing_more(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, many(1))
    journal.close()
    journal.append(b"late")
    with pytest.raises(AssertionError, match="closed journal"):
        journal.commit()
    assert verify(tmp_path).events == 3


def test_a_segment_that_is_sealed_while_it_is_verified_is_whole(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, many(2), segment_events_max=6)

    def seal_after(*arguments: Any) -> Any:
        blocks = list(read_blocks(*arguments))
        if journal.committed_events == 6:
            journal.append(b"next segment")
            journal.commit()
        return blocks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bus.segment.read_blocks", seal_after)
        assert verify(tmp_path).events == 6
    assert verify(tmp_path).events == 7 and segment_numbers(tmp_path) == [1, 2]
    journal.close()


def test_drafts_of_a_writer_that_died_are_removed(tmp_path: Path) -> None:
    journal_of(tmp_path, many(1)).close()
    for name in ("000002.db.new", "000002.db.new-wal", "snapshot-000000000000003.new"):
        (tmp_path / name).write_bytes(b"half")
    journal_of(tmp_path, many(1), segment_events_max=1).close()
    assert verify(tmp_path).segments == 2 and not list(tmp_path.glob("*.new*"))
