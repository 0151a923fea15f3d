"""Combined-stream frames to rows, straight from their bytes.

Only the form that the venue really writes is read: no white space, one-letter keys, plain numbers. Whatever
differs gives 0, and the general reader (`wire.py`) decides what it is; so these kernels can be as strict as
they like, but what they accept they must read exactly as that one does.

Reading stays inside the payload without a check for each byte: it ends with two braces (checked first), no
comparison here steps over a brace, and so every loop ends there at the latest.
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
    LEVELS_PER_ROW,
    LOCAL_NS,
    NO_CHECKSUM,
    ROW_WIDTH,
    SEQUENCE,
)
from hw.kernel import kernel

State = NDArray[np.int64]
Steps = tuple[int, int, int, int, int, int]

# One array holds all: the rows, what each kind of frame tells by which letter, and the streams' table.
LEVELS_MAX = 10_000
ROWS_MAX = 1 + LEVELS_MAX // LEVELS_PER_ROW
FIELDS = ROWS_MAX * ROW_WIDTH
FIELD_KEYS = 64  # from "A" on; the last two of a kind hold the fields that it must have, and may repeat
NEEDED = FIELD_KEYS - 1
TABLE = FIELDS + 4 * FIELD_KEYS

# A field is `what << 8 | column`; 0 is one that nobody asks for.
COUNT, MILLIS, PRICE, SIZE, MAKER, LEVELS = 1, 2, 3, 4, 5, 6

# A stream: the size of its name, the name (eight bytes a word), its kind, its market and the market's steps.
NAME_WORDS = 6
NAME_BYTES_MAX = 8 * NAME_WORDS
NAME_SIZE, NAME, STREAM_KIND, STREAM_INSTRUMENT, STEPS, STREAM_WIDTH = 0, 1, 7, 8, 9, 16


# Below 10^18 every number fits an int64, and the bound that the general reader sets.
DIGITS_MAX = 18
MILLIS_MAX = 1 << 43
MILLI_NS = 1_000_000
HASH_MASK, HASH_FACTOR = (1 << 31) - 1, 1_000_003

_QUOTE, _COMMA, _DOT, _ZERO, _NINE, _COLON = 34, 44, 46, 48, 57, 58
_BACKSLASH, _OPEN_LIST, _CLOSE_LIST, _CLOSE = 92, 91, 93, 125
_SPACE, _TILDE, _UPPER_A, _LOWER_F, _LOWER_T = 32, 126, 65, 102, 116
_HEAD, _MIDDLE = tuple(b'{"stream":"'), tuple(b'","data":{')
_TRUE, _FALSE = tuple(b"true"), tuple(b"false")
_FRAME_BYTES_MIN, _WHOLE_USUAL = 32, DIGITS_MAX - 8

# Eight digits at once: https://kholdstare.github.io/technical/2020/05/26/faster-integer-parsing.html
_ZEROS, _OVER_NINE, _HIGH_BITS = 0x3030303030303030, 0x7676767676767676, -0x7F7F7F7F7F7F7F80
_TWOS, _FOURS, _EIGHT = 0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0x00000000FFFFFFFF


@kernel
def eight_bytes(payload: bytes, at: int) -> int:
    """Read eight bytes as one word, which compiles to one load: unsigned places need no wrapping."""
    place = np.uint64(at)
    return (
        payload[place]
        | payload[place + np.uint64(1)] << 8
        | payload[place + np.uint64(2)] << 16
        | payload[place + np.uint64(3)] << 24
        | payload[place + np.uint64(4)] << 32
        | payload[place + np.uint64(5)] << 40
        | payload[place + np.uint64(6)] << 48
        | payload[place + np.uint64(7)] << 56
    )


@kernel(called=True)
def name_word(payload: bytes, at: int, end: int) -> int:
    """Pack up to eight bytes into one word."""
    word = 0
    place = 0
    while place < 8 and at + place < end:
        word |= (payload[at + place] & 127) << (8 * place)
        place += 1
    return word


@kernel(called=True)
def name_hash(payload: bytes, at: int, end: int) -> int:
    """Hash a stream's name, 31 bits."""
    found = 0
    while at < end:
        found = (found * HASH_FACTOR + payload[at]) & HASH_MASK
        at += 1
    return found


@kernel
def find_stream(payload: bytes, at: int, end: int, state: State) -> int:
    """Give the place of a stream, -1 for one that is not ours. The table always has a free slot."""
    slots = (state.size - TABLE) // STREAM_WIDTH
    slot = name_hash(payload, at, end) & (slots - 1)
    while True:
        stream = TABLE + slot * STREAM_WIDTH
        size = state[stream + NAME_SIZE]
        if size == 0:
            return -1
        word = 0
        if size == end - at:
            while 8 * word < size and state[stream + NAME + word] == name_word(payload, at + 8 * word, end):
                word += 1
        if 8 * word >= size:
            return stream
        slot = (slot + 1) & (slots - 1)


