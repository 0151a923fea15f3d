"""Cut every file at every byte, flip every byte: a verified prefix and a report, or one line of refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bus.journal import Journal
from domain.errors import ExitCode, JournalBroken
from tests.bus.journal_builders import NAME, SMALL, contents, fast_folder, killed_journal, written

BLOCKS = [[b"one", b"two"], [b"three" * 9, b"snapshot"], [b"", b"five" * 30], [b"six"]]
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, list[bytes]]:
    """The files of a journal whose writer was killed."""
    directory = tmp_path_factory.mktemp("killed") / "journal"
    records = killed_journal(directory, BLOCKS)
    return contents(directory), records


def _damaged(files: Files, damage: Callable[[bytes, int], bytes]) -> Iterator[tuple[Path, int]]:
    with fast_folder() as folder:
        for name, content in files.items():
            for at in _places(content):
                yield written(folder, {**files, name: damage(content, at)}), at


def _places(content: bytes) -> Iterator[int]:
    """Give every byte, but of SQLite's empty room, where one is like the next, every eighth."""
    for at in range(len(content)):
        if at % 8 == 0 or content[max(0, at - 1) : at + 2].strip(b"\0") != b"":
            yield at


def _opened(directory: Path) -> Journal | None:
    try:
        return Journal.open(directory, NAME, SMALL)
    except JournalBroken as broken:
        refusal = broken
    assert refusal.code is ExitCode.JOURNAL_BROKEN
    assert "\n" not in str(refusal) and str(directory) in refusal.where and "event" in refusal.what
    return None


def _goes_on(journal: Journal, records: list[bytes]) -> None:
    journal.append(b"after")
    journal.commit()
    hash_before = journal.head_hash
    journal.close()
    with Journal.open(journal.directory, NAME, SMALL) as again:
        assert [record for _, record in again.read(1)] == [*records, b"after"]
        assert again.head_hash == hash_before and again.report.reason is None


def test_a_file_cut_at_any_byte_gives_a_reported_prefix_or_a_refusal(
    killed: tuple[Files, list[bytes]],
) -> None:
    files, records = killed
    refused = reported = 0
    for copy, at in _damaged(files, lambda content, at: content[:at]):
        journal = _opened(copy)
        if journal is None:
            refused += 1
            continue
        found = [record for _, record in journal.read(1)]
        assert found == records[: len(found)], at
        missing = len(records) - len(found)
        assert journal.report.cut_events == missing and journal.report.events == len(found)
        if missing:
            assert journal.report.reason is not None and journal.report.cut_bytes > 0
            reported += 1
            _goes_on(journal, found)
        journal.close()
    assert refused > 500 and reported > 100


def test_any_flipped_byte_leaves_the_data_whole_or_is_refused(killed: tuple[Files, list[bytes]]) -> None:
    files, records = killed
    refused = whole = 0

    def flipped(content: bytes, at: int) -> bytes:
        return content[:at] + bytes([content[at] ^ (1 << (at % 8))]) + content[at + 1 :]

    for copy, at in _damaged(files, flipped):
        journal = _opened(copy)
        if journal is None:
            refused += 1
            continue
        whole += 1
        assert [record for _, record in journal.read(1)] == records, at
        assert journal.report.cut_events == 0
        assert journal.latest_snapshot() in (None, (4, b"state" * 20))
        journal.close()
    assert refused > 500 and whole > 100
