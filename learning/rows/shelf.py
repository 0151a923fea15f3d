"""Where files of rows lie: `venue=…/symbol=…/day=…/number-rows-file.parquet`, as DuckDB reads partitions.

A number is higher than that of every file that was there before it; then come hashes of rows and file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

SUFFIX = ".parquet"
_NAME = re.compile(r"(\d+)-(\w+)-(\w+)", re.ASCII)
Series = tuple[str, str, int]


class Part(msgspec.Struct, frozen=True):
    """One file: a market's day, its place in the order in which files were written, and what hashes it."""

    series: Series
    number: int
    rows: str
    path: str

    def named(self, symbols: Sequence[str] | None) -> bool:
        """Tell whether its market is one of some, told as symbols or with their venues; `None` is all."""
        venue, symbol, _ = self.series
        return symbols is None or symbol in symbols or f"{venue}:{symbol}" in symbols


def folder_of(root: Path, venue: str, symbol: str, day: int) -> Path:
    """Name the folder of a market's day."""
    return root / f"venue={quote(venue, safe='')}" / f"symbol={quote(symbol, safe='')}" / f"day={day}"


def parts(root: Path) -> Iterator[Part]:
    """Find all files, those of one market's day in the order in which they were written."""
    for path in sorted(root.glob(f"venue=*/symbol=*/day=*/*{SUFFIX}")):
        venue, symbol, day = (unquote(each.partition("=")[2]) for each in path.parts[-4:-1])
        name = _NAME.fullmatch(path.stem)
        # Somebody else's file is none of ours; a bad one of ours is refused when it is read.
        if name is not None and day.isascii() and day.isdigit():
            yield Part((venue, symbol, int(day)), int(name[1]), name[2], str(path))


def groups(root: Path) -> dict[Series, list[Part]]:
    """Find all files by market and day."""
    found: dict[Series, list[Part]] = {}
    for part in parts(root):
        found.setdefault(part.series, []).append(part)
    return found


def newest(found: Sequence[Part]) -> list[Part]:
    """Choose the newest files, up to one that is too large to be written again for so little."""
    chosen: list[Part] = []
    total = 0
    for part in reversed(found):
        size = Path(part.path).stat().st_size
        if len(chosen) >= 2 and size > 2 * total:
            break
        chosen.append(part)
        total += size
    return chosen[::-1]
