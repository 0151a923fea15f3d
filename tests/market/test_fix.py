"""FIX market data: strict, streaming, and never raising."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot, Trade
from market.fix import FixEvent, FixFeed, time_ns
from market.fix_frame import BODY_BYTES_MAX, Fields, FixFrames, framed

SENT = "20250101-00:00:00.500"
SENT_NS = 1_735_689_600_500_000_000
MARKETS = [
    Instrument.of(index, "fix-x", base, "USD", tick="0.01", lot="0.001", symbol=f"{base}/USD")
    for index, base in enumerate(("BTC", "ETH"))
]


def head(kind: str, number: int, symbol: str | None = "BTC/USD", **more: str) -> Fields:
    """Begin a message."""
    fields = [(35, kind), (34, str(number)), (49, "X"), (56, "Y"), (52, SENT)]
    fields += [(int(tag.removeprefix("t")), value) for tag, value in more.items()]
    return fields + ([(55, symbol)] if symbol else [])


def full(number: int, *entries: tuple[str, str, str], symbol: str = "BTC/USD") -> bytes:
    """Write a full refresh of (type, price, size)."""
    fields = [*head("W", number, symbol), (268, str(len(entries)))]
    for kind, price, size in entries:
        fields += [(269, kind), (270, price), (271, size)]
    return framed(fields)


def change(number: int, *entries: Fields) -> bytes:
    """Write an incremental refresh."""
    fields = [*head("X", number, None), (268, str(len(entries)))]
    return framed(fields + [field for entry in entries for field in entry])


def entry(action: str, kind: str, price: str, size: str | None = None, **more: str) -> Fields:
    """Write one entry of an incremental refresh."""
    fields = [(279, action), (269, kind), (55, more.pop("symbol", "BTC/USD")), (270, price)]
    fields += [(271, size)] if size is not None else []
    return fields + [(int(tag.removeprefix("t")), value) for tag, value in more.items()]


TAGS = [35, 34, 43, 52, 55, 60, 268, 269, 270, 271, 279, 83, 0]
VALUES = [
    "W",
    "X",
    "4",
    "1",
    "2",
    "0",
    "-1",
    "1e9999",
    "99.5",
    "BTC/USD",
    SENT,
    "\u00b2",
    "NaN",
    "9" * 30,
    "Y",
]
SESSION = b"".join(
    (
        framed(head("A", 1, None, t98="0")),
        full(2, ("0", "99.5", "1"), ("0", "99.75", "2.5"), ("1", "100", "3"), ("1", "100.25", "4")),
        change(3, entry("1", "0", "99.75", "0.5"), entry("2", "1", "100")),
        framed(head("0", 4, None)),
        change(5, entry("0", "2", "99.9", "0.125", t1003="77", t2446="2"), entry("0", "0", "99.9", "1")),
        change(6, entry("0", "0", "10", "1", symbol="ETH/USD"), entry("0", "1", "100.1", "2")),
    )
)
WANTED: list[FixEvent] = [
    BookSnapshot(0, SENT_NS, SENT_NS, 1, ((9975, 2500), (9950, 1000)), ((10000, 3000), (10025, 4000))),
    BookDelta(0, SENT_NS, SENT_NS, 2, 2, ((9975, 500),), ((10000, 0),)),
    Trade(0, SENT_NS, SENT_NS, 77, 9990, 125, -1),
    BookDelta(0, SENT_NS, SENT_NS, 3, 3, ((9990, 1000),), ()),
    BookDelta(1, SENT_NS, SENT_NS, 1, 1, ((1000, 1000),), ()),
    BookDelta(0, SENT_NS, SENT_NS, 4, 4, (), ((10010, 2000),)),
]


def test_a_session_becomes_books_and_trades() -> None:
    feed = FixFeed(MARKETS)
    assert feed.feed(SESSION) == WANTED
    assert feed.counts.ignored == 2 and feed.counts.snapshots == 1 and feed.counts.trades == 1
    assert feed.counts.gaps == feed.counts.bad_messages == 0 and feed.frames.held_bytes == 0
    assert feed.feed(framed(head("W", 7, "XRP/USD"))) == [] and feed.counts.unknown_symbol == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(SESSION)), max_size=12))
def test_however_the_bytes_are_cut_the_events_are_the_same(cuts: list[int]) -> None:
    feed, found = FixFeed(MARKETS), []
    places = [0, *sorted(cuts), len(SESSION)]
    for first, end in itertools.pairwise(places):
        found += feed.feed(SESSION[first:end])
    assert found + feed.finish() == WANTED


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(SESSION)), st.integers(1, 64))
def test_garbage_between_messages_is_skipped_and_nothing_raises(junk: bytes, place: int, size: int) -> None:
    feed = FixFeed(MARKETS)
    data = SESSION[:place] + junk + SESSION[place:]
    found: list[FixEvent] = []
    for at in range(0, len(data), size):
        found += feed.feed(data[at : at + size])
    found += feed.finish()
    # At most the message that was hit is lost.
    assert feed.frames.counts.messages >= 5 and all(event in WANTED or feed.counts.gaps for event in found)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SESSION) - 1), st.integers(1, 255))
def test_a_flipped_byte_never_gives_a_wrong_book(place: int, mask: int) -> None:
    data = bytearray(SESSION)
    data[place] ^= mask
    feed = FixFeed(MARKETS)
    found = feed.feed(bytes(data)) + feed.finish()
    wanted = {_content(event) for event in WANTED}
    assert all(_content(event) in wanted for event in found)
    assert feed.frames.counts.messages == 5 and feed.frames.counts.garbage_bytes > 0


def _content(event: FixEvent) -> tuple[object, ...]:
    if isinstance(event, Trade):
        return event.trade_id, event.price_ticks
    return event.instrument, event.bids, event.asks


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(VALUES)), max_size=14))
def test_well_framed_nonsense_never_raises(fields: Fields) -> None:
    feed = FixFeed(MARKETS)
    message = framed([(35, "W"), *fields]) if fields[:1] != [(35, "X")] else framed(fields)
    found = feed.feed(message) + feed.finish()
    assert all(event.local_ts_ns > 0 for event in found)


def test_a_gap_breaks_the_continuity_of_every_book() -> None:
    feed = FixFeed(MARKETS)
    feed.feed(full(1, ("0", "99", "1")) + full(2, ("0", "9", "1"), symbol="ETH/USD"))
    (after,) = feed.feed(change(5, entry("0", "0", "98", "1")))
    assert isinstance(after, BookDelta) and after.first_sequence == 3, "2 is missing"
    (other,) = feed.feed(change(6, entry("0", "0", "8", "1", symbol="ETH/USD")))
    assert isinstance(other, BookDelta) and other.first_sequence == 3
    assert (feed.counts.gaps, feed.counts.missing_messages) == (1, 2)


def test_repeats_are_dropped_and_a_reset_begins_anew() -> None:
    feed = FixFeed(MARKETS)
    feed.feed(full(7, ("0", "99", "1")))
    assert feed.feed(framed([*head("X", 7, None, t43="Y"), (268, "0")])) == [] and feed.counts.repeated == 1
    feed.feed(framed(head("4", 8, None, t36="20")))
    assert len(feed.feed(change(20, entry("0", "0", "98", "1")))) == 1 and feed.counts.gaps == 0
    feed.feed(framed(head("0", 1, None)))
    assert feed.counts.gaps == 1, "a lower number that is no repeat is another session"


def test_rpt_seq_is_the_books_own_sequence() -> None:
    feed = FixFeed(MARKETS)
    feed.feed(framed([*head("W", 1, t83="40"), (268, "1"), (269, "0"), (270, "99"), (271, "1")]))
    (found,) = feed.feed(
        change(2, entry("0", "0", "98", "1", t83="41"), entry("0", "1", "101", "1", t83="42"))
    )
    assert isinstance(found, BookDelta) and (found.first_sequence, found.last_sequence) == (41, 42)


@pytest.mark.parametrize(
    "message",
    [
        framed([*head("W", 1), (268, "2"), (269, "0"), (270, "99"), (271, "1")]),  # fewer than told
        framed([*head("W", 1), (268, "1"), (269, "0"), (270, "99"), (271, "1"), (269, "0")]),  # more
        framed([*head("W", 1), (268, "1"), (270, "99"), (269, "0")]),  # does not begin an entry
        framed([*head("W", 1), (268, "1"), (269, "0"), (269, "0")]),
        framed([*head("W", 1), (268, "1"), (269, "0"), (270, "99")]),  # no size
        full(1, ("0", "99.001", "1")),  # finer than a tick
        full(1, ("0", "abc", "1")),
        full(1, ("0", "-5", "1")),
        full(1, ("0", "99", "0")),
        full(1, ("0", "99", "1"), ("0", "99", "2")),  # a level twice
        full(1, ("2", "99", "0")),
        full(1, ("0", "9" * 40, "1")),
        change(1, entry("7", "0", "99", "1")),
        framed(head("W", 1)),  # no group
        framed([(34, "1"), (35, "W")]),  # the type is not first
        framed([(35, "W"), (34, "x"), (52, SENT)]),
        framed([(35, "W"), (34, "1"), (52, "yesterday"), (55, "BTC/USD"), (268, "0")]),
        framed([(35, "W"), (34, "1"), (52, SENT + "1234567"), (55, "BTC/USD"), (268, "0")]),
        framed([(35, "W"), (34, "1"), (52, "19500101-00:00:00"), (55, "BTC/USD"), (268, "0")]),
    ],
)
def test_a_message_that_cannot_be_used_is_counted_and_breaks_its_book(message: bytes) -> None:
    feed = FixFeed(MARKETS)
    assert feed.feed(message) == [] and feed.counts.bad_messages == 1
    (after,) = feed.feed(change(2, entry("0", "0", "98", "1")))
    assert isinstance(after, BookDelta) and after.first_sequence >= 2


def test_trades_without_an_id_are_numbered_and_take_their_own_time() -> None:
    feed = FixFeed(MARKETS)
    found = feed.feed(
        change(
            1,
            entry("0", "2", "99", "1", t278="abc", t272="20250101", t273="00:00:00.25", t54="1"),
            entry("0", "2", "99", "1", t278="55"),
            entry("2", "2", "99", "1"),
        ),
        local_ts_ns=9,
    )
    trades = [event for event in found if isinstance(event, Trade)]
    assert [(one.trade_id, one.aggressor, one.local_ts_ns) for one in trades] == [(1, 1, 9), (55, 0, 9)]
    assert trades[0].exchange_ts_ns == SENT_NS - 250_000_000 and time_ns(SENT) == SENT_NS


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"8=FIX.4.2\x019=5\x0135=0\x0110=161\x01", "bad_length"),
        (b"8=FIX.4.4\x019=x\x01", "bad_length"),
        (b"8=FIX.4.4\x019=\x01", "bad_length"),
        (b"8=FIX.4.4\x019=12345678\x01", "bad_length"),
        (b"8=FIX.4.4\x019=%d\x01" % (BODY_BYTES_MAX + 1), "bad_length"),
        (b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01", "bad_checksum"),
        (b"8=FIX.4.4\x019=4\x0135=0\x0110=162\x01\x01", "bad_length"),
        (framed([(35, "0"), (34, "")]), "bad_fields"),
    ],
)
def test_frames_that_do_not_hold_are_counted_by_what_is_wrong(data: bytes, word: str) -> None:
    frames = FixFrames()
    assert list(frames.feed(data)) + list(frames.finish()) == []
    assert getattr(frames.counts, word) == 1 and frames.counts.garbage_bytes == len(data)


def test_a_length_that_lies_hides_no_message_behind_it() -> None:
    lying = b"8=FIX.4.4\x019=900\x0135=0\x01"
    frames = FixFrames()
    assert list(frames.feed(lying + SESSION)) == [] or frames.counts.messages > 0
    rest = list(frames.finish())
    assert frames.counts.messages == 6 and len(rest) <= 6


def test_a_stream_of_garbage_holds_no_memory() -> None:
    frames = FixFrames()
    noise = np.random.default_rng(1).bytes(50_000)
    for _ in range(20):
        assert list(frames.feed(noise)) == []
    assert frames.held_bytes < 10 and frames.counts.garbage_bytes > 900_000
