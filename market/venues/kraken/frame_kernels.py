"""Book updates to rows, straight from their bytes.

Only the form that Kraken really writes is read: no white space, its own order of keys, plain numbers.
Whatever differs gives 0, and the general reader (`wire.py`) decides what it is; so these kernels can be as
strict as they like, but what they accept they must read exactly as that one does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import (
    ASKS,
    BIDS,
    CHECKSUM,
    DELTA_ROW,
    EXCHANGE_NS,
    INSTRUMENT,
    KIND,
    LAST_SEQUENCE,
    LOCAL_NS,
    ROW_WIDTH,
    SEQUENCE,
)
from hw.kernel import kernel

Cells = NDArray[np.int64]

LEVELS_MAX = 1_000
ROWS_MAX = 1 + LEVELS_MAX // (ROW_WIDTH // 2)
# A market: what it is called in rows, its steps, and its two counts (see `wire._Market`).
INDEX, TICK_UNITS, TICK_DECIMALS, LOT_UNITS, LOT_DECIMALS, COUNT, BOOKED, MARKET_WIDTH = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
)
SCAN_SIGNATURE = "int64(Bytes(uint8, 1, 'C'), int64, int64, int64[::1], int64[::1])"

# Below 10^18 every number fits an int64; the general reader takes no more than 2^60.
DIGITS_MAX, COUNT_MAX, CRC_MAX = 18, 1 << 60, (1 << 32) - 1
S_NS, DAY_S, YEAR_MAX = 1_000_000_000, 86_400, 2_100
_ZERO, _NINE, _DOT, _COMMA, _CLOSE_LIST, _CLOSE = 48, 57, 46, 44, 93, 125
_BIDS, _ASKS, _CHECKSUM = tuple(b',"bids":['), tuple(b',"asks":['), tuple(b',"checksum":')
_PRICE, _QTY, _STAMP, _END = tuple(b'{"price":'), tuple(b',"qty":'), tuple(b',"timestamp":"'), tuple(b'Z"}]}')
_STAMP_FORM = tuple(b"0000-00-00T00:00:00")


@kernel
def matches(payload: bytes, at: int, text: tuple[int, ...]) -> bool:
    """Tell whether a text stands here."""
    if at + len(text) > len(payload):
        return False
    for place in range(len(text)):  # noqa: SIM110 - compiled
        if payload[at + place] != text[place]:
            return False
    return True


@kernel
def read_steps(payload: bytes, at: int, units: int, decimals: int) -> tuple[int, int]:
    """Read a plain JSON number as a whole number of steps; gives it (or -1) and the place after it."""
    first, size, total = at, len(payload), 0
    while at < size and _ZERO <= payload[at] <= _NINE and at - first <= DIGITS_MAX:
        total = total * 10 + (payload[at] - _ZERO)
        at += 1
    digits, fraction = at - first, 0
    if digits == 0 or (digits > 1 and payload[first] == _ZERO):
        return -1, at
    if at < size and payload[at] == _DOT:
        at += 1
        while at < size and _ZERO <= payload[at] <= _NINE and digits + fraction <= DIGITS_MAX:
            total = total * 10 + (payload[at] - _ZERO)
            fraction += 1
            at += 1
        if fraction == 0:
            return -1, at
    if digits + fraction > DIGITS_MAX:
        return -1, at
    while fraction > decimals:
        if total % 10 != 0:
            return -1, at
        total //= 10
        fraction -= 1
    while fraction < decimals:
        if total > COUNT_MAX // 10:
            return -1, at
        total *= 10
        fraction += 1
    if total % units != 0 or total // units > COUNT_MAX:
        return -1, at
    return total // units, at


@kernel
def read_whole(payload: bytes, at: int) -> tuple[int, int]:
    """Read a checksum; gives it (or -1) and the place after it."""
    first, total = at, 0
    while at < len(payload) and _ZERO <= payload[at] <= _NINE and total <= CRC_MAX:
        total = total * 10 + (payload[at] - _ZERO)
        at += 1
    if at == first or total > CRC_MAX or (at - first > 1 and payload[first] == _ZERO):
        return -1, at
    return total, at


@kernel
def read_side(payload: bytes, at: int, levels: int, market: Cells, cells: Cells) -> tuple[int, int]:
    """Read levels up to the end of a list, after so many others; gives their new number (or -1) and the place
    after the list."""
    if at < len(payload) and payload[at] == _CLOSE_LIST:
        return levels, at + 1
    while levels < LEVELS_MAX and matches(payload, at, _PRICE):
        price, at = read_steps(payload, at + len(_PRICE), market[TICK_UNITS], market[TICK_DECIMALS])
        if price <= 0 or not matches(payload, at, _QTY):
            return -1, at
        size, at = read_steps(payload, at + len(_QTY), market[LOT_UNITS], market[LOT_DECIMALS])
        # The brace that closes the level, and then the next level or the end of the list.
        if size < 0 or at + 1 >= len(payload) or payload[at] != _CLOSE:
            return -1, at
        place = ROW_WIDTH + 2 * levels
        cells[place], cells[place + 1] = price, size
        levels += 1
        if payload[at + 1] == _CLOSE_LIST:
            return levels, at + 2
        if payload[at + 1] != _COMMA:
            return -1, at
        at += 2
    return -1, at


@kernel
def read_time(payload: bytes, at: int) -> tuple[int, int]:
    """Read an RFC 3339 time without its zone as nanoseconds; gives it (or -1) and the place after it."""
    size = len(payload)
    if at + len(_STAMP_FORM) >= size:
        return -1, at
    for place in range(len(_STAMP_FORM)):
        byte = payload[at + place]
        if _STAMP_FORM[place] == _ZERO:
            if byte < _ZERO or byte > _NINE:
                return -1, at
        elif byte != _STAMP_FORM[place]:
            return -1, at
    year = two(payload, at) * 100 + two(payload, at + 2)
    month, day = two(payload, at + 5), two(payload, at + 8)
    hour, minute, second = two(payload, at + 11), two(payload, at + 14), two(payload, at + 17)
    # A day that every month has: the general reader knows the calendar's other days.
    if (
        year < 1970
        or year > YEAR_MAX
        or month < 1
        or month > 12
        or day < 1
        or day > 28
        or hour > 23
        or minute > 59
        or second > 59
    ):
        return -1, at
    at += len(_STAMP_FORM)
    total = ((days(year, month, day) * DAY_S) + hour * 3_600 + minute * 60 + second) * S_NS
    if payload[at] != _DOT:
        return total, at
    at += 1
    first, part = at, S_NS
    while at < size and _ZERO <= payload[at] <= _NINE and part > 1:
        part //= 10
        total += (payload[at] - _ZERO) * part
        at += 1
    return (total, at) if at > first else (-1, at)


@kernel
def two(payload: bytes, at: int) -> int:
    """Read two digits."""
    return (payload[at] - _ZERO) * 10 + (payload[at + 1] - _ZERO)


@kernel
def days(year: int, month: int, day: int) -> int:
    """Count the days since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms")."""
    if month <= 2:
        year -= 1
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


