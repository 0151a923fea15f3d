"""Bytes as Binance documents them, and bytes as nobody documents them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.market_events import BookDelta, BookSnapshot, Tick, Trade
from domain.order import Side
from domain.units import Step
from market.venues.binance.replies import Answer, OrderReader, StreamEnded
from market.venues.binance.wire import MarketWire
from market.venues.in_flight import RequestKind
from market.venues.steps import MEMO_MAX, BadFrame, StepReader, StepWriter
from tests.market.scripted_venue import BTC, ETH

# In the form that developers.binance.com shows.
DEPTH: dict[str, Any] = {
    "stream": "btcusdt@depth@100ms",
    "data": {
        "e": "depthUpdate",
        "E": 1672515782136,
        "s": "BTCUSDT",
        "U": 157,
        "u": 160,
        "b": [["0.02000000", "10.00000000"]],
        "a": [["0.26000000", "0.00000000"]],
    },
}
BEST: dict[str, Any] = {
    "stream": "btcusdt@bookTicker",
    "data": {
        "u": 400900217,
        "s": "BTCUSDT",
        "b": "25.35000000",
        "B": "31.21000000",
        "a": "25.36000000",
        "A": "40.66000000",
    },
}
PRINT: dict[str, Any] = {
    "stream": "ethusdt@trade",
    "data": {
        "e": "trade",
        "E": 1672515782136,
        "s": "ETHUSDT",
        "t": 12345,
        "p": "0.10000000",
        "q": "100.00000000",
        "T": 1672515782137,
        "m": True,
        "M": True,
    },
}
SNAPSHOT: dict[str, Any] = {
    "lastUpdateId": 1027024,
    "bids": [["4.00000000", "431.00000000"]],
    "asks": [["4.02000000", "12.0"]],
}
EXECUTION: dict[str, Any] = {
    "subscriptionId": 0,
    "event": {
        "e": "executionReport",
        "E": 1499405658658,
        "s": "ETHUSDT",
        "c": "m0010000200000003",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "1.00000000",
        "p": "0.10000000",
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": "",
        "x": "TRADE",
        "X": "FILLED",
        "r": "NONE",
        "i": 4293153,
        "l": "1.00000000",
        "z": "1.00000000",
        "L": "0.10000000",
        "n": "0.00100000",
        "N": "ETH",
        "T": 1499405658657,
        "t": 8,
        "v": 3,
        "I": 8641984,
        "w": True,
        "m": False,
        "M": False,
        "O": 1499405658657,
        "Z": "0.00000000",
    },
}
FRAMES = [json.dumps(frame).encode() for frame in (DEPTH, BEST, PRINT)]


def wire() -> MarketWire:
    return MarketWire((BTC, ETH))


def test_a_depth_update_is_a_delta_of_exact_integers() -> None:
    assert wire().decode(FRAMES[0], 9) == BookDelta(
        0, 1672515782136_000_000, 9, 157, 160, ((2, 1_000_000),), ((26, 0),)
    )


def test_a_book_ticker_is_a_tick_without_the_venues_time() -> None:
    assert wire().decode(FRAMES[1], 9) == Tick(0, 0, 9, 2535, 3_121_000, 2536, 4_066_000, 400900217)


@pytest.mark.parametrize(("maker_buys", "aggressor"), [(True, Side.SELL), (False, Side.BUY)])
def test_a_trade_tells_who_took(maker_buys: bool, aggressor: Side) -> None:
    frame = {"stream": PRINT["stream"], "data": {**PRINT["data"], "m": maker_buys}}
    event = wire().decode(json.dumps(frame).encode(), 9)
    assert event == Trade(1, 1672515782137_000_000, 9, 12345, 10, 1_000_000, int(aggressor))


def test_a_snapshot_is_a_whole_book() -> None:
    told = wire().snapshot(1, json.dumps(SNAPSHOT).encode(), 9)
    assert told == BookSnapshot(1, 0, 9, 1027024, ((400, 4_310_000),), ((402, 120_000),))


def test_every_market_has_three_streams() -> None:
    assert wire().streams == (
        "btcusdt@depth@100ms",
        "btcusdt@bookTicker",
        "btcusdt@trade",
        "ethusdt@depth@100ms",
        "ethusdt@bookTicker",
        "ethusdt@trade",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"U": 161},
        {"U": -1},
        {"u": 1 << 61},
        {"b": [["0.021", "1"]]},
        {"b": [["1e5", "1"]]},
        {"b": [["-1", "1"]]},
        {"b": [["1_0", "1"]]},
        {"b": [["1", "٣"]]},
        {"b": [["9" * 19, "1"]]},
        {"b": [["1"]]},
        {"b": None},
        {"E": "x"},
        {"b": [["1", "1e999999999"]]},
        {"b": [["", "1"]]},
    ],
)
def test_a_frame_with_one_wrong_field_is_counted_and_gives_nothing(change: dict[str, Any]) -> None:
    decoder = wire()
    frame = {"stream": DEPTH["stream"], "data": {**DEPTH["data"], **change}}
    assert decoder.decode(json.dumps(frame).encode(), 9) is None
    assert (decoder.frames, decoder.bad_frames) == (1, 1) and decoder.last_bad != ""


@pytest.mark.parametrize("payload", [b"", b"{}", b"[" * 100_000, b'{"stream":"x@y","data":{}}', b"\xff"])
def test_what_is_no_stream_frame_is_counted(payload: bytes) -> None:
    decoder = wire()
    assert decoder.decode(payload, 9) is None and decoder.bad_frames == 1
    assert decoder.snapshot(0, payload, 9) is None and decoder.bad_frames == 2


MUTATION = st.tuples(
    st.integers(0, 10_000), st.sampled_from(["cut", "flip", "insert", "double"]), st.integers(0, 255)
)


def mutated(frame: bytes, mutations: list[tuple[int, str, int]]) -> bytes:
    data = bytearray(frame)
    for place, kind, byte in mutations:
        at = place % (len(data) + 1)
        if kind == "cut":
            del data[at : at + byte % 8]
        elif kind == "insert":
            data.insert(at, byte)
        elif kind == "double":
            data[at:at] = data[at : at + byte]
        elif at < len(data):
            data[at] ^= byte
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(FRAMES), st.lists(MUTATION, min_size=1, max_size=4))
def test_mutated_market_frames_never_raise_and_are_counted(frame: bytes, mutations: list[Any]) -> None:
    decoder = wire()
    payload = mutated(frame, mutations)
    event = decoder.decode(payload, 9)
    assert decoder.bad_frames == (1 if event is None else 0)
    if isinstance(event, BookDelta):
        assert all(0 <= number < 1 << 62 for level in event.bids + event.asks for number in level)
    decoder.snapshot(0, mutated(json.dumps(SNAPSHOT).encode(), mutations), 9)


ANSWERS = [
    {
        "id": 1,
        "status": 200,
        "result": {"symbol": "BTCUSDT", "orderId": 5, "status": "NEW", "executedQty": "0.1"},
    },
    {"id": 1, "status": 400, "error": {"code": -2010, "msg": "Duplicate order sent."}},
    {"id": 1, "status": 500, "error": {"code": -1000, "msg": "?"}},
    EXECUTION,
]


def read(payload: bytes) -> list[object]:
    """Read a frame in every way that the gateway might; what is neither read nor refused raises."""
    reader = OrderReader((BTC, ETH))
    told: list[object] = []
    ways: list[Callable[[Answer], object]] = [
        *(
            partial(_answered, reader, kind)
            for kind in (RequestKind.PLACE, RequestKind.CANCEL, RequestKind.QUERY)
        ),
        lambda answer: reader.event(answer.event, 9),
    ]
    for way in ways:
        try:
            told.append(way(reader.frame(payload)))
        except (BadFrame, StreamEnded):
            told.append("bad")
    return told


def _answered(reader: OrderReader, kind: RequestKind, answer: Answer) -> object:
    return reader.answered(kind, 1, 0, answer, 9)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ANSWERS), st.lists(MUTATION, min_size=1, max_size=4))
def test_mutated_order_frames_raise_nothing_but_bad_frame(
    frame: dict[str, Any], mutations: list[Any]
) -> None:
    assert len(read(mutated(json.dumps(frame).encode(), mutations))) == 4


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_at_all_raise_nothing_but_bad_frame(payload: bytes) -> None:
    decoder = wire()
    assert decoder.decode(payload, 1) is None and decoder.bad_frames == 1
    assert read(payload) == ["bad"] * 4


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 59), st.sampled_from(["0.01", "0.05", "1", "5", "0.00000001", "10"]))
def test_what_is_written_is_read_back(count: int, text: str) -> None:
    step = Step.parse(text)
    assert StepReader(step)[StepWriter(step)[count]] == count


def test_the_memos_are_bounded() -> None:
    reader, writer = StepReader(Step.parse("1")), StepWriter(Step.parse("1"))
    for number in range(MEMO_MAX + 10):
        assert reader[str(number)] == number and writer[number] == str(number)
    assert len(reader) <= MEMO_MAX and len(writer) <= MEMO_MAX


@pytest.mark.parametrize("first", [DEPTH, BEST])
def test_reading_a_frame_again_changes_nothing(first: dict[str, Any]) -> None:
    decoder = wire()
    decoder.reread()
    expected = wire().decode(json.dumps(first, separators=(",", ":")).encode(), 5)
    assert decoder.decode(json.dumps(first, separators=(",", ":")).encode(), 4) is not None
    decoder.reread()
    assert (decoder.frames, decoder.bad_frames) == (1, 0)
    again = decoder.decode(json.dumps(first, separators=(",", ":")).encode(), 5)
    assert str(again) == str(expected)
