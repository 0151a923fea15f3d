"""The book checksum of WebSocket v2.

Source: docs.kraken.com, "Book checksum (WebSocket v2)": asks then bids, ten best each, price and quantity
as they stand on the wire without the dot and leading zeros, CRC32 over all of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from domain.instrument import Instrument

LEVELS = 10


def book_checksum(
    market: Instrument, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]
) -> int:
    """Sum the ten best levels of each side, best first, given in ticks and lots."""
    tick, lot = market.tick.units, market.lot.units
    text = "".join(f"{price * tick}{size * lot}" for side in (asks, bids) for price, size in side)
    return zlib.crc32(text.encode())
