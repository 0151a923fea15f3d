"""A piece of a file to import: named Arrow columns, and the line in which each row stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec

from market.history.raw import BadInput


class Chunk(msgspec.Struct, eq=False):
    """Rows as columns of text or of exact numbers; row k stands in line `first_line` + k."""

    first_line: int
    columns: Mapping[str, Any]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def column(self, name: str) -> Any:
        """Give a column that must be there."""
        found = self.columns.get(name)
        if found is None:
            raise BadInput(
                f"there is no column {name!r}: there are {', '.join(self.columns)}", self.first_line
            )
        return found


class Source(Protocol):
    """Something that is read in chunks, as often as is asked."""

    def chunks(self, names: tuple[str, ...]) -> Iterator[Chunk]:
        """Give the named columns, in chunks of bounded size."""
        ...
