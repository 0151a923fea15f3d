"""The shell of the frame kernels: which streams there are, and the one buffer that frames are read into."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from domain.dtypes import (
    AGGRESSOR,
    ASK_LOTS,
    ASK_TICKS,
    ASKS,
    BID_LOTS,
    BID_TICKS,
    BIDS,
    DELTA_ROW,
    EXCHANGE_NS,
    LAST_SEQUENCE,
    PRICE_TICKS,
    ROW_WIDTH,
    SEQUENCE,
    SIZE_LOTS,
    TICK_ROW,
    TRADE_ROW,
    Rows,
)
from domain.instrument import Instrument
from hw.kernel import entry
from market.venues.binance import frame_kernels as k
from market.venues.binance.frame_kernels import COUNT, LEVELS, MAKER, MILLIS, PRICE, SIZE
from market.venues.views import Views

# By the letters of developers.binance.com; a bookTicker of spot has no time, so that is not needed.
_FIELDS: dict[int, dict[str, tuple[int, int]]] = {
    TICK_ROW: {
        "u": (COUNT, SEQUENCE),
        "b": (PRICE, BID_TICKS),
        "B": (SIZE, BID_LOTS),
        "a": (PRICE, ASK_TICKS),
        "A": (SIZE, ASK_LOTS),
        "E": (MILLIS, EXCHANGE_NS),
    },
    TRADE_ROW: {
        "t": (COUNT, SEQUENCE),
        "p": (PRICE, PRICE_TICKS),
        "q": (SIZE, SIZE_LOTS),
        "T": (MILLIS, EXCHANGE_NS),
        "m": (MAKER, AGGRESSOR),
    },
    DELTA_ROW: {
        "E": (MILLIS, EXCHANGE_NS),
        "U": (COUNT, SEQUENCE),
        "u": (COUNT, LAST_SEQUENCE),
        "b": (LEVELS, BIDS),
        "a": (LEVELS, ASKS),
    },
}


Scan = Callable[[bytes, int, Rows], int]


class FrameScanner:
    """Read frames of known streams into one preallocated buffer, which the next frame overwrites.

    Bounds: `LEVELS_MAX` levels a frame (5,000 a side), `DIGITS_MAX` digits a number, names of ASCII and at
    most `NAME_BYTES_MAX` long. What is beyond them, or in another form, is left to the general reader.

    `scan(payload, local_ts_ns, state)` gives how many rows it wrote, 0 for a frame that it left; `views` has
    so many rows. They are attributes and no method is around them: one call more is a twentieth of it all.
    """

    def __init__(self, streams: Mapping[str, tuple[int, Instrument]]) -> None:
        slots = 8
        while slots < 2 * (len(streams) + 1):
            slots *= 2
        self.state = np.zeros(k.TABLE + slots * k.STREAM_WIDTH, np.int64)
        self.rows = self.state[: k.FIELDS].reshape(k.ROWS_MAX, ROW_WIDTH)
        self.views = Views(self.rows)
        self.scan: Scan = entry(k.scan_frame)
        for kind, fields in _FIELDS.items():
            self._add_fields(kind, fields)
        for name, (kind, instrument) in streams.items():
            self._add_stream(name.encode(), kind, instrument)

    def _add_fields(self, kind: int, fields: dict[str, tuple[int, int]]) -> None:
        first = k.FIELDS + kind * k.FIELD_KEYS
        for letter, (what, column) in fields.items():
            self.state[first + ord(letter) - ord("A")] = what << 8 | column
            if (kind, letter) != (TICK_ROW, "E"):
                self.state[first + k.NEEDED] |= 1 << column

    def _add_stream(self, name: bytes, kind: int, instrument: Instrument) -> None:
        steps = instrument.tick, instrument.lot
        if len(name) > k.NAME_BYTES_MAX or not name.isascii():
            return
        if any(step.units >= 10**k.DIGITS_MAX or step.decimals > k.DIGITS_MAX for step in steps):
            return
        table = self.state[k.TABLE :].reshape(-1, k.STREAM_WIDTH)
        slot = int(k.name_hash(name, 0, len(name))) & (len(table) - 1)
        while table[slot, k.NAME_SIZE] != 0:
            slot = (slot + 1) & (len(table) - 1)
        stream = table[slot]
        stream[k.NAME_SIZE], stream[k.STREAM_KIND] = len(name), kind
        stream[k.STREAM_INSTRUMENT] = instrument.index
        for word in range((len(name) + 7) // 8):
            stream[k.NAME + word] = k.name_word(name, 8 * word, len(name))
        stream[k.STEPS : k.STEPS + 6] = [
            figure for step in steps for figure in (step.units, step.decimals, 10**step.decimals)
        ]
