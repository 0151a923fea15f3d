"""Let old days go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from market.history.catalog import parts
from market.history.layout import Part
from market.history.staging import MAINTENANCE, Change, Staging


class Retained(msgspec.Struct, frozen=True):
    """What was, or would be, removed."""

    parts: tuple[Part, ...]
    bytes: int
    rows: int
    done: bool


def retain(
    root: Path, *, first_kept: date, venues: Sequence[str] | None = None, really: bool = False
) -> Retained:
    """Remove every day before the first that is kept; only a real run does."""
    found = tuple(part for part in parts(root, venues=venues) if part.series.day < first_kept)
    told = Retained(
        found,
        sum(part.path(root).stat().st_size for part in found),
        sum(part.rows for part in found),
        really and len(found) > 0,
    )
    if told.done:
        with Staging(root, MAINTENANCE) as staging:
            staging.commit(Change((), tuple(part.path(Path()).as_posix() for part in found)))
    return told
