"""Arrow arrays over numpy memory and back, without a copy.

`pyarrow.array` and `to_numpy` import pandas where it is installed, a third of a second that a recorder's
thread would take from its node; buffers do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]


def array_of(numbers: Column) -> Any:
    """See numbers as an Arrow array."""
    import pyarrow as pa

    own = np.ascontiguousarray(numbers, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(own), [None, pa.py_buffer(own)])


def numbers_of(array: Any) -> Column:
    """See an Arrow array of 64-bit integers without nulls as numbers."""
    if len(array) == 0:
        return np.empty(0, np.int64)
    assert array.null_count == 0, "the columns of history have no gaps"
    seen = np.frombuffer(array.buffers()[1], np.int64)
    return seen[array.offset : array.offset + len(array)]


def lists_of(kind: Any, numbers: Column, lengths: Column) -> Any:
    """See numbers as lists of the given lengths."""
    import pyarrow as pa

    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.Array.from_buffers(
        kind, len(lengths), [None, pa.py_buffer(offsets)], children=[array_of(numbers)]
    )


def from_lists(array: Any) -> tuple[Column, Column]:
    """Give the numbers of lists, and how many each has."""
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    numbers = numbers_of(array.values)[offsets[0] : offsets[-1]]
    return numbers, np.diff(offsets).astype(np.int64)


def repeated(kind: Any, unscaled: int, rows: int) -> Any:
    """Give a decimal, told by its digits without the point, as an array of many."""
    import pyarrow as pa

    words = np.zeros((rows, 2), np.int64)
    words[:, 0] = unscaled
    return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(words)])


def spread(firsts: Column, counts: Column) -> Column:
    """Give firsts[k] … firsts[k] + counts[k] - 1 for every k, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    found: Column = np.arange(total) + np.repeat(firsts - (ends - counts), counts)
    return found
