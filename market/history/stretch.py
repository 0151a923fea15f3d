"""What is being recorded of one kind of one market: a bounded buffer, and the file it goes to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from domain.instrument import Instrument
from market.history.layout import DAY_NS, Kind, Part, Series, day_of
from market.history.part import PartWriter
from market.history.split import Block, columns_of, joined
from market.history.staging import Staging, place

SOURCE = "recorder"


class Stretch:
    """Buffer records of one series, write them as row groups, and show a file when it is whole.

    Rows that came out of order are sorted within the buffer; rows older than what is already in the file
    begin another one, and so does another day.
    """

    def __init__(self, root: Path, staging: Staging, instrument: Instrument, kind: Kind) -> None:
        self.root, self.staging, self.instrument, self.kind = root, staging, instrument, kind
        self.buffered = self.begun_ns = 0
        self._blocks: list[Block] = []
        self._day = -1
        self._writer: PartWriter | None = None

    @property
    def rows(self) -> int:
        """Count the rows that no whole file holds yet."""
        return self.buffered + (0 if self._writer is None else self._writer.rows)

    @property
    def writing(self) -> bool:
        """Tell whether a file is open."""
        return self._writer is not None

    def add(self, block: Block, now_ns: int) -> list[Part]:
        """Take records; a new day ends the file before it."""
        days = block.local_ns // DAY_NS
        low, high = int(days.min()), int(days.max())
        if low == high:
            return self._add(block, low, now_ns)
        done: list[Part] = []
        for day in np.unique(days):
            done += self._add(block.pick(np.flatnonzero(days == day)), int(day), now_ns)
        return done

    def _add(self, block: Block, day: int, now_ns: int) -> list[Part]:
        done = self.finish() if day != self._day else []
        if self.rows == 0:
            self._day, self.begun_ns = day, now_ns
        self._blocks.append(block)
        self.buffered += len(block)
        return done

    def write_group(self) -> list[Part]:
        """Move the buffer into the file."""
        if not self._blocks:
            return []
        block = joined(self._blocks)
        local_ns = block.local_ns
        if np.any(local_ns[1:] < local_ns[:-1]):
            block = block.pick(np.argsort(local_ns, kind="stable"))
        done = []
        first_ns = int(block.local_ns[0])
        if self._writer is not None and first_ns < self._writer.last_ns:
            done = self._shown()
        if self._writer is None:
            series = Series(self.instrument.venue, self.instrument.symbol, day_of(first_ns), self.kind)
            number = self.staging.number()
            self._writer = PartWriter(self.staging.folder, series, self.instrument, SOURCE, number)
        self._writer.write(columns_of(self.kind, block))
        self._blocks, self.buffered = [], 0
        return done

    def finish(self) -> list[Part]:
        """Write what is left and show the file."""
        return self.write_group() + self._shown()

    def _shown(self) -> list[Part]:
        if self._writer is None:
            return []
        part = self._writer.finish()
        place(self._writer.staged, part.path(self.root))
        self._writer = None
        return [part]

    def abandon(self) -> None:
        """Throw away what no whole file holds."""
        if self._writer is not None:
            self._writer.abandon()
        self._writer, self._blocks, self.buffered = None, [], 0
