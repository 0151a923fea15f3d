"""Kraken's book checksum: CRC32 over the top ten asks, then the top ten bids, from integers.

The venue hashes each price and size as its decimal string without the dot and without leading zeros, which
is the integer in units of its stated precision (https://docs.kraken.com/api/docs/guides/spot-ws-book-v2).
"""

from __future__ import annotations

import numpy as np

from hw.kernel import kernel
from market.columns import COUNT, PRICE_UNITS, SIZE_UNITS, START, Block

TOP = 10
_ALL = 0xFFFFFFFF
_POLYNOMIAL = 0xEDB88320


def _table() -> Block:
    entries = np.arange(256, dtype=np.int64)
    for _ in range(8):
        entries = np.where(entries & 1, (entries >> 1) ^ _POLYNOMIAL, entries >> 1)
    return entries


TABLE = _table()


@kernel
def hashed_digit(crc: int, digit: int) -> int:
    """Take one decimal digit into a CRC32."""
    hashed: int = TABLE[(crc ^ (48 + digit)) & 0xFF] ^ (crc >> 8)
    return hashed


@kernel
def hashed_four(crc: int, part: int, leading: bool) -> int:
    """Take four digits into a CRC32; a leading part goes without its zeros."""
    if not leading or part >= 1000:
        crc = hashed_digit(crc, part // 1000)
    if not leading or part >= 100:
        crc = hashed_digit(crc, part // 100 % 10)
    if not leading or part >= 10:
        crc = hashed_digit(crc, part // 10 % 10)
    return hashed_digit(crc, part % 10)


@kernel
def hashed_digits(crc: int, number: int) -> int:
    """Take a number above zero into a CRC32, four digits at a time: the divisors are constants."""
    fourth = number // 10**4
    eighth = fourth // 10**4
    twelfth = eighth // 10**4
    sixteenth = twelfth // 10**4
    if sixteenth > 0:
        crc = hashed_four(crc, sixteenth, sixteenth > 0)
    if twelfth > 0:
        crc = hashed_four(crc, twelfth - sixteenth * 10**4, sixteenth == 0)
    if eighth > 0:
        crc = hashed_four(crc, eighth - twelfth * 10**4, twelfth == 0)
    if fourth > 0:
        crc = hashed_four(crc, fourth - eighth * 10**4, eighth == 0)
    return hashed_four(crc, number - fourth * 10**4, fourth == 0)


@kernel
def book_checksum(block: Block, base: int) -> int:
    """Give the checksum of a symbol's book."""
    price_units, size_units = block[base + PRICE_UNITS], block[base + SIZE_UNITS]
    crc = int(_ALL)
    for side in (1, 0):
        first = block[base + START + side]
        for level in range(min(TOP, block[base + COUNT + side])):
            crc = hashed_digits(crc, block[first + 2 * level] * price_units)
            crc = hashed_digits(crc, block[first + 2 * level + 1] * size_units)
    return crc ^ _ALL
