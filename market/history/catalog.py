"""What history there is, read off folder and file names alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import unquote

from market.history.layout import Part, Series, part_of


def parts(
    root: Path,
    *,
    venues: Collection[str] | None = None,
    symbols: Collection[str] | None = None,
    first: date | None = None,
    last: date | None = None,
) -> Iterator[Part]:
    """Give every part of the chosen venues, symbols and days (both ends included), in order."""
    for venue in _folders(root, "venue", venues):
        for symbol in _folders(venue, "symbol", symbols):
            for day in _folders(symbol, "day", None):
                name = day.name.removeprefix("day=")
                if (first is not None and name < first.isoformat()) or (
                    last is not None and name > last.isoformat()
                ):
                    continue
                yield from sorted(
                    part for path in day.glob("*.parquet") if (part := part_of(path)) is not None
                )


def by_series(found: Iterator[Part]) -> dict[Series, list[Part]]:
    """Gather parts by what they hold."""
    gathered: dict[Series, list[Part]] = {}
    for part in found:
        gathered.setdefault(part.series, []).append(part)
    return gathered


def _folders(parent: Path, key: str, chosen: Collection[str] | None) -> list[Path]:
    prefix = f"{key}="
    if not parent.is_dir():
        return []
    return sorted(
        path
        for path in parent.iterdir()
        if path.name.startswith(prefix)
        and path.is_dir()
        and (chosen is None or unquote(path.name.removeprefix(prefix)) in chosen)
    )
