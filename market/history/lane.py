"""A sorted run of files of one market and kind, read a little at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import ConfigError, SwarmError
from market.history.arrow import from_lists, numbers_of
from market.history.columns import COLUMNS, LEVELS, QUOTES, TIME
from market.history.layout import Kind, Part
from market.history.part import GROUP_ROWS, Columns

FOREVER_NS = np.iinfo(np.int64).max


def opened(path: Path) -> Any:
    """Open a file to read, with its trouble in one line."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: BaseException) -> SwarmError:
    """Say that a file cannot be read."""
    return ConfigError(
        f"{path.name} cannot be read: {str(error).splitlines()[0][:120]}",
        where=str(path.parent),
        mend="restore it from an archive, or move it away: see `swarm data verify`",
    )


def metadata(file: Any) -> dict[str, str]:
    """Give a file's own key-value metadata."""
    found = file.schema_arrow.metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}


def columns_in(kind: Kind, batch: Any) -> Columns:
    """See a record batch as columns without copying."""
    numbers = {name: numbers_of(batch.column(name)) for name in COLUMNS[kind]}
    if kind == Kind.BARS:
        return Columns(numbers, quotes={name: batch.column(name) for name in QUOTES})
    if kind != Kind.BOOKS:
        return Columns(numbers)
    levels, counts = from_lists(batch.column(LEVELS))
    return Columns(numbers, levels, counts)


def together(one: Columns, other: Columns) -> Columns:
    """Put columns one after the other; this copies."""
    numbers = {name: np.concatenate([column, other.numbers[name]]) for name, column in one.numbers.items()}
    if one.quotes is not None and other.quotes is not None:
        import pyarrow as pa

        quotes = {name: pa.concat_arrays([one.quotes[name], other.quotes[name]]) for name in QUOTES}
        return Columns(numbers, quotes=quotes)
    if one.levels is None or one.level_counts is None or other.levels is None or other.level_counts is None:
        return Columns(numbers)
    return Columns(
        numbers,
        np.concatenate([one.levels, other.levels]),
        np.concatenate([one.level_counts, other.level_counts]),
    )


class Lane:
    """Read parts that follow each other in time; `bound_ns` tells up to when all is known to be loaded."""

    def __init__(
        self, root: Path, kind: Kind, parts: Sequence[Part], start_ns: int, end_ns: int, batch_rows: int
    ) -> None:
        self.kind, self.instrument = kind, 0
        self._parts = parts
        self._root, self._start_ns, self._end_ns, self._batch_rows = root, start_ns, end_ns, batch_rows
        self._batches = self._read()
        self._held: Columns | None = None
        self._ahead: Columns | None = None
        self.bound_ns = parts[0].first_ns

    @property
    def ended(self) -> bool:
        """Tell whether nothing is left."""
        return self._held is None and self.bound_ns == FOREVER_NS

    def load(self) -> None:
        """Read on, beside what is held."""
        batch = next(self._batches, None) if self._ahead is None else self._ahead
        if batch is not None:
            self._held = batch if self._held is None else together(self._held, batch)
        # One batch ahead tells how far what is held is all there is: it can be taken whole, without a copy.
        self._ahead = next(self._batches, None)
        times = None if self._ahead is None else self._ahead.numbers[TIME[self.kind]]
        self.bound_ns = FOREVER_NS if times is None else int(times[0])

    def take(self, before_ns: int) -> Columns | None:
        """Give the held records that are older than a time; FOREVER_NS takes them all."""
        held = self._held
        if held is None:
            return None
        times = held.numbers[TIME[self.kind]]
        end = len(times) if before_ns == FOREVER_NS else int(np.searchsorted(times, before_ns))
        if end == 0:
            return None
        self._held = None if end == len(times) else held.cut(end, len(times))
        return held if end == len(times) else held.cut(0, end)

    def _read(self) -> Iterator[Columns]:
        import pyarrow as pa

        names = [*COLUMNS[self.kind], *{Kind.BOOKS: (LEVELS,), Kind.BARS: QUOTES}.get(self.kind, ())]
        for part in self._parts:
            path = part.path(self._root)
            file = opened(path)
            groups = self._groups(file)
            try:
                for batch in file.iter_batches(
                    self._batch_rows, row_groups=groups, columns=names, use_threads=False
                ):
                    columns = self._inside(columns_in(self.kind, batch))
                    if len(columns) > 0:
                        yield columns
            except (pa.ArrowException, OSError, KeyError) as error:
                raise unreadable(path, error) from None
            finally:
                file.close()

    def _groups(self, file: Any) -> list[int]:
        place = COLUMNS[self.kind].index(TIME[self.kind])
        found = []
        for group in range(file.metadata.num_row_groups):
            told = file.metadata.row_group(group).column(place).statistics
            if told is None or (told.max >= self._start_ns and told.min < self._end_ns):
                found.append(group)
        return found

    def _inside(self, columns: Columns) -> Columns:
        times = columns.numbers[TIME[self.kind]]
        first, end = np.searchsorted(times, (self._start_ns, self._end_ns))
        return columns if first == 0 and end == len(times) else columns.cut(int(first), int(end))


def apart(found: Sequence[Part]) -> list[list[Part]]:
    """Deal parts, sorted by their first time, into as few runs as can be in which none overlap."""
    runs: list[list[Part]] = []
    for part in found:
        run = next((run for run in runs if run[-1].last_ns <= part.first_ns), None)
        if run is None:
            runs.append([part])
        else:
            run.append(part)
    return runs


def sorted_columns(
    root: Path, kind: Kind, found: Sequence[Part], start_ns: int = 0, end_ns: int = FOREVER_NS
) -> Iterator[Columns]:
    """Give the rows of parts that may overlap, in order of time and arrival."""
    runs = apart(sorted(found, key=lambda part: (part.first_ns, part.last_ns)))
    lanes = [Lane(root, kind, run, start_ns, end_ns, GROUP_ROWS) for run in runs]
    while lanes := [lane for lane in lanes if not lane.ended]:
        bound_ns = min(lane.bound_ns for lane in lanes)
        taken = [columns for lane in lanes if (columns := lane.take(bound_ns)) is not None]
        if len(taken) == 1:
            yield taken[0]
        elif taken:
            joint = taken[0]
            for each in taken[1:]:
                joint = together(joint, each)
            yield joint.pick(np.lexsort((joint.numbers["arrival"], joint.numbers[TIME[kind]])))
        for lane in lanes:
            if lane.bound_ns == bound_ns != FOREVER_NS:
                lane.load()
