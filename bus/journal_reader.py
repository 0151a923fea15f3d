"""Read a journal beside the process that writes it, without disturbing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bus.journal_chain import OpenReport, compare, read_origin, read_records, verify_chain
from bus.journal_mark import read_mark
from bus.journal_trouble import reading
from bus.segment import segment_numbers, segment_path
from domain.errors import ExitCode, SwarmError


@dataclass(frozen=True)
class JournalHead:
    """Say how far a journal is, without reading it."""

    events: int
    hash: str


def journal_head(directory: Path) -> JournalHead | None:
    """Give a journal's head from its mark, cheaply; `None` where there is none to believe."""
    with reading(Path(directory)):
        mark = read_mark(Path(directory))
    return None if mark is None else JournalHead(mark.events, mark.hash.hex())


def verify(directory: Path) -> OpenReport:
    """Check a whole journal, also beside its running writer; a chain that does not hold is JournalBroken."""
    reader = open_reader(directory)
    # The mark is read first: whatever it promises must be in the chain that is read after it.
    mark = read_mark(reader.directory)
    with reading(reader.directory):
        return compare(reader.directory, verify_chain(reader.directory, reader.name), mark)


class JournalReader:
    """Read committed records of a journal that another process may be writing."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.name = directory, name

    def read(self, first_sequence: int = 1) -> Iterator[tuple[int, bytes]]:
        """Give committed records from a sequence on, up to the end as it is when it is reached."""
        return read_records(self.directory, first_sequence)

    def tail(self, count: int) -> list[tuple[int, bytes]]:
        """Give about the last `count` committed records."""
        head = journal_head(self.directory)
        events = head.events if head is not None else sum(1 for _ in self.read())
        return list(islice(self.read(max(1, events - count + 1)), count))


def open_reader(directory: Path) -> JournalReader:
    """Open a journal for reading alone."""
    directory = Path(directory)
    with reading(directory):
        if not directory.is_dir() or not segment_numbers(directory):
            raise SwarmError(
                "there is no journal here",
                where=str(directory),
                mend="name the folder of a process under .swarm/journal, or start the swarm first",
                code=ExitCode.NOT_STARTED,
            )
        first = segment_numbers(directory)[0]
        return JournalReader(directory, read_origin(segment_path(directory, first)).name)
