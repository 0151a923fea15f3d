"""What a journal does when files are missing or edited, the disk is full, or the writer is killed."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bus.journal import Journal
from bus.journal_mark import Mark, MarkFile, read_mark
from bus.journal_reader import verify
from bus.segment import segment_numbers, segment_path
from domain.errors import ExitCode, JournalBroken, SwarmError
from tests.bus.journal_builders import NAME, journal_of, many


def _drop_segment(folder: Path) -> None:
    segment_path(folder, segment_numbers(folder)[-1]).unlink()


def _drop_middle(folder: Path) -> None:
    segment_path(folder, 2).unlink()


def _drop_all(folder: Path) -> None:
    for number in segment_numbers(folder):
        segment_path(folder, number).unlink()


def _drop_all_but_a_log(folder: Path) -> None:
    (folder / "head").unlink()
    segment_path(folder, 3).rename(folder / "000003.db-wal")


def _empty(folder: Path) -> None:
    segment_path(folder, 2).write_bytes(b"")


def _folder_for_file(folder: Path) -> None:
    segment_path(folder, 2).unlink()
    segment_path(folder, 2).mkdir()


def _swap(folder: Path) -> None:
    first, second = segment_path(folder, 1), segment_path(folder, 2)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def _sql(statement: str, number: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        connection = sqlite3.connect(segment_path(folder, number))
        with connection:
            connection.execute(statement)
        connection.close()

    return change


def _other_mark(folder: Path) -> None:
    mark = read_mark(folder)
    assert mark is not None
    file = MarkFile(folder)
    file.write(Mark(mark.segment, mark.events, mark.wal_bytes, b"?" * 32))
    file.close()


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (_drop_segment, "last segment is missing"),
        (_drop_middle, "it is missing"),
        (_drop_all, "every segment is missing"),
        (_drop_all_but_a_log, "its write-ahead log is still here"),
        (_empty, "a segment is empty"),
        (_folder_for_file, "a segment is missing"),
        (_swap, "does not follow"),
        (_other_mark, "head mark belongs to other events"),
        (_sql("delete from seal", 1), "not sealed"),
        (_sql("update seal set events = 5", 1), "seal is not that of its blocks"),
        (_sql("delete from origin", 2), "does not say where it comes from"),
        (_sql("update origin set format = 9", 2), "format 9 is not known"),
        (_sql("update origin set name = 'other'", 2), "journal of 'other'"),
        (_sql("drop table blocks", 2), "no such table"),
        (_sql("update blocks set payload = 'text' where first_sequence = 7", 2), "event 7"),
        (_sql("delete from blocks where first_sequence = 7", 2), "does not follow"),
        (_sql("delete from blocks where first_sequence = 13", 3), "3 committed events do not verify"),
    ],
)
def test_a_broken_chain_refuses_to_start(damage: Callable[[Path], None], what: str, tmp_path: Path) -> None:
    journal_of(tmp_path, many(5), segment_events_max=6).close()
    damage(tmp_path)
    with pytest.raises(JournalBroken, match=what) as refusal:
        Journal.open(tmp_path, NAME)
    assert "\n" not in str(refusal.value) and "restore this folder" in refusal.value.mend


def test_the_journal_of_another_process_is_refused(tmp_path: Path) -> None:
    journal_of(tmp_path, many(1)).close()
    with pytest.raises(JournalBroken, match="journal of 'node-test', not 'node-other'"):
        Journal.open(tmp_path, "node-other")


@pytest.mark.parametrize("name", ["lock", "head"])
def test_a_folder_where_a_file_should_be_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SwarmError, match="cannot be used") as refusal:
        Journal.open(tmp_path, NAME)
    assert refusal.value.code is ExitCode.CONFIG


def test_a_file_where_the_folder_should_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("")
    with pytest.raises(SwarmError, match="cannot be used") as refusal:
        Journal.open(tmp_path / "journal", NAME)
    assert refusal.value.code is ExitCode.CONFIG


def test_a_full_disk_loses_nothing_and_a_later_commit_succeeds(tmp_path: Path) -> None:
    with journal_of(tmp_path, many(2)) as journal:
        connection = journal._writer._connection
        pages = connection.execute("pragma page_count").fetchone()[0]
        connection.execute(f"pragma max_page_count={pages}")
        journal.append(b"x" * 20_000)
        with pytest.raises(SwarmError, match="free space") as refusal:
            journal.commit()
        assert refusal.value.code is ExitCode.DISK_FULL and refusal.value.retryable
        assert (journal.committed_events, journal.events) == (6, 7)
        connection.execute("pragma max_page_count=1000000")
        journal.commit()
        assert journal.committed_events == 7
    assert verify(tmp_path).events == 7


_LIMITED = """
import resource, sys
from pathlib import Path
from bus.journal import Journal
from domain.errors import SwarmError
journal = Journal.open(Path(sys.argv[1]), "node-test")
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
codes = []
try:
    for each in range(1000):
        journal.append(b"x" * 1000)
        journal.commit()
