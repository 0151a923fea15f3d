"""One file of history being written: invisible under a `.new` name until it is whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from domain.instrument import Instrument
from market.history.arrow import Column, array_of, lists_of, spread
from market.history.columns import COLUMNS, LEVELS, QUOTES, STEPS, TIME, metadata_of, schema, steps
from market.history.layout import Kind, Part, Series

ZSTD_LEVEL = 1
GROUP_ROWS = 1 << 16


class Columns(msgspec.Struct, eq=False):
    """Rows of one series as columns; books have their levels flat, with how many numbers each has."""

    numbers: Mapping[str, Column]
    levels: Column | None = None
    level_counts: Column | None = None
    quotes: Mapping[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.numbers["arrival"])

    def pick(self, chosen: Column) -> Columns:
        """Give some of the rows, in the order in which they are named."""
        made = Columns({name: column[chosen] for name, column in self.numbers.items()})
        if self.levels is not None and self.level_counts is not None:
            firsts = np.cumsum(self.level_counts) - self.level_counts
            made.level_counts = self.level_counts[chosen]
            made.levels = self.levels[spread(firsts[chosen], made.level_counts)]
        if self.quotes is not None:
            places = array_of(chosen)
            made.quotes = {name: column.take(places) for name, column in self.quotes.items()}
        return made

    def cut(self, first: int, end: int) -> Columns:
        """Give some of the rows, as views."""
        made = Columns({name: column[first:end] for name, column in self.numbers.items()})
        if self.levels is not None and self.level_counts is not None:
            low = int(self.level_counts[:first].sum())
            made.level_counts = self.level_counts[first:end]
            made.levels = self.levels[low : low + int(made.level_counts.sum())]
        if self.quotes is not None:
            made.quotes = {name: column.slice(first, end - first) for name, column in self.quotes.items()}
        return made


class PartWriter:
    """Write one part, a row group a call. Rows come in the order of their time."""

    def __init__(
        self, folder: Path, series: Series, instrument: Instrument, source: str, number: int = 0
    ) -> None:
        self.series, self.instrument = series, instrument
        self.staged = folder / f"{series.kind}-{number}.new"
        self.rows, self.first_ns, self.last_ns = 0, 0, 0
        self._schema = schema(series.kind, metadata_of(instrument, series.kind, source))
        self._sink: Any = None
        self._writer: Any = None

    def write(self, columns: Columns) -> None:
        """Add rows as row groups."""
        import pyarrow as pa

        times = columns.numbers[TIME[self.series.kind]]
        assert len(times) > 0 and (self.rows == 0 or times[0] >= self.last_ns), "rows come in order of time"
        if self._writer is None:
            self._open()
            self.first_ns = int(times[0])
        self._writer.write_table(
            pa.Table.from_arrays(self._arrays(columns), schema=self._schema), row_group_size=GROUP_ROWS
        )
        self.rows, self.last_ns = self.rows + len(times), int(times[-1])

    def finish(self) -> Part:
        """Make the file whole and durable; it still has its `.new` name."""
        assert self._writer is not None, "a part has rows"
        self._writer.close()
        self._sink.close()
        self._writer = None
        handle = os.open(self.staged, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return Part(self.series, self.first_ns, self.last_ns, self.rows)

    def abandon(self) -> None:
        """Remove what was written."""
        import pyarrow as pa

        # A disk that is full refuses the last bytes too; nobody wants them.
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
            self._writer.is_open = False
            self._writer = None
        if self._sink is not None and not self._sink.closed:
            with suppress(OSError, pa.ArrowException):
                self._sink.close()
        self.staged.unlink(missing_ok=True)

    def _open(self) -> None:
        import pyarrow.parquet as pq

        self._sink = open_sink(self.staged)
        encodings = dict.fromkeys(COLUMNS[self.series.kind], "DELTA_BINARY_PACKED")
        if self.series.kind == Kind.BOOKS:
            encodings[f"{LEVELS}.list.element"] = "DELTA_BINARY_PACKED"
        self._writer = pq.ParquetWriter(
            self._sink,
            self._schema,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=[*STEPS, *QUOTES] if self.series.kind == Kind.BARS else list(STEPS),
            column_encoding=encodings,
            store_decimal_as_integer=True,
        )

    def _arrays(self, columns: Columns) -> list[Any]:
        kind, count = self.series.kind, len(columns)
        arrays = [array_of(columns.numbers[name]) for name in COLUMNS[kind]]
        if kind == Kind.BOOKS:
            assert columns.levels is not None and columns.level_counts is not None
            arrays.append(lists_of(self._schema.field(LEVELS).type, columns.levels, columns.level_counts))
        if kind == Kind.BARS:
            assert columns.quotes is not None
            arrays += [columns.quotes[name] for name in QUOTES]
        return arrays + steps(self.instrument, count)


def open_sink(path: Path) -> Any:
    """Open the file that a part is written into."""
    import pyarrow as pa

    return pa.OSFile(str(path), "wb")
