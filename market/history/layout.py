"""Where a piece of history lies, and what its name tells without opening it.

`<root>/venue=<v>/symbol=<s>/day=<YYYY-MM-DD>/<kind>-<first>-<last>-<n>.parquet`: first and last are the
times in ns of its first and last row, n its number of rows. Any tool that knows hive folders reads it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

DAY_NS = 86_400_000_000_000
STAGING = ".staging"
IMPORTS = ".imports"
MANIFESTS = ".manifests"
SUFFIX = ".parquet"


class Kind(StrEnum):
    """What a file's rows are."""

    TICKS = "ticks"
    TRADES = "trades"
    BOOKS = "books"
    BARS = "bars"


ROW_KINDS = (Kind.TICKS, Kind.TRADES, Kind.BOOKS)


class Series(msgspec.Struct, frozen=True, order=True):
    """One kind of one market on one UTC day."""

    venue: str
    symbol: str
    day: date
    kind: Kind

    def folder(self, root: Path) -> Path:
        """Give the folder of its files."""
        return (
            root
            / f"venue={escaped(self.venue)}"
            / f"symbol={escaped(self.symbol)}"
            / f"day={self.day.isoformat()}"
        )


class Part(msgspec.Struct, frozen=True, order=True):
    """One file, as its name tells it."""

    series: Series
    first_ns: int
    last_ns: int
    rows: int

    @property
    def name(self) -> str:
        """Give the file's name."""
        return f"{self.series.kind}-{self.first_ns}-{self.last_ns}-{self.rows}{SUFFIX}"

    def path(self, root: Path) -> Path:
        """Give the file's place."""
        return self.series.folder(root) / self.name


def escaped(text: str) -> str:
    """Write a venue or symbol as one folder name."""
    return quote(text, safe="")


def day_of(ns: int) -> date:
    """Give the UTC day of a time.

    >>> day_of(1_735_689_600_000_000_000).isoformat()
    '2025-01-01'
    """
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).date()


def part_of(path: Path) -> Part | None:
    """Read a part off its path; `None` for a file that is none of ours."""
    venue, symbol, day = (
        folder.name.partition("=") for folder in (path.parents[2], path.parents[1], path.parents[0])
    )
    pieces = path.name.removesuffix(SUFFIX).split("-")
    if path.suffix != SUFFIX or len(pieces) != 4 or (venue[0], symbol[0], day[0]) != KEYS:
        return None
    try:
        series = Series(unquote(venue[2]), unquote(symbol[2]), date.fromisoformat(day[2]), Kind(pieces[0]))
        return Part(series, int(pieces[1]), int(pieces[2]), int(pieces[3]))
    except ValueError:
        return None


KEYS = ("venue", "symbol", "day")
