"""Signed requests as bytes, written and signed (HMAC-SHA256, FIPS 198-1 and 180-4) in one call.

What a request looks like is a program: pairs of a place and a size. A place from 0 on is constant text to
copy; one below names a field. What comes before `SIGN` is the text to sign, what comes after it the request.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.ids import EPOCH_BITS, EPOCH_MAX, SEQUENCE_BITS, SEQUENCE_MAX
from hw.kernel import kernel

Text = NDArray[np.uint8]
Cells = NDArray[np.int64]

END, SIGN, SIGNATURE, REQUEST, CLIENT, SYMBOL, PRICE, SIZE, TIME = -1, -2, -3, -4, -5, -6, -7, -8, -9
# The text: the request, the text to sign (with room for its padding), then what is constant.
REQUEST_MAX, SIGNED_MAX = 1_024, 1_024
SIGNED, CONSTANT = REQUEST_MAX, REQUEST_MAX + SIGNED_MAX
# The cells: the hash's constants, the key's two states, the state at work, its schedule; markets; programs.
BLOCK, WORDS = 64, 8
INNER, OUTER, STATE, SCHEDULE = BLOCK, BLOCK + WORDS, BLOCK + 2 * WORDS, BLOCK + 3 * WORDS
FIXED = SCHEDULE + 16  # so many bytes of every text to sign are in the inner state already
MARKETS = FIXED + 1
# A market: where its symbol is, how long it is, and its steps.
SYMBOL_AT, SYMBOL_SIZE, TICK_UNITS, TICK_DECIMALS, LOT_UNITS, LOT_DECIMALS, MARKET_WIDTH = range(7)
ABSORB_SIGNATURE = "void(uint8[::1], int64, int64[::1])"
WRITE_SIGNATURE = "int64(uint8[::1], int64[::1], int64, int64, int64, int64, int64, int64, int64)"

_MASK, _SHARD_SHIFT = (1 << 32) - 1, EPOCH_BITS + SEQUENCE_BITS
_ZERO, _DOT, _M, _LETTERS = 48, 46, 109, 39


@kernel
def write_number(text: Text, at: int, units: int, decimals: int) -> int:
    """Write units × 10^-decimals, which are not below 0; gives the place after it."""
    size, left = 1, units // 10
    while left > 0 or size <= decimals:
        left //= 10
        size += 1
    end = at + size + (decimals > 0)
    place, left = end, units
    for digit in range(size):
        if decimals > 0 and digit == decimals:
            place -= 1
            text[place] = _DOT
        place -= 1
        text[place] = _ZERO + left % 10
        left //= 10
    return end


@kernel
def write_hex(text: Text, at: int, number: int, size: int) -> int:
    """Write the lowest digits of a number in hex; gives the place after it."""
    for place in range(at + size - 1, at - 1, -1):
        digit = number & 15
        text[place] = _ZERO + digit + (_LETTERS if digit > 9 else 0)
        number >>= 4
    return at + size


@kernel
def turned(word: np.uint32, by: int) -> np.uint32:
    """Turn a word to the right."""
    return np.uint32(word >> by | word << 32 - by)


@kernel(ABSORB_SIGNATURE)
def absorb(text: Text, at: int, cells: Cells) -> None:
    """Take one block of text into the state at work.

    Words have 32 bits where they are turned, which a processor does at once, and more where they are added.
    """
    for word in range(16):
        place = at + 4 * word
        cells[SCHEDULE + word] = (
            int(text[place]) << 24
            | int(text[place + 1]) << 16
            | int(text[place + 2]) << 8
            | int(text[place + 3])
        )
    a, b, c, d = int(cells[STATE]), int(cells[STATE + 1]), int(cells[STATE + 2]), int(cells[STATE + 3])
    e, f, g, h = int(cells[STATE + 4]), int(cells[STATE + 5]), int(cells[STATE + 6]), int(cells[STATE + 7])
    for step in range(64):
        added = int(cells[SCHEDULE + (step & 15)])
        if step >= 16:
            early = np.uint32(cells[SCHEDULE + (step + 1 & 15)])
            late = np.uint32(cells[SCHEDULE + (step + 14 & 15)])
            added += int(turned(early, 7) ^ turned(early, 18) ^ early >> 3)
            added += int(turned(late, 17) ^ turned(late, 19) ^ late >> 10)
            added = added + int(cells[SCHEDULE + (step + 9 & 15)]) & _MASK
            cells[SCHEDULE + (step & 15)] = added
        turning = np.uint32(e)
        first = h + int(turned(turning, 6) ^ turned(turning, 11) ^ turned(turning, 25))
        first += (g ^ e & (f ^ g)) + int(cells[step]) + added
        turning = np.uint32(a)
        second = first + int(turned(turning, 2) ^ turned(turning, 13) ^ turned(turning, 22))
        second += a & b | c & (a | b)
        h, g, f, e, d, c, b, a = g, f, e, d + first & _MASK, c, b, a, second & _MASK
    cells[STATE] = cells[STATE] + a & _MASK
    cells[STATE + 1] = cells[STATE + 1] + b & _MASK
    cells[STATE + 2] = cells[STATE + 2] + c & _MASK
    cells[STATE + 3] = cells[STATE + 3] + d & _MASK
    cells[STATE + 4] = cells[STATE + 4] + e & _MASK
    cells[STATE + 5] = cells[STATE + 5] + f & _MASK
    cells[STATE + 6] = cells[STATE + 6] + g & _MASK
    cells[STATE + 7] = cells[STATE + 7] + h & _MASK


@kernel
def digest(text: Text, at: int, end: int, before: int, start: int, cells: Cells) -> None:
    """Hash the rest of a text into the state at work: `before` bytes are in the state at `start` already."""
    for word in range(WORDS):
        cells[STATE + word] = cells[start + word]
    bits = 8 * (before + end - at)
    text[end] = 128
    end += 1
    while end - at & BLOCK - 1 != BLOCK - 8:
        text[end] = 0
        end += 1
    for place in range(8):
        text[end + place] = bits >> 8 * (7 - place) & 255
    for block in range(at, end + 8, BLOCK):
        absorb(text, block, cells)


@kernel
def sign(text: Text, end: int, cells: Cells) -> None:
    """Sign the text to sign, which ends there; the state at work is the signature."""
    fixed = int(cells[FIXED])
    digest(text, SIGNED + fixed, end, BLOCK + fixed, INNER, cells)
    for word in range(WORDS):
        for place in range(4):
            text[SIGNED + 4 * word + place] = cells[STATE + word] >> 8 * (3 - place) & 255
    digest(text, SIGNED, SIGNED + 4 * WORDS, BLOCK, OUTER, cells)


@kernel(WRITE_SIGNATURE)
def write_request(
    text: Text,
    cells: Cells,
    program: int,
    market: int,
    request: int,
    client: int,
    price_ticks: int,
    size_lots: int,
    time_ms: int,
) -> int:
    """Write a request by its program at the beginning of the text; gives its size."""
    at = SIGNED
    while True:
        what, size = int(cells[program]), int(cells[program + 1])
        program += 2
        if what >= 0:
            for place in range(size):
                text[at + place] = text[what + place]
            at += size
        elif what == CLIENT:
            text[at] = _M
            at = write_hex(text, at + 1, client >> _SHARD_SHIFT, 3)
            at = write_hex(text, at, client >> SEQUENCE_BITS & EPOCH_MAX, 5)
            at = write_hex(text, at, client & SEQUENCE_MAX, 8)
        elif what == PRICE:
            units = price_ticks * int(cells[market + TICK_UNITS])
            at = write_number(text, at, units, int(cells[market + TICK_DECIMALS]))
        elif what == SIZE:
            units = size_lots * int(cells[market + LOT_UNITS])
            at = write_number(text, at, units, int(cells[market + LOT_DECIMALS]))
        elif what == TIME:
            at = write_number(text, at, time_ms, 0)
        elif what == REQUEST:
            at = write_number(text, at, request, 0)
        elif what == SYMBOL:
            first = int(cells[market + SYMBOL_AT])
            for place in range(int(cells[market + SYMBOL_SIZE])):
                text[at + place] = text[first + place]
            at += int(cells[market + SYMBOL_SIZE])
        elif what == SIGN:
            sign(text, at, cells)
            at = 0
        elif what == SIGNATURE:
            for word in range(WORDS):
                at = write_hex(text, at, int(cells[STATE + word]), 8)
        else:
            return at
