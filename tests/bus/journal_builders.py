"""Make journals as a killed writer leaves them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bus.journal import Journal, JournalConfig

NAME = "node-test"
SMALL = JournalConfig(page_bytes=512)

_WRITER = """
import os, sys
from pathlib import Path
from bus.journal import Journal, JournalConfig
config = JournalConfig.model_validate_json(sys.argv[2])
journal = Journal.open(Path(sys.argv[1]), sys.argv[3], config)
for block in eval(sys.argv[4]):
    for record in block:
        journal.append(record)
    journal.commit()
    if b"snapshot" in block:
        journal.snapshot(b"state" * 20)
os._exit(9)  # as kill -9: nothing is closed
"""


def journal_of(directory: Path, blocks: list[list[bytes]], **bounds: int) -> Journal:
    """Write blocks and leave the journal open."""
    journal = Journal.open(directory, NAME, JournalConfig.model_validate(bounds))
    for block in blocks:
        for record in block:
            journal.append(record)
        journal.commit()
    return journal


def many(blocks: int, records: int = 3) -> list[list[bytes]]:
    """Give blocks of records that all differ."""
    return [[f"{block}/{each}".encode() for each in range(records)] for block in range(blocks)]


def killed_journal(directory: Path, blocks: list[list[bytes]], config: JournalConfig = SMALL) -> list[bytes]:
    """Write blocks in a process that dies without closing; give the records."""
    arguments = [str(directory), config.model_dump_json(), NAME, repr(blocks)]
    ended = subprocess.run([sys.executable, "-c", _WRITER, *arguments], check=False)
    assert ended.returncode == 9
    return [record for block in blocks for record in block]


def contents(directory: Path) -> dict[str, bytes]:
    """Read all files that a journal consists of; SQLite's shared memory is rebuilt on every open."""
    return {
        each.name: each.read_bytes()
        for each in directory.iterdir()
        if not each.name.endswith(("-shm", "lock"))
    }


def written(directory: Path, files: dict[str, bytes]) -> Path:
    """Put these files, and no others, into a folder."""
    for each in directory.iterdir():
        each.unlink()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


@contextmanager
def fast_folder() -> Iterator[Path]:
    """Give a folder in memory where the machine has one: thousands of journals are opened in it."""
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else None
    with TemporaryDirectory(dir=parent, prefix="journal-test-") as folder:
        yield Path(folder)
