"""Whatever the fast reader takes, it reads as the general one does; whatever it leaves, that one decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.dtypes import DELTA_ROW, TICK_ROW, TRADE_ROW
from domain.instrument import Instrument
from domain.market_events import BookDelta, MarketRows
from hw.kernel import kernels_on
from market.rows import events_of
from market.venues.binance.frame_kernels import LEVELS_MAX
from market.venues.binance.frames import FrameScanner
from market.venues.binance.wire import MarketWire
from tests.market.scripted_venue import BTC, ETH
from tests.market.venues.binance.test_wire import BEST, DEPTH, MUTATION, PRINT, mutated

EXAMPLES = 500 if kernels_on() else 60
FIVES = Instrument.of(2, "test-x", "FIV", "USDT", tick="0.05", lot="5")
FINE = Instrument.of(7, "test-x", "FIN", "USDT", tick="0.00000001", lot="1")
FINEST = Instrument.of(8, "test-x", "WEI", "USDT", tick="0.0000000001", lot="10")
MARKETS = (BTC, ETH, FIVES, FINE, FINEST)
WIRE = MarketWire(MARKETS)


def tight(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


def fast(payload: bytes, wire: MarketWire = WIRE) -> list[Any] | None:
    """Read a frame the fast way and hold it against the general one; `None` where it was left."""
    scanner = wire.scanner
    count = scanner.scan(payload, 9, scanner.state)
    if count == 0:
        return None
    told, bad = wire.read(payload, 9), wire.bad_frames
    events = events_of(scanner.views[count].copy())
    assert events == [told] and wire.bad_frames == bad
    return events


TIGHT = [tight(frame) for frame in (DEPTH, BEST, PRINT)]


@pytest.mark.parametrize("payload", TIGHT)
def test_frames_as_the_venue_writes_them_are_read_fast(payload: bytes) -> None:
    assert fast(payload) is not None
    told = WIRE.decode(payload, 9)
    assert isinstance(told, MarketRows) and told.local_ts_ns == 9
    assert events_of(told.rows) == [WIRE.read(payload, 9)]


def test_the_fields_may_stand_in_another_order_and_beside_unknown_ones() -> None:
    best, trade = dict(reversed(BEST["data"].items())), dict(PRINT["data"])
    assert fast(tight({**BEST, "data": {**best, "E": 5, "T": 7, "x": True, "y": "Ab", "z": False}}))
    assert fast(tight({**PRINT, "data": {"b": 88, "a": 50, **trade, "m": False}}))


@pytest.mark.parametrize("levels", [(0, 0), (1, 0), (0, 1), (3, 2), (2, 9), (40, 41)])
def test_depth_of_any_size_is_read_fast(levels: tuple[int, int]) -> None:
    fast(depth((9, 9)))
    bids, asks = levels
    told = fast(depth(levels))
    assert told is not None and (len(told[0].bids), len(told[0].asks)) == (bids, asks)


def depth(levels: tuple[int, int]) -> bytes:
    bids, asks = ([[f"{60 + n}.{n % 100:02}000000", f"{n}.50000000"] for n in range(many)] for many in levels)
    return tight({**DEPTH, "data": {**DEPTH["data"], "b": bids, "a": asks}})


def test_frames_of_five_thousand_levels_a_side_are_read_fast_and_bigger_ones_all_the_same() -> None:
    half = LEVELS_MAX // 2
    assert fast(depth((half, half))) is not None
    payload = depth((half, half + 1))
    assert fast(payload) is None
    told = WIRE.decode(payload, 9)
    assert isinstance(told, BookDelta) and len(told.asks) == half + 1
    assert fast(TIGHT[0]) is not None


NUMBERS = [
    "0", "1", "007", "1.", ".5", "", "-1", "+1", "1e5", "0.01", "0.010", "0.011", "0.05", "5", "10.00000000",
    "10.05000000", "12345678901.12000000", "1234567890123456", "99999999999999999999", "9" * 16 + ".00",
    "9" * 17 + ".00", "0.00000001", "0.0000000001", "1.000000000000000000", "1.0000000000000000000",
    "1.0000000 ", "1.0000000x", "1.2000000/", "1.200000:0", "1.20000\\u0030", "1.2000000\x80", "1_0",
    "5.00000000",
]  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.symbol)
def test_numbers_are_read_exactly_or_left(text: str, market: Instrument) -> None:
    for field in "bBaA":
        frame = {"stream": f"{market.symbol.lower()}@bookTicker", "data": {**BEST["data"], field: text}}
        fast(tight(frame))
    for level in ([text, "5"], ["5", text]):
        frame = {"stream": f"{market.symbol.lower()}@depth@100ms", "data": {**DEPTH["data"], "a": [level]}}
        fast(tight(frame))


PRICES = st.one_of(
    st.sampled_from(NUMBERS),
    st.builds("{}.{:02}000000".format, st.integers(0, 10**11), st.integers(0, 99)),
    st.from_regex(r"[0-9]{1,12}\.[0-9]{0,12}", fullmatch=True),
)
COUNTS = st.one_of(
    st.integers(-1, 1 << 62), st.sampled_from(["7", 1.0, None, True, 10**18, 10**18 - 1, 1 << 60])
)
TIMES = st.sampled_from([0, 1672515782136, 1 << 43, (1 << 43) + 1, -1, "5"])
LEVELS = st.lists(st.lists(PRICES, min_size=1, max_size=3) | st.tuples(PRICES, PRICES), max_size=6)
SIDES = LEVELS | st.none()
DATA = {
    "depth@100ms": {"E": TIMES, "s": PRICES, "U": COUNTS, "u": COUNTS, "b": SIDES, "a": SIDES},
    "bookTicker": {"u": COUNTS, "s": PRICES, "b": PRICES, "B": PRICES, "a": PRICES, "A": PRICES, "E": TIMES},
    "trade": {"t": COUNTS, "p": PRICES, "q": PRICES, "T": TIMES, "m": st.booleans(), "b": COUNTS},
}  # fmt: skip


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Give a frame that is nearly right: some fields good, some odd, some gone, in any order."""
    kind = draw(st.sampled_from(list(DATA)))
    good: dict[str, Any] = {"depth@100ms": DEPTH, "bookTicker": BEST, "trade": PRINT}[kind]["data"]
    data = dict(good)
    for name, strategy in DATA[kind].items():
        choice = draw(st.integers(0, 29))
        if choice == 0:
            data.pop(name, None)
        elif choice < 5:
            data[name] = draw(strategy)
    if draw(st.booleans()):
        data = dict(draw(st.permutations(list(data.items()))))
    symbol = draw(st.sampled_from([market.symbol.lower() for market in MARKETS] + ["BTCUSDT", "btcusd"]))
    return tight({"stream": f"{symbol}@{kind}", "data": data})


