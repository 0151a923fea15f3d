"""Frames become exact rows; whatever is not a frame is counted, and never becomes a wrong book."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.market_events import BookDelta, BookSnapshot, Tick, Trade
from market.book import Book, BookChange
from market.rows import events_of
from market.venues.kraken.market_frames import Answer
from market.venues.kraken.wire import BAD_WEIGHT, BAD_WEIGHT_MAX, MarketWire, TradeGap
from tests.market.venues.kraken.frames import (
    BTC,
    ETH,
    GUIDE_ASKS,
    GUIDE_BIDS,
    GUIDE_CHECKSUM,
    TIME_NS,
    SlowBook,
    best,
    book,
    checksum,
    frame,
    guide_snapshot,
    only,
    several,
    trade,
)


def wire() -> MarketWire:
    made = MarketWire((BTC, ETH))
    made.opened(0)
    return made


def test_the_reference_checksum_is_the_one_of_the_guide() -> None:
    assert checksum(GUIDE_BIDS, GUIDE_ASKS) == GUIDE_CHECKSUM


def test_the_guides_snapshot_is_read_exactly_and_its_checksum_is_of_what_was_read() -> None:
    read, slow = wire(), SlowBook(BTC, 10)
    event = only(read.decode(guide_snapshot(), 9))
    assert isinstance(event, BookSnapshot)
    assert (event.instrument, event.local_ts_ns, event.sequence, event.checksum) == (0, 9, 2, GUIDE_CHECKSUM)
    assert event.bids[0] == (452_835, 10_000_000) and event.asks[-1] == (452_995, 18_772_827)
    slow.apply(event)
    assert slow.checksum() == GUIDE_CHECKSUM and read.synced == [0]


def test_updates_follow_the_snapshot_though_ticks_come_between() -> None:
    read = wire()
    read.decode(guide_snapshot(), 1)
    first = only(read.decode(book((("45283.5", "0"),), (("45285.2", "2.00000000"),)), 2))
    tick = only(read.decode(frame("ticker", best()), 3))
    second = only(read.decode(book((("45283.6", "1e-8"),)), 4))
    assert isinstance(first, BookDelta) and isinstance(second, BookDelta) and isinstance(tick, Tick)
    assert (first.first_sequence, first.last_sequence, tick.sequence) == (3, 3, 4)
    assert (second.first_sequence, second.last_sequence) == (4, 5)
    assert first.bids == ((452_835, 0),) and first.asks == ((452_852, 200_000_000),)
    assert second.bids == ((452_836, 1),) and first.exchange_ts_ns == TIME_NS
    assert (tick.bid_ticks, tick.bid_lots, tick.ask_ticks, tick.ask_lots) == (
        452_835,
        10_000_000,
        452_852,
        100_000,
    )


@pytest.mark.parametrize("now_ns", [TIME_NS, 0], ids=["later", "by a clock that stands still"])
def test_a_new_connection_counts_on_above_the_last_one_and_follows_nothing_of_it(now_ns: int) -> None:
    read = MarketWire((BTC, ETH))
    read.opened(TIME_NS - 1_000_000_000)
    for payload in (guide_snapshot(), book((("45283.6", "1"),))):
        before = only(read.decode(payload, 2))
    assert isinstance(before, BookDelta)
    read.opened(now_ns)
    lost = only(read.decode(book((("45283.7", "1"),)), 3))
    tick = only(read.decode(frame("ticker", best()), 3))
    whole = only(read.decode(guide_snapshot(), 3))
    after = only(read.decode(book((("45283.6", "1"),)), 4))
    assert isinstance(lost, BookDelta) and lost.first_sequence > before.last_sequence + 1
    assert isinstance(tick, Tick) and isinstance(whole, BookSnapshot) and isinstance(after, BookDelta)
    assert lost.last_sequence < tick.sequence < whole.sequence == after.first_sequence - 1


def test_a_later_process_counts_above_an_earlier_one() -> None:
    told = []
    for began_ns in (TIME_NS, TIME_NS + 1_000_000):
        read = MarketWire((BTC, ETH))
        read.opened(began_ns)
        told += [only(read.decode(frame("ticker", best()), 1)) for _ in range(900)]
    sequences = [event.sequence for event in told if isinstance(event, Tick)]
    assert len(sequences) == 1_800 and sequences == sorted(set(sequences)) and sequences[-1] < 2**53


def test_an_empty_side_of_a_ticker_is_zero_with_zero() -> None:
    told = only(wire().decode(frame("ticker", best(bid=None, ask=0, ask_qty=3.5)), 1))
    assert isinstance(told, Tick)
    assert (told.bid_ticks, told.bid_lots, told.ask_ticks, told.ask_lots, told.exchange_ts_ns) == (
        0,
        0,
        0,
        0,
        0,
    )


def test_several_books_of_one_frame_are_all_told() -> None:
    data = (
        json.loads(book((("1.5", "2"),)))["data"]
        + json.loads(book((("2.50", "2"),), symbol="ETH/USDT"))["data"]
    )
    found = several(wire().decode(frame("book", *data), 1))
    assert [event.instrument for event in found] == [0, 1]


def test_a_bad_book_frame_leaves_a_hole_so_that_the_book_goes_stale() -> None:
    read, kept = wire(), Book(0)
    kept.feed_up(1)

    def apply(payload: bytes) -> list[BookChange]:
        told = read.decode(payload, 5)
        return [] if told is None or isinstance(told, Answer) else [
            kept.apply(event) for event in events_of(told) if isinstance(event, BookSnapshot | BookDelta)
        ]  # fmt: skip

    assert apply(guide_snapshot(GUIDE_CHECKSUM)) == [BookChange.SYNCED]
    good = book(
        (("45283.4", "9.00000000"),),
        crc=checksum((GUIDE_BIDS[0], ("45283.4", "9.00000000"), *GUIDE_BIDS[2:]), GUIDE_ASKS),
    )
    assert apply(good) == [BookChange.CHANGED]
    assert apply(b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USDT","bids":[{"pri') == []
    assert apply(good) == [BookChange.STALE] and read.bad_frames == 1


def test_a_bad_trade_or_ticker_costs_no_book() -> None:
    read = wire()
    read.decode(guide_snapshot(), 1)
    assert read.decode(frame("trade", trade(1, price=None)), 2) is None
    assert read.decode(frame("ticker", best(bid="x")), 2) is None
    event = only(read.decode(book((("45283.6", "1"),)), 3))
    assert isinstance(event, BookDelta) and event.first_sequence == 3 and read.bad_frames == 2


BAD: list[bytes] = [
    b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"channel":"book"}', b'{"channel":"levels","data":[]}',
    b"[" * 5_000,
    book((("-1.5", "2"),)), book((("0", "2"),)), book((("1.55", "2"),)), book((("1.5", "true"),)),
    book((("1.5", "null"),)), book((("1.5", '"x"'),)), book((("1.5", "[]"),)), book((("1.5", "{}"),)),
    book((("1e400", "2"),)), book((("99999999999999999999999", "2"),)), book((("1.5", "2"),), crc=-1),
    book((("1.5", "2"),), crc=1 << 32), book((("1.5", "0"),), flow="snapshot"), book(flow="delta"),
    book((("1.5", "2"),), symbol="XRP/USDT"), book(tuple((f"{price}.5", "1") for price in range(1, 4_100))),
    frame("book", {"symbol": "BTC/USDT", "checksum": 1, "timestamp": "yesterday"}),
    frame("trade", trade(-1)), frame("trade", trade(1, side="both")), frame("trade", trade(1, qty=0)),
    frame("trade", trade(1, symbol="XRP/USDT")), frame("ticker", best("XRP/USDT")),
    frame("ticker", best(bid=-1)),
]  # fmt: skip


@pytest.mark.parametrize("payload", BAD)
def test_bad_frames_are_counted_and_tell_nothing(payload: bytes) -> None:
    read = wire()
    assert read.decode(payload, 1) is None
    assert (read.frames, read.bad_frames) == (1, 1) and read.last_bad != ""


def test_a_stream_of_bad_frames_is_hopeless_and_a_few_among_good_ones_are_not() -> None:
    read = wire()
    for _ in range(BAD_WEIGHT_MAX // BAD_WEIGHT):
        assert not read.hopeless
        read.decode(b"?", 1)
    assert read.hopeless
    read.opened(0)
    for _ in range(100):
        read.decode(b"?", 1)
        for _ in range(BAD_WEIGHT):
            read.decode(b'{"channel":"heartbeat"}', 1)
    assert not read.hopeless


def test_answers_and_the_venues_state_are_told_apart_from_data() -> None:
    read = wire()
    told = read.decode(
        b'{"method":"subscribe","req_id":3,"result":{"channel":"book","depth":100,"symbol":"BTC/USDT"},'
        b'"success":true,"time_in":"x"}', 1,
    )  # fmt: skip
    assert isinstance(told, Answer) and told.success and told.result is not None
    assert (told.req_id, told.result.channel, told.result.symbol) == (3, "book", "BTC/USDT")
    refused = read.decode(b'{"method":"subscribe","error":"no","success":false,"symbol":"XRP/USDT"}', 1)
    assert isinstance(refused, Answer) and not refused.success and refused.symbol == "XRP/USDT"
    assert read.decode(b'{"channel":"status","type":"update","data":[{"system":"maintenance"}]}', 1) is None
    assert read.system == "maintenance" and read.bad_frames == 0


def test_what_a_first_snapshot_lists_is_the_past_and_a_later_one_fills_the_gap() -> None:
    read = wire()
    assert read.decode(frame("trade", trade(9), trade(8), flow="snapshot"), 1) is None
    live = only(read.decode(frame("trade", trade(10, side="sell")), 2))
    assert isinstance(live, Trade)
    assert (live.trade_id, live.price_ticks, live.size_lots, live.aggressor, live.exchange_ts_ns) == (
        10, 452_852, 100_000, -1, TIME_NS,
    )  # fmt: skip
    read.opened(0)
    after = several(read.decode(frame("trade", trade(12), trade(11), trade(10), flow="snapshot"), 3))
    assert [event.trade_id for event in after if isinstance(event, Trade)] == [11, 12]
    assert read.gaps == [] and read.decode(frame("trade", trade(12)), 4) is None


def test_trades_that_a_snapshot_does_not_reach_are_a_gap_and_come_from_rest() -> None:
    read = wire()
    read.decode(frame("trade", trade(10)), 1)
    read.decode(frame("trade", trade(14)), 2)
    (gap,) = read.gaps
    assert gap == TradeGap(0, 10, 14, TIME_NS)
    listed = [["45285.2", "0.5", 1688669597.5, side, "l", "", number]
              for number, side in ((13, "s"), (10, "b"), (12, "b"), (14, "b"))]  # fmt: skip
    body = json.dumps({"XXBTZUSDT": listed, "last": "1"}).encode()
    rows = read.recent(gap, body, 5)
    assert rows is not None
    found = [event for event in events_of(rows) if isinstance(event, Trade)]
    assert [(one.trade_id, one.aggressor, one.size_lots) for one in found] == [
        (12, 1, 50_000_000),
        (13, -1, 50_000_000),
    ]
    assert found[0].exchange_ts_ns == 1_688_669_597_500_000_000


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"5", b'{"X":[[1,2]],"last":"1"}', b'{"X":[["1.5","1",1,"q","l","",12]]}',
             b'{"X":5,"last":"1"}',
             b'{"X":[["1.5","1",1,"b","l","","12"]]}', b'{"X":[],"Y":[]}'],
)  # fmt: skip
def test_an_unreadable_list_of_trades_is_counted(body: bytes) -> None:
    read = wire()
    assert read.recent(TradeGap(0, 1, 20, 0), body, 1) is None and read.bad_frames == 1


def test_a_list_without_the_missing_trades_gives_none() -> None:
    read = wire()
    assert read.recent(TradeGap(0, 1, 20, 0), b'{"X":[],"last":"1"}', 1) is None
    assert read.bad_frames == 0


def test_a_random_walk_stays_equal_to_the_venues_own_book_by_checksum() -> None:
    draws, read = random.Random(7), wire()
    venue, kept = SlowBook(BTC, 10), SlowBook(BTC, 10)
    first = only(read.decode(guide_snapshot(), 1))
    for one in (venue, kept):
        one.apply(first)
    for _ in range(300):
        side = draws.choice((venue.bids, venue.asks))
        price = draws.choice(list(side)) + draws.choice((0, 0, -1, 1))
        size = 0 if price in side and len(side) > 5 and draws.random() < 0.4 else draws.randrange(1, 10**9)
        if (price >= min(venue.asks)) if side is venue.bids else (price <= max(venue.bids)):
            continue
        level = ((BTC.tick.text(price), BTC.lot.text(size)),)
        change = BookDelta(
            0, 0, 0, 0, 0, *((((price, size),), ()) if side is venue.bids else ((), ((price, size),)))
        )
        venue.apply(change)
        payload = book(*((level, ()) if change.bids else ((), level)), crc=venue.checksum())
        event = only(read.decode(payload, 2))
        assert isinstance(event, BookDelta)
        kept.apply(event)
        assert kept.checksum() == event.checksum and (kept.bids, kept.asks) == (venue.bids, venue.asks)


CORPUS = [guide_snapshot(), book((("45283.5", "0"),), (("45285.2", "2.00000000"),)),
          frame("trade", trade(1), trade(2)),
          frame("ticker", best()), b'{"channel":"heartbeat"}', b'{"method":"pong","req_id":1}']  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(CORPUS),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=4),
    st.integers(0, 2_000),
)
@example(CORPUS[1], [(12, ord("c"))], 2_000)
def test_no_mutation_of_a_frame_raises(payload: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    torn = bytearray(payload[: cut % (len(payload) + 1)] if cut < 200 else payload)
    for at, byte in changes:
        if torn:
            torn[at % len(torn)] = byte
    read = wire()
    told: Any = read.decode(bytes(torn), 1)
    if told is not None and not isinstance(told, Answer):
        assert events_of(told)
    assert read.bad_frames + (told is not None) <= 1
