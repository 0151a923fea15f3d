"""Whatever the fast reader takes, it reads as the general one does; whatever it leaves, that one decides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instrument import Instrument
from domain.market_events import BookDelta
from domain.units import Step
from hw.kernel import kernels_on
from market.rows import events_of
from market.venues.kraken.frame_kernels import LEVELS_MAX, days
from market.venues.kraken.market_frames import Answer
from market.venues.kraken.wire import MarketWire
from tests.market.venues.kraken.frames import BTC, ETH, TIME, book

EXAMPLES = 200 if kernels_on() else 30
FIVES = Instrument.of(2, "test-x", "FIV", "USDT", tick="0.05", lot="5")
WHOLE = Instrument.of(7, "test-x", "WHO", "USDT", tick="1", lot="1")
MARKETS = (BTC, ETH, FIVES, WHOLE)


def events(told: Any) -> Any:
    """Give what was told as values that stay."""
    return told if told is None or isinstance(told, Answer) else events_of(told)


class Pair:
    """One wire that may read fast, and one that may not, fed with the same frames."""

    def __init__(self) -> None:
        self.fast, self.slow = MarketWire(MARKETS), MarketWire(MARKETS)

    def same(self, payload: bytes) -> Any:
        """Read a frame twice; both must tell the same and be left in the same state."""
        left = events(self.fast.decode(payload, 9))
        right = events(self.slow.read(payload, 9))
        assert left == right and self.fast.bad_frames == self.slow.bad_frames
        for symbol, market in self.fast.markets.items():
            other = self.slow.markets[symbol]
            assert (market.count, market.booked) == (other.count, other.booked)
        return left

    def quick(self, payload: bytes) -> bool:
        """Tell whether the fast reader takes a frame."""
        told = self.fast.decode(payload, 9)
        return told is not None and not isinstance(told, Answer) and told.base is not None and (
            told.base is self.fast._cells or told.base.base is self.fast._cells
        )  # fmt: skip


LASTING = Pair()
UPDATES = [
    book((("45283.5", "0.10000000"), ("45283.4", "0")), (("45285.2", "2.00000000"),), crc=4294967295),
    book((("45283.5", "0.00000001"),), crc=0),
    book((), ()),
    book((("3000.50", "1.2345"),), symbol="ETH/USDT"),
    book((("0.05", "5"), ("1.10", "10.0")), symbol="FIV/USDT"),
    book((("7", "1000000000000000"),), symbol="WHO/USDT"),
]


@pytest.mark.parametrize("payload", UPDATES)
def test_updates_as_the_venue_writes_them_are_read_fast(payload: bytes) -> None:
    pair = Pair()
    assert pair.quick(payload)
    (event,) = Pair().same(payload)
    assert isinstance(event, BookDelta)


def stamped(time: str) -> bytes:
    return UPDATES[0].replace(TIME.encode(), time.encode())


@pytest.mark.parametrize(
    "payload",
    [book((("1e3", "1"),)), book((("45283.5", "1"),)).replace(b'"bids"', b' "bids"'),
     book((("45283.55", "1"),)),
     book((("045283.5", "1"),)), book((("45283.", "1"),)), book((("-45283.5", "1"),)), book((("0", "1"),)),
     book((("1234567890123456789", "1"),)), book((("1152921504606846977", "1"),), symbol="WHO/USDT"),
     book((("115292150460684698", "1"),)), book(crc=4294967296),
     UPDATES[0].replace(b"4294967295", b"04294967295"),
     UPDATES[0].replace(b'"bids"', b'"asks"', 1),
     UPDATES[0][:-1], UPDATES[0] + b" ", UPDATES[0][:-3] + b"]]}",
     UPDATES[0].replace(b'"asks"', b'"more":1,"asks"'), UPDATES[0].replace(b"update", b"snapshot"),
     UPDATES[0].replace(b"BTC", b"XRP"), UPDATES[0].replace(b"BTC/USDT", b"B" * 60), stamped(""),
     stamped("noon"),
     stamped("2024-02-29T23:59:59.5Z"), stamped("2024-02-30T00:00:00Z"), stamped("2023-10-06T24:00:00Z"),
     stamped("2023-10-06T17:35:60Z"), stamped("2023-10-06 17:35:55Z"),
     stamped("1969-10-06T17:35:55Z"), stamped("3023-10-06T17:35:55Z"),
     stamped("2101-10-06T17:35:55Z"),
     stamped("2023-10-06T17:35:55.Z"), stamped("2023-10-06T17:35:55.1234567891Z"),
     stamped("2023-00-06T17:35:55Z"),
     stamped("2023-10-06T17:35:55+00:00"),
     book(tuple((f"{price}.5", "1") for price in range(1, LEVELS_MAX + 2)))],
)  # fmt: skip
def test_anything_else_is_left_to_the_general_reader(payload: bytes) -> None:
    assert not Pair().quick(payload)
    Pair().same(payload)


@pytest.mark.parametrize(
    "time", ["1970-01-01T00:00:00Z", "2023-10-06T17:35:55.440295123Z", "2000-02-28T23:59:59.9Z"]
)
def test_times_are_read_to_the_nanosecond(time: str) -> None:
    assert Pair().quick(stamped(time))
    Pair().same(stamped(time))


def test_days_are_counted_as_the_calendar_does() -> None:
    from datetime import date

    for year in (1970, 1999, 2000, 2004, 2023, 2024, 2026, 2100):
        for month in range(1, 13):
            assert days(year, month, 28) == date(year, month, 28).toordinal() - date(1970, 1, 1).toordinal()


def test_fast_and_general_updates_follow_each_other() -> None:
    pair = Pair()
    pair.same(book((("45283.5", "1"),), (("45285.2", "1"),), flow="snapshot"))
    for price in ("45283.4", "4528e1", "45283.3"):
        (event,) = pair.same(book(((price, "1"),)))
        assert event.first_sequence == event.last_sequence
    assert event.last_sequence == 4


STEPS = [(BTC, "BTC/USDT"), (ETH, "ETH/USDT"), (FIVES, "FIV/USDT"), (WHOLE, "WHO/USDT")]
level = st.tuples(st.integers(1, 10**10), st.integers(0, 10**10))


def text(step: Step, count: int, zeros: int) -> str:
    written = step.text(count)
    return written + "0" * zeros if "." in written else written


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(STEPS),
    st.lists(level, max_size=12),
    st.lists(level, max_size=12),
    st.integers(0, 3),
    st.integers(0, 2**32 - 1),
)
def test_any_update_is_read_exactly(
    market: tuple[Instrument, str],
    bids: list[tuple[int, int]],
    asks: list[tuple[int, int]],
    zeros: int,
    crc: int,
) -> None:
    instrument, symbol = market
    sides = [
        tuple(
            (text(instrument.tick, price, zeros), text(instrument.lot, size, zeros)) for price, size in side
        )
        for side in (bids, asks)
    ]
    payload = book(*sides, crc=crc, symbol=symbol)
    (event,) = LASTING.same(payload)
    assert (list(event.bids), list(event.asks), event.checksum) == (bids, asks, crc)


@settings(max_examples=3 * EXAMPLES, deadline=None)
@given(
    st.sampled_from(UPDATES),
    st.lists(
        st.tuples(st.integers(52, 400), st.sampled_from(b'0123456789.,:"{}[]eE+-Zt \x00\xff')), max_size=3
    ),
    st.integers(0, 400),
)
def test_a_mutated_update_is_read_alike_by_both(
    payload: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    torn = bytearray(payload[: cut % len(payload)] if cut < 60 else payload)
    for at, byte in changes:
        if at < len(torn):
            torn[at] = byte
    LASTING.same(bytes(torn))


@pytest.mark.skipif(not kernels_on(), reason="this is the run without kernels")
def test_without_kernels_it_is_the_same() -> None:
    here = Path(__file__)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-cov", str(here)],
        env={**os.environ, "SWARM_KERNELS": "off"}, cwd=here.parents[4], capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2_000:]