except SwarmError as full:
    codes.append(int(full.code))
done = journal.committed_events
try:
    journal.snapshot(b"s" * 400_000)
except SwarmError as full:
    codes.append(int(full.code))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.commit()
journal.snapshot(b"s" * 400_000)
print(codes, journal.committed_events - done, len(journal.latest_snapshot()[1]))
journal.close()
"""


def test_a_file_that_may_not_grow_is_a_full_disk_until_it_may(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split("]")[0] == f"[{int(ExitCode.DISK_FULL)}, {int(ExitCode.DISK_FULL)}"
    assert ended.stdout.split("]")[1].split() == ["1", "400000"]
    assert verify(tmp_path).reason is None and not list(tmp_path.glob("*.new"))


_ENDLESS = """
import sys
from pathlib import Path
from bus.journal import Journal, JournalConfig
journal = Journal.open(Path(sys.argv[1]), "node-test", JournalConfig(segment_events_max=40))
while True:
    for each in range(7):
        sequence = journal.append(str(journal.events + 1).encode() * 40)
    journal.commit()
    if journal.events % 5 == 0:
        journal.snapshot(str(journal.events).encode())
    print(journal.committed_events, flush=True)
"""


def test_a_writer_killed_again_and_again_loses_nothing_that_it_promised(tmp_path: Path) -> None:
    promised = 0
    for round_number in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", _ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(3 + 7 * round_number):
                promised = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            promised = max([promised, *map(int, writer.stdout.read().split("\n")[:-1])])
        with Journal.open(tmp_path, NAME) as journal:
            assert journal.report.events >= promised and journal.report.cut_events == 0
            for sequence, record in journal.read(1):
                assert record == str(sequence).encode() * 40
            latest = journal.latest_snapshot()
            assert latest is None or latest[1] == str(latest[0]).encode()
    assert promised > 100 and len(segment_numbers(tmp_path)) > 2


class _Forgetful:
    """A connection whose every statement fails in one way."""

    def __init__(self, code: int) -> None:
        self._code = code

    def execute(self, *_: object) -> None:
        """Fail."""
        error = sqlite3.OperationalError("as told")
        error.sqlite_errorcode = self._code
        raise error

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (sqlite3.SQLITE_BUSY, ExitCode.STATE_IN_USE),
        (sqlite3.SQLITE_READONLY, ExitCode.CONFIG),
        (sqlite3.SQLITE_IOERR_WRITE, ExitCode.DISK_FULL),
        (sqlite3.SQLITE_CORRUPT, ExitCode.JOURNAL_BROKEN),
        (sqlite3.SQLITE_TOOBIG, ExitCode.JOURNAL_BROKEN),
    ],
)
def test_trouble_of_sqlite_has_its_exit_code(code: int, exit_code: ExitCode, tmp_path: Path) -> None:
    with journal_of(tmp_path, many(1)) as journal:
        writer = journal._writer
        connection, writer._connection = writer._connection, _Forgetful(code)  # type: ignore[assignment]
        journal.append(b"kept")
        with pytest.raises(SwarmError, match="as told") as refusal:
            journal.commit()
        assert refusal.value.code is exit_code
        writer._connection = connection
        journal.commit()
    assert verify(tmp_path).events == 4


@pytest.mark.parametrize(
    ("number", "exit_code"), [(errno.ENOSPC, ExitCode.DISK_FULL), (errno.EACCES, ExitCode.CONFIG)]
)
def test_a_snapshot_that_cannot_be_written_leaves_the_last_one(
    number: int, exit_code: ExitCode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(number, os.strerror(number))

    with journal_of(tmp_path, many(1)) as journal:
        journal.snapshot(b"old")
        monkeypatch.setattr("bus.journal_snapshots.sync_file", fail)
        journal.append(b"tick")
        with pytest.raises(SwarmError) as refusal:
            journal.snapshot(b"new")
        assert refusal.value.code is exit_code
        assert journal.latest_snapshot() == (3, b"old") and not list(tmp_path.glob("*.new"))


def test_a_snapshot_that_cannot_be_read_is_not_believed(tmp_path: Path) -> None:
    with journal_of(tmp_path, many(1)) as journal:
        journal.snapshot(b"old")
        (tmp_path / "snapshot-000000000000009").mkdir()
        assert journal.latest_snapshot() == (3, b"old")