def test_generated_frames_are_read_as_the_general_reader_reads_them_or_left() -> None:
    taken = []

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(frames())
    def check(payload: bytes) -> None:
        taken.append(fast(payload) is not None)

    check()
    assert any(taken) and not all(taken)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(TIGHT) | frames(), st.lists(MUTATION, min_size=1, max_size=4))
def test_mutated_frames_are_read_as_the_general_reader_reads_them_or_left(
    frame: bytes, mutations: list[Any]
) -> None:
    fast(mutated(frame, mutations))


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(TIGHT), st.integers(0, 200))
def test_any_bytes_are_left_also_after_a_good_beginning(noise: bytes, frame: bytes, kept: int) -> None:
    fast(noise)
    fast(frame[:kept] + noise)
    fast(frame[:kept] + noise + b"}}")


@pytest.mark.parametrize("frame", TIGHT)
def test_every_cut_of_a_frame_is_left_unless_braces_make_it_whole_again(frame: bytes) -> None:
    for cut in range(len(frame)):
        assert fast(frame[:cut]) is None
        fast(frame[:cut] + b"}}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"U":157', b'"U":157,"U":158'),
        (b'"U":157', b'"U":0157'),
        (b'"U":157', b'"U":161'),
        (b'"U":157', b'"\\":157'),
        (b'"s":"BTCUSDT"', b'"s":"BTC\\u0055SDT"'),
        (b'"s":"BTCUSDT"', b'"s":"BTC\x7fUSDT"'),
        (b'"s":"BTCUSDT"', b'"s":null'),
        (b'"s":"BTCUSDT"', b'"s":[1]'),
        (b'"s":"BTCUSDT"', b'"s":-1'),
        (b'"s":"BTCUSDT"', b'"s":trux'),
        (b'"s":"BTCUSDT"', b'"1":1'),
        (b'"s"', b'"ss"'),
        (b'"stream"', b'"Stream"'),
        (b'"data"', b'"Data"'),
        (b"btcusdt@", b"btc}sdt@"),
        (b"btcusdt@depth@100ms", b"x" * 60),
        (b'"b":[[', b'"b":[,['),
        (b'],"a"', b',],"a"'),
        (b"}}", b"},}"),
        (b"}}", b"}}}}"),
    ],
)
def test_an_unusual_frame_is_left(old: bytes, new: bytes) -> None:
    assert old in TIGHT[0]
    assert fast(TIGHT[0].replace(old, new)) is None


def test_a_thousand_markets_are_told_apart() -> None:
    names = [f"c{n}x" for n in range(300)]
    markets = [
        Instrument.of(3 * place, "test-x", name.upper(), "USDT", tick="0.01", lot="0.01")
        for place, name in enumerate(names)
    ]
    wire = MarketWire(markets)
    for market in markets:
        for suffix, frame in (("trade", PRINT), ("bookTicker", BEST), ("depth@100ms", DEPTH)):
            told = fast(tight({**frame, "stream": f"{market.symbol.lower()}@{suffix}"}), wire)
            assert told is not None and told[0].instrument == market.index
    assert fast(tight({**PRINT, "stream": "c300xusdt@trade"}), wire) is None


def test_a_stream_that_does_not_fit_the_table_is_left_to_the_general_reader() -> None:
    odd = (
        Instrument.of(0, "test-x", "币安", "USDT", tick="0.01", lot="1"),
        Instrument.of(1, "test-x", "X" * 40, "USDT", tick="0.01", lot="1"),
        Instrument.of(2, "test-x", "BIG", "USDT", tick="0.01", lot="1"),
    )
    wire = MarketWire(odd)
    for market in odd:
        data = {**PRINT["data"], "q": "3"}
        frame = {"stream": f"{market.symbol.lower()}@trade", "data": data}
        payload = json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode()
        assert (fast(payload, wire) is None) == (market.index != 2)
        assert wire.decode(payload, 9) is not None
    for kind in (TICK_ROW, TRADE_ROW, DELTA_ROW):
        huge = Instrument.of(0, "test-x", "A", "B", tick="0.01", lot="1E30")
        scanner = FrameScanner({"ab@trade": (kind, huge)})
        assert scanner.scan(tight({**PRINT, "stream": "ab@trade"}), 9, scanner.state) == 0


@pytest.mark.skipif(not kernels_on(), reason="this is the plain run")
def test_the_same_holds_uncompiled_where_reading_past_the_end_raises() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "SWARM_KERNELS": "off"},
        cwd=Path(__file__).parents[4],
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:]