@kernel
def matches(payload: bytes, at: int, text: tuple[int, ...]) -> bool:
    """Tell whether a text without a brace at its start stands here."""
    for place in range(len(text)):  # noqa: SIM110 - compiled
        if payload[at + place] != text[place]:
            return False
    return True


@kernel
def read_steps(payload: bytes, at: int, units: int, decimals: int) -> tuple[int, int]:
    """Read a quoted decimal as a whole number of steps; gives it (or -1) and the place after it."""
    if payload[at] != _QUOTE:
        return -1, at
    at += 1
    first, total = at, 0
    while payload[at] >= _ZERO and payload[at] <= _NINE:
        total = total * 10 + (payload[at] - _ZERO)
        at += 1
    if at == first or at - first + decimals > DIGITS_MAX:
        return -1, at
    missing = decimals
    if payload[at] == _DOT:
        at += 1
        first, end = at, at + decimals
        while at < end and payload[at] >= _ZERO and payload[at] <= _NINE:
            total = total * 10 + (payload[at] - _ZERO)
            at += 1
        missing = end - at
        while missing == 0 and payload[at] == _ZERO:
            at += 1
        if at == first or at - first > DIGITS_MAX:
            return -1, at
    if payload[at] != _QUOTE:
        return -1, at
    while missing > 0:
        total *= 10
        missing -= 1
    if units != 1:
        count = total // units
        if count * units != total:
            return -1, at
        total = count
    return total, at + 1


@kernel
def read_count(payload: bytes, at: int) -> tuple[int, int]:
    """Read a whole number as JSON writes it; gives it (or -1) and the place after it."""
    first, total = at, 0
    while payload[at] >= _ZERO and payload[at] <= _NINE:
        total = total * 10 + (payload[at] - _ZERO)
        at += 1
    size = at - first
    if size == 0 or size > DIGITS_MAX or (size > 1 and payload[first] == _ZERO):
        return -1, at
    return total, at


@kernel
def read_truth(payload: bytes, at: int) -> tuple[int, int]:
    """Read true (1) or false (0), -1 for neither; gives it and the place after it."""
    if matches(payload, at, _TRUE):
        return 1, at + len(_TRUE)
    if matches(payload, at, _FALSE):
        return 0, at + len(_FALSE)
    return -1, at


@kernel
def skip_value(payload: bytes, at: int) -> tuple[int, int]:
    """Give the place after a value that nobody asks for; -1 before it where it is not a simple one."""
    byte = payload[at]
    if byte in (_LOWER_T, _LOWER_F):
        return read_truth(payload, at)
    if byte != _QUOTE:
        return read_count(payload, at)
    at += 1
    while payload[at] != _QUOTE:
        byte = payload[at]
        if byte < _SPACE or byte >= _CLOSE or byte == _BACKSLASH:
            return -1, at
        at += 1
    return 0, at + 1


@kernel
def read_levels(payload: bytes, at: int, levels: int, steps: Steps, state: State) -> tuple[int, int]:
    """Read `[["price","size"],…]` after `levels` others; gives how many there are (or -1) and the place.

    The usual number (any digits, a dot, eight digits) is read right here: a call for each took half the time.
    """
    if payload[at] != _OPEN_LIST:
        return -1, at
    at += 1
    if payload[at] == _CLOSE_LIST:
        return levels, at + 1
    tick_units, tick_decimals, tick_scale, lot_units, lot_decimals, lot_scale = steps
    usual = tick_units == 1 and lot_units == 1 and 0 < tick_decimals < 8 and 0 < lot_decimals < 8
    end = len(payload) - 9 if usual else 0
    cell = ROW_WIDTH + 2 * levels
    while True:
        if levels == LEVELS_MAX or payload[at] != _OPEN_LIST:
            return -1, at
        for place in range(2):
            at += 1
            first, total, word = at + 1, 0, _HIGH_BITS
            decimals, scale = (tick_decimals, tick_scale) if place == 0 else (lot_decimals, lot_scale)
            if payload[at] == _QUOTE:
                at += 1
                while payload[at] >= _ZERO and payload[at] <= _NINE:
                    total = total * 10 + (payload[at] - _ZERO)
                    at += 1
                whole = at - first
                if (
                    0 < whole <= _WHOLE_USUAL
                    and payload[at] == _DOT
                    and at < end
                    and payload[at + 9] == _QUOTE
                ):
                    word = eight_bytes(payload, at + 1) ^ _ZEROS
            if ((word | (word + _OVER_NINE)) & _HIGH_BITS) == 0 and word >> (8 * decimals) == 0:
                word = word << (64 - 8 * decimals)
                word = (word * 10 + (word >> 8)) & _TWOS
                word = (word * 100 + (word >> 16)) & _FOURS
                total = total * scale + ((word * 10_000 + (word >> 32)) & _EIGHT)
                at += 10
            else:
                units = tick_units if place == 0 else lot_units
                total, at = read_steps(payload, first - 1, units, decimals)
                if total < 0:
                    return -1, at
            state[cell] = total
            cell += 1
            if payload[at] != (_COMMA if place == 0 else _CLOSE_LIST):
                return -1, at
        levels += 1
        at += 1
        if payload[at] == _CLOSE_LIST:
            return levels, at + 1
        if payload[at] != _COMMA:
            return -1, at
        at += 1


