"""The first so many rows of a feed's one buffer."""

from __future__ import annotations

from domain.dtypes import Rows


class Views(dict[int, Rows]):
    """Give the first so many rows of a buffer, as views that are made once.

    >>> import numpy as np
    >>> Views(np.zeros((4, 10), np.int64))[2].shape
    (2, 10)
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._rows = rows

    def __missing__(self, count: int) -> Rows:
        view = self[count] = self._rows[:count]
        return view