@kernel(SCAN_SIGNATURE)
def scan_update(payload: bytes, at: int, local_ns: int, market: Cells, cells: Cells) -> int:
    """Read the rest of a book update after its symbol; gives its number of rows, 0 where it was left.

    `cells` are overwritten and the market's counts moved on only as far as the frame was accepted.
    """
    if not matches(payload, at, _BIDS):
        return 0
    bids, at = read_side(payload, at + len(_BIDS), 0, market, cells)
    if bids < 0 or not matches(payload, at, _ASKS):
        return 0
    levels, at = read_side(payload, at + len(_ASKS), bids, market, cells)
    if levels < 0 or not matches(payload, at, _CHECKSUM):
        return 0
    checksum, at = read_whole(payload, at + len(_CHECKSUM))
    if checksum < 0 or not matches(payload, at, _STAMP):
        return 0
    exchange_ns, at = read_time(payload, at + len(_STAMP))
    if exchange_ns < 0 or not matches(payload, at, _END) or at + len(_END) != len(payload):
        return 0
    market[COUNT] += 1
    cells[KIND], cells[INSTRUMENT] = DELTA_ROW, market[INDEX]
    cells[EXCHANGE_NS], cells[LOCAL_NS] = exchange_ns, local_ns
    cells[SEQUENCE], cells[LAST_SEQUENCE] = market[BOOKED] + 1, market[COUNT]
    cells[BIDS], cells[ASKS], cells[CHECKSUM], cells[9] = bids, levels - bids, checksum, 0
    market[BOOKED] = market[COUNT]
    end = ROW_WIDTH + 2 * levels
    while end % ROW_WIDTH != 0:
        cells[end] = 0
        end += 1
    return end // ROW_WIDTH
