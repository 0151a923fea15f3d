"""The recorder: market data from the hot path into Parquet, in a thread of its own.

`record` copies rows into a bounded queue and returns; it never waits. When the disk does not keep up the
oldest rows that wait are dropped and counted. A row is safe once its file is whole, `file_s` later (with very
many markets their number / 3 / `files_per_s_max` seconds, so that files stay few): a kill loses what no whole
file holds, and the next start says so. A full disk ends the recording with one alarm, and nothing else.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import msgspec
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from domain.dtypes import Rows
from domain.errors import SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot, MarketRows, Tick, Trade
from domain.protocols import Clock
from hw.clock import monotonic_ns
from market.history.layout import Kind, Part
from market.history.queue import RowQueue
from market.history.retold import Retold
from market.history.split import split
from market.history.staging import Leftovers, Staging
from market.history.stretch import Stretch
from market.rows import rows_of

Alarm = Callable[[str], None]


class RecorderConfig(BaseModel):
    """Bound the recorder's memory, and say how often files become whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queue_rows_max: int = Field(1 << 20, ge=1, le=1 << 26)
    group_rows: int = Field(1 << 16, ge=1, le=1 << 22)
    file_rows_max: int = Field(1 << 22, ge=1)
    file_s: float = Field(30.0, gt=0, le=3600)
    files_per_s_max: float = Field(10.0, gt=0)
    buffered_rows_max: int = Field(1 << 21, ge=1)
    open_files_max: int = Field(128, ge=1)
    poll_s: float = Field(0.05, gt=0, le=10)


class RecorderStats(msgspec.Struct, frozen=True):
    """How a recording goes. Rows are packed rows; records are ticks, trades and book changes."""

    records: dict[str, int]
    rows: int
    waiting_rows: int
    dropped_rows: int
    lost_rows: int
    unwritten_records: int
    files: int
    bytes: int
    alarm: str | None


class Recorder:
    """Record the markets of some instruments; a context that ends with every row in a whole file."""

    def __init__(
        self,
        root: Path,
        instruments: Sequence[Instrument],
        clock: Clock,
        config: RecorderConfig | None = None,
        on_alarm: Alarm | None = None,
    ) -> None:
        self.root, self.config = root, config or RecorderConfig()
        self.instruments = {one.index: one for one in instruments}
        self.queue = RowQueue(self.config.queue_rows_max)
        self.lost_rows = self.files = self.bytes = self._written_rows = 0
        self.alarm: str | None = None
        self.records: dict[str, int] = dict.fromkeys((Kind.TICKS, Kind.TRADES, Kind.BOOKS), 0)
        self._on_alarm = on_alarm
        self._arrival = clock.now_ns()
        self._stagings: dict[str, Staging] = {}
        self._stretches: dict[tuple[int, Kind], Stretch] = {}
        self._retold: dict[int, Retold] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self.leftovers: tuple[Leftovers, ...] = ()

    def record(self, rows: Rows) -> None:
        """Take packed rows; they may be written over once this returns."""
        if self.alarm is not None:
            self.lost_rows += len(rows)
            return
        self.queue.put(rows)

    def deliver(self, event: Event) -> None:
        """Take an event of a venue; what is no market data passes by."""
        if type(event) is MarketRows:
            self.record(event.rows)
        elif isinstance(event, Tick | Trade | BookDelta | BookSnapshot):
            self.record(rows_of(event))

    def start(self) -> None:
        """Take hold of the venues' history and begin."""
        try:
            for venue in dict.fromkeys(one.venue for one in self.instruments.values()):
                self._stagings[venue] = Staging(self.root, f"recorder-{venue}")
        except BaseException:
            self._let_go()
            raise
        self.leftovers = tuple(one.leftovers for one in self._stagings.values() if one.leftovers)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, show every file and let go; closing twice is harmless."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._let_go()

    def stats(self) -> RecorderStats:
        """Tell how it goes, from any thread."""
        return RecorderStats(
            records={str(kind): count for kind, count in self.records.items()},
            rows=self.queue.put_rows,
            waiting_rows=self.queue.waiting_rows,
            dropped_rows=self.queue.dropped_rows,
            lost_rows=self.lost_rows,
            unwritten_records=sum(one.rows for one in list(self._stretches.values())),
            files=self.files,
            bytes=self.bytes,
            alarm=self.alarm,
        )

    def __enter__(self) -> Recorder:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while not self._ending.wait(self.config.poll_s):
                self._work()
            self._work()
            for one in self._stretches.values():
                self._count(one.finish())
        except Exception as error:  # nothing that happens to a recording may reach trading
            self._stop(error)

    def _work(self) -> None:
        while batches := self.queue.take(self.config.group_rows):
            self._add(batches[0] if len(batches) == 1 else np.concatenate(batches))
            self._make_room()
        now_ns = monotonic_ns()
        due_s = max(self.config.file_s, len(self._stretches) / self.config.files_per_s_max)
        for one in self._stretches.values():
            if one.rows > 0 and now_ns - one.begun_ns >= due_s * 1e9:
                self._count(one.finish())

    def _make_room(self) -> None:
        """Finish the largest files where too much is held in memory or too many files are open."""
        buffered = sum(one.buffered for one in self._stretches.values())
        if buffered > self.config.buffered_rows_max:
            for one in sorted(self._stretches.values(), key=lambda one: -one.buffered):
                if buffered <= self.config.buffered_rows_max // 2:
                    break
                buffered -= one.buffered
                self._count(one.finish())
        writing = sorted((one for one in self._stretches.values() if one.writing), key=lambda one: -one.rows)
        for one in writing[: max(0, len(writing) - self.config.open_files_max)]:
            self._count(one.finish())

    def _add(self, rows: Rows) -> None:
        now_ns = monotonic_ns()
        for index, kind, block in split(rows, self._arrival):
            stretch = self._stretches.get((index, kind))
            if stretch is None:
                instrument = self.instruments[index]
                stretch = Stretch(self.root, self._stagings[instrument.venue], instrument, kind)
                self._stretches[index, kind] = stretch
                if kind == Kind.TRADES:
                    self._retold[index] = Retold(self.root, instrument)
            self._arrival += len(block)
            new = self._retold[index].new(block) if kind == Kind.TRADES else block
            if len(new) == 0:
                continue
            self.records[kind] += len(new)
            self._count(stretch.add(new, now_ns))
            if stretch.buffered >= self.config.group_rows:
                self._count(stretch.write_group())
            if stretch.rows >= self.config.file_rows_max:
                self._count(stretch.finish())

    def _count(self, parts: list[Part]) -> None:
        for part in parts:
            self.files += 1
            self.bytes += part.path(self.root).stat().st_size

    def _stop(self, error: Exception) -> None:
        self.alarm = _told(error, self.root)
        for batch in self.queue.take(1 << 62):
            self.lost_rows += len(batch)
        for one in self._stretches.values():
            self.lost_rows += one.rows
            one.abandon()
        if self._on_alarm is not None:
            self._on_alarm(self.alarm)

    def _let_go(self) -> None:
        for staging in self._stagings.values():
            staging.close()


def _told(error: Exception, root: Path) -> str:
    if isinstance(error, SwarmError):
        return f"recording stopped: {error}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"recording stopped: the disk is full ({root}): free some space and start it again"
    if isinstance(error, OSError):
        return f"recording stopped: {error} ({root}): mend that and start it again"
    return f"recording stopped: a mistake of ours: {type(error).__name__}: {error} ({root}): please report it"
