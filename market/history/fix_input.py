"""A file of FIX messages as one more input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from domain.errors import ConfigError
from market.fix import FixEvent, FixFeed
from market.history.file_job import FileJob
from market.history.layout import Kind
from market.history.part import Columns
from market.history.raw import BadInput, Progress, opened
from market.history.split import columns_of, split
from market.history.steps import known_instrument
from market.rows import rows_of

_READ_BYTES = 1 << 20
_BEGIN_BYTES = 4_096
_SEPARATED = re.compile(rb"8=FIX[^\x01=]{0,8}([^\x01=0-9A-Za-z.])9=")


class FixInput:
    """Read one market's full and incremental refreshes; the sender's time stands for the local one."""

    format = "fix"

    def __init__(self, root: Path, job: FileJob, symbol: str, progress: Progress | None) -> None:
        known = known_instrument(root, job.venue, symbol, job.steps)
        if known is None:
            raise ConfigError(
                f"the steps of {symbol} are not known",
                where=str(job.path),
                mend="give --tick and --lot, or --exchange-info",
            )
        self.instrument, self.steps = known
        self._path, self._progress = job.path, progress
        self.feed = FixFeed([self.instrument])
        self._last_ns = self._rows = 0
        self._line = self._began_line = 1

    def rows(self) -> Iterator[tuple[Kind, Columns]]:
        """Give book changes and trades."""
        with opened(self._path, self._progress) as stream:
            while data := stream.read(_READ_BYTES):
                if self.feed.frames.counts.messages == 0:
                    _check_separator(data[:_BEGIN_BYTES])
                yield from self._columns(self._fed(data))
            yield from self._columns(self.feed.finish())
            self._check()
        if self.feed.frames.counts.messages == 0:
            raise BadInput("there is no FIX 4.4 message in it", 1)

    def _fed(self, data: bytes) -> list[FixEvent]:
        """Take bytes line by line, so that what is wrong is found in the line in which it begins."""
        found: list[FixEvent] = []
        for line in data.splitlines(keepends=True):
            if self.feed.frames.held_bytes == 0:
                self._began_line = self._line
            found += self.feed.feed(line)
            self._check()
            self._line += line.endswith(b"\n")
        return found

    def _check(self) -> None:
        """Refuse a damaged file: a live stream leaves such messages out, but a file can be mended."""
        frames, counts = self.feed.frames.counts, self.feed.counts
        wrong = {
            "has a wrong length": frames.bad_length,
            "has a wrong checksum": frames.bad_checksum,
            "cannot be read": frames.bad_fields + counts.bad_messages,
            "comes out of order": counts.went_back,
        }
        for what, count in wrong.items():
            if count > 0:
                more = f", and {count - 1} more" if count > 1 else ""
                told = f"a message among the first {frames.messages + count} {what}{more}"
                raise BadInput(told, self._began_line)

    def notes(self) -> tuple[str, ...]:
        """Tell what was left out."""
        told = {
            **msgspec.structs.asdict(self.feed.frames.counts),
            **msgspec.structs.asdict(self.feed.counts),
        }
        return tuple(f"{count} {name.replace('_', ' ')}" for name, count in told.items() if count > 0)

    def _columns(self, events: list[FixEvent]) -> Iterator[tuple[Kind, Columns]]:
        if not events:
            return
        ordered = []
        for event in events:
            # The sender's clock may go back; the order of the messages does not.
            self._last_ns = max(self._last_ns, event.local_ts_ns)
            ordered.append(rows_of(msgspec.structs.replace(event, local_ts_ns=self._last_ns)))
        for _, kind, block in split(np.concatenate(ordered), self._rows):
            yield kind, columns_of(kind, block)
        self._rows += len(events)


def _check_separator(begin: bytes) -> None:
    """Say so where somebody made the separator readable: nothing in such a file holds."""
    found = _SEPARATED.search(begin)
    if found is not None:
        shown = repr(found[1].decode("latin-1"))
        raise BadInput(
            f"{shown} separates its fields, not the byte 1: turn it back with tr {shown} '\\001'", 1
        )
