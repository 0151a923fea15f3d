"""Decimal text to whole ticks and lots, and times to nanoseconds, column-wise and never through floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from domain.units import ATOM_DECIMALS, Step
from market.history.arrow import Column, numbers_of
from market.history.raw import BadInput

DIGITS = 38
# 2009 to 2100: what lies outside is no time of a market.
_EARLIEST_S, _LATEST_S = 1_230_768_000, 4_102_444_800
UNITS_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def decimals(array: Any, name: str, first_line: int) -> Any:
    """Read a column as decimals of ten places; more places than that, or no number, is bad input."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.decimal128(DIGITS, ATOM_DECIMALS)
    if array.type == wanted:
        return array
    if pa.types.is_floating(array.type):
        array = pc.cast(array, pa.string())
    try:
        return pc.cast(array, wanted)
    except pa.ArrowInvalid:
        raise _first_bad(
            array, name, first_line, lambda one: pc.cast(one, wanted), "decimal number"
        ) from None


def integers(array: Any, name: str, first_line: int) -> Column:
    """Read a column as whole numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return numbers_of(pc.cast(array, pa.int64()))
    except pa.ArrowInvalid:
        raise _first_bad(
            array, name, first_line, lambda one: pc.cast(one, pa.int64()), "whole number"
        ) from None


def counts(array: Any, step: Step, name: str, first_line: int) -> Column:
    """Read a column of decimals as whole numbers of steps."""
    low, high = _raw(decimals(array, name, first_line))
    one = step.units * 10 ** (ATOM_DECIMALS - step.decimals)
    if np.array_equal(high, low >> 63):
        found, rest = np.divmod(low, one)
        wrong = rest != 0
        if not wrong.any():
            return np.asarray(found)
        at = int(np.argmax(wrong))
        raise BadInput(f"{name} {_text(array, at)} is no multiple of {step.text(1)}", first_line + at)
    return _long_counts(low, high, one, step, name, first_line)


def _long_counts(low: Column, high: Column, one: int, step: Step, name: str, first_line: int) -> Column:
    # Numbers beyond 922 million: rare, so in Python's own integers.
    found = np.empty(len(low), np.int64)
    for at, (below, above) in enumerate(zip(low.view(np.uint64).tolist(), high.tolist(), strict=True)):
        count, rest = divmod((above << 64) + below, one)
        if rest != 0 or abs(count) >= 2**63:
            raise BadInput(f"{name} is no multiple of {step.text(1)} that fits 64 bits", first_line + at)
        found[at] = count
    return found


def places(array: Any, name: str, first_line: int) -> int:
    """Tell how many decimal places a column of decimals needs."""
    low, high = _raw(decimals(array, name, first_line))
    if not np.array_equal(high, low >> 63):
        texts = (_plain(value) for value in zip(low.view(np.uint64).tolist(), high.tolist(), strict=True))
        return max(texts, default=0)
    needed, power = 0, 10
    for count in range(ATOM_DECIMALS, 0, -1):
        if np.any(low % power != 0):
            needed = count
            break
        power *= 10
    return needed


def _plain(value: tuple[int, int]) -> int:
    whole, needed = (value[1] << 64) + value[0], ATOM_DECIMALS
    while needed and whole % 10 == 0:
        whole, needed = whole // 10, needed - 1
    return needed


def _raw(array: Any) -> tuple[Column, Column]:
    words = np.frombuffer(array.buffers()[1], np.int64)[2 * array.offset : 2 * (array.offset + len(array))]
    return words[::2], words[1::2]


def unit_of(value: int, line: int) -> str:
    """Tell in which unit a time is, by its size."""
    for unit, unit_ns in UNITS_NS.items():
        if _EARLIEST_S <= value * unit_ns // 1_000_000_000 < _LATEST_S:
            return unit
    raise BadInput(f"{value} is no time between 2009 and 2100 in s, ms, us or ns", line)


def times_ns(array: Any, unit: str, name: str, first_line: int) -> Column:
    """Read a column of times in a known unit, or ISO 8601 text for `iso`."""
    found = _iso_ns(array, name, first_line) if unit == "iso" else _counted_ns(array, unit, name, first_line)
    wrong = (found < _EARLIEST_S * 1_000_000_000) | (found >= _LATEST_S * 1_000_000_000)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise BadInput(f"{name} {_text(array, at)} is no time in {unit}", first_line + at)
    return found


def _counted_ns(array: Any, unit: str, name: str, first_line: int) -> Column:
    import pyarrow as pa

    if unit == "s" and not pa.types.is_integer(array.type):
        return counts(array, Step(1, 9), name, first_line)
    found = integers(array, name, first_line)
    limit = _LATEST_S * (1_000_000_000 // UNITS_NS[unit])
    wrong = (found < 0) | (found >= limit)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise BadInput(f"{name} {_text(array, at)} is no time in {unit}", first_line + at)
    return found * UNITS_NS[unit]


def _iso_ns(array: Any, name: str, first_line: int) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    def read(one: Any) -> Any:
        if pa.types.is_timestamp(one.type):
            return pc.cast(one, pa.timestamp("ns", one.type.tz))
        try:
            return pc.cast(one, pa.timestamp("ns", "UTC"))
        except pa.ArrowInvalid:
            return pc.cast(one, pa.timestamp("ns"))

    try:
        return numbers_of(pc.cast(read(array), pa.int64()))
    except pa.ArrowInvalid:
        raise _first_bad(array, name, first_line, read, "time") from None


def _first_bad(array: Any, name: str, first_line: int, read: Callable[[Any], Any], what: str) -> BadInput:
    import pyarrow as pa

    low, high = 0, len(array)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            read(array.slice(low, middle - low))
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return BadInput(f"{name} {_text(array, low)} is no {what} that fits", first_line + low)


def _text(array: Any, at: int) -> str:
    return repr(str(array[at].as_py())[:40])
