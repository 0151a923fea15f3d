"""The bounded way from the hot path to the recorder's thread."""

from __future__ import annotations

from collections import deque

from domain.dtypes import Rows


class RowQueue:
    """Hand batches of rows from one thread to another without a lock and without waiting.

    When it is full the oldest batch that still waits is dropped, whole, and its rows are counted: what is
    newest is worth most, and the hot path never waits for a disk. Each counter has one writer.
    """

    def __init__(self, rows_max: int) -> None:
        assert rows_max > 0
        self.rows_max = rows_max
        self.put_rows = self.dropped_rows = self.taken_rows = 0
        self._batches: deque[Rows] = deque()

    @property
    def waiting_rows(self) -> int:
        """Tell how many rows wait."""
        return self.put_rows - self.dropped_rows - self.taken_rows

    def put(self, rows: Rows) -> None:
        """Copy rows in; the caller may write over its own at once."""
        own = rows.copy()
        room = self.rows_max - len(own)
        while self.waiting_rows > room:
            try:
                self.dropped_rows += len(self._batches.popleft())
            except IndexError:  # the other thread has just taken it
                break
        self.put_rows += len(own)
        self._batches.append(own)

    def take(self, rows_max: int) -> list[Rows]:
        """Take what waits, oldest first, at least one batch where there is any."""
        taken: list[Rows] = []
        count = 0
        while count < rows_max:
            try:
                batch = self._batches.popleft()
            except IndexError:
                break
            taken.append(batch)
            count += len(batch)
        self.taken_rows += count
        return taken
