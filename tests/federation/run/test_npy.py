"""Arrays are read as Flower's own reader reads them, by many threads at once, and nothing else is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from federation.run.flower import Array
from federation.run.npy import array_of


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i8", "u1", "?"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4), (2, 1, 5)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_is_what_flower_reads(dtype: str, shape: tuple[int, ...], order: str) -> None:
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    carried = Array(np.asfortranarray(values) if order == "F" else values)
    read, theirs = array_of(carried), carried.numpy()
    assert read.dtype == theirs.dtype and read.shape == theirs.shape
    assert read.tobytes() == theirs.tobytes()
    read[...] = 0  # its own, not the message's


def test_many_threads_read_at_once() -> None:
    carried = Array(np.arange(32, dtype=np.float32))
    with ThreadPoolExecutor(10) as threads:
        found = list(threads.map(lambda _: array_of(carried).sum(), range(2_000)))
    assert set(found) == {496.0}


@pytest.mark.parametrize("cut", [0, 5, 9, 40, 127, 130, 140])
def test_bytes_that_are_cut_are_refused(cut: int) -> None:
    carried = Array(np.arange(6, dtype=np.float32))
    with pytest.raises(ValueError):
        array_of(Array(carried.dtype, carried.shape, carried.stype, carried.data[:cut]))


@pytest.mark.parametrize(
    ("was", "then"), [(b"'<f4'", b"'|O8'"), (b"(6,)", b"(7,)"), (b"(6,)", b"(-1)"), (b"NUMPY", b"NUMPX")]
)
def test_other_headers_are_refused(was: bytes, then: bytes) -> None:
    carried = Array(np.arange(6, dtype=np.float32))
    assert was in carried.data
    with pytest.raises(ValueError):
        array_of(Array(carried.dtype, carried.shape, carried.stype, carried.data.replace(was, then)))