@kernel
def read_fields(payload: bytes, at: int, kind: int, steps: Steps, state: State) -> int:
    """Read what the frame tells, up to its first closing brace; gives how many levels, -1 where it fails."""
    seen, levels, end = 0, 0, len(payload) - 2
    while True:
        if payload[at] != _QUOTE:
            return -1
        key = payload[at + 1] - _UPPER_A
        if key < 0 or key >= NEEDED or payload[at + 1] == _BACKSLASH:
            return -1
        if payload[at + 2] != _QUOTE or payload[at + 3] != _COLON:
            return -1
        at += 4
        field = state[FIELDS + kind * FIELD_KEYS + key]
        what, column = field >> 8, field & 255
        if what == 0:
            number, at = skip_value(payload, at)
        elif what == LEVELS:
            # Asks are written after the bids: another order is not the usual form.
            if column == ASKS and seen >> BIDS & 1 == 0:
                return -1
            before = levels
            levels, at = read_levels(payload, at, levels, steps, state)
            number = levels - before if levels >= 0 else -1
        elif what == PRICE:
            number, at = read_steps(payload, at, steps[0], steps[1])
        elif what == SIZE:
            number, at = read_steps(payload, at, steps[3], steps[4])
        elif what == MAKER:
            number, at = read_truth(payload, at)
        else:
            number, at = read_count(payload, at)
            if what == MILLIS and number > MILLIS_MAX:
                return -1
        if number < 0:
            return -1
        if what != 0:
            if seen >> column & 1 == 1:
                return -1
            seen |= 1 << column
            if what == MILLIS:
                number *= MILLI_NS
            elif what == MAKER:
                number = 1 - 2 * number
            state[column] = number
        if payload[at] != _COMMA:
            break
        at += 1
    needed = state[FIELDS + kind * FIELD_KEYS + NEEDED]
    if payload[at] != _CLOSE or at != end or seen & needed != needed:
        return -1
    return levels


@kernel("int64(Bytes(uint8, 1, 'C'), int64, int64[::1])")
def scan_frame(payload: bytes, local_ns: int, state: State) -> int:
    """Read a frame into the first rows of `state`; gives how many, 0 for a frame to be read elsewhere."""
    size = len(payload)
    if size < _FRAME_BYTES_MIN or payload[size - 1] != _CLOSE or payload[size - 2] != _CLOSE:
        return 0
    if not matches(payload, 0, _HEAD):
        return 0
    at = end = len(_HEAD)
    while payload[end] != _QUOTE:
        if payload[end] < _SPACE or payload[end] >= _CLOSE:
            return 0
        end += 1
    stream = find_stream(payload, at, end, state)
    if stream < 0 or not matches(payload, end, _MIDDLE):
        return 0
    kind, at = state[stream + STREAM_KIND], stream + STEPS
    steps = (state[at], state[at + 1], state[at + 2], state[at + 3], state[at + 4], state[at + 5])
    for column in range(EXCHANGE_NS, ROW_WIDTH):
        state[column] = 0
    levels = read_fields(payload, end + len(_MIDDLE), kind, steps, state)
    if levels < 0:
        return 0
    state[KIND], state[INSTRUMENT], state[LOCAL_NS] = kind, state[stream + STREAM_INSTRUMENT], local_ns
    if kind != DELTA_ROW:
        return 1
    if state[LAST_SEQUENCE] < state[SEQUENCE]:
        return 0
    state[CHECKSUM] = NO_CHECKSUM
    rows = 1 + (levels + LEVELS_PER_ROW - 1) // LEVELS_PER_ROW
    for cell in range(ROW_WIDTH + 2 * levels, rows * ROW_WIDTH):
        state[cell] = 0
    return rows
