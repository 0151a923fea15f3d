"""What is told about a file to import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from domain.instrument import Instrument
from market.history.layout import Kind
from market.history.part import Columns
from market.history.steps import Steps


class FileJob(msgspec.Struct, frozen=True):
    """Name a file; what is absent is seen in its name or its first line."""

    path: Path
    venue: str
    symbol: str | None = None
    format: str | None = None
    kind: Kind | None = None
    map: str | None = None
    columns: tuple[str, ...] | None = None
    steps: Steps = Steps()


class Readable(Protocol):
    """A file that was understood and can be read, once."""

    format: str
    instrument: Instrument
    steps: str

    def rows(self) -> Iterator[tuple[Kind, Columns]]:
        """Give its rows, checked."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Say what a reader of the data should know."""
        ...
