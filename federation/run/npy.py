"""Read an array that Flower carries in numpy's own format, from any thread.

numpy reads such a header by way of Python's syntax trees. Several threads at it at once make CPython 3.11
raise SystemError now and then ("AST constructor recursion depth mismatch"), and regions are threads here.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.run.flower import Array

MAGIC, SIZE_END = b"\x93NUMPY\x01\x00", 10
# Numbers and booleans only: an object would have to be unpickled.
_HEADER = re.compile(
    rb"\{'descr': '([<>|]?(?:f[248]|[iu][1248]|b1))', 'fortran_order': (False|True), "
    rb"'shape': \(([0-9, ]*)\), \} *\n"
)


def array_of(carried: Array) -> NDArray[Any]:
    """Give the array; bytes that are not one are a `ValueError`.

    >>> array_of(Array(np.arange(6, dtype=np.float32).reshape(2, 3))).tolist()
    [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    """
    data = carried.data
    end = SIZE_END + int.from_bytes(data[len(MAGIC) : SIZE_END], "little")
    header = _HEADER.fullmatch(data[SIZE_END:end])
    if not data.startswith(MAGIC) or header is None:
        raise ValueError("an array that is not in numpy's format")
    shape = tuple(int(size) for size in header[3].split(b",") if size.strip())
    found = np.frombuffer(data, np.dtype(header[1].decode()), offset=end)
    return found.reshape(shape, order="F" if header[2] == b"True" else "C").copy()
