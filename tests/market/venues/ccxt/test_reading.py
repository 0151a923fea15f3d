"""Structures of ccxt become exact integers, whether it kept texts or floats."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from domain.ids import client_id, client_id_text
from domain.instrument import Instrument
from domain.order import OrderState, TimeInForce
from market.venues.ccxt.reading import Reader, amount, number_of, plain, trade_number
from market.venues.steps import BadFrame

READER = Reader(Instrument.of(3, "x", "BTC", "USDT", tick="0.01", lot="0.00001"))
OURS = client_id(1, 2, 3)


def own_trade(**changes: Any) -> dict[str, Any]:
    return {
        "id": "17", "order": "99", "timestamp": 5, "side": "sell", "price": "60000.01", "amount": 0.00002,
        "takerOrMaker": "maker", "fee": {"cost": "0.0000001", "currency": "BNB"}, "info": {}, **changes,
    }  # fmt: skip


def order(**changes: Any) -> dict[str, Any]:
    return {"id": "7", "status": "open", "filled": 0.0, "amount": "0.5", "price": 1.0, "side": "buy",
            "symbol": "BTC/USDT", "clientOrderId": client_id_text(OURS), **changes}  # fmt: skip


@given(some.integers(1, 10**9), some.integers(0, 8))
def test_a_float_gives_back_the_decimal_that_it_was_read_from(digits: int, scale: int) -> None:
    text = f"{Decimal(digits).scaleb(-scale):f}"
    assert Decimal(plain(float(text))) == Decimal(text) and "e" not in plain(float(text)).lower()


@pytest.mark.parametrize("number", [float("nan"), None, [], float("inf")])
def test_what_is_no_number_is_a_bad_frame(number: Any) -> None:
    with pytest.raises(BadFrame):
        READER.price[plain(number)]


def test_a_book_is_read_whole_and_cut_to_its_depth() -> None:
    book = {
        "timestamp": 3,
        "bids": [[60000.01, 0.5, 1], [60000.0, 0.00001]],
        "asks": [[60000.02, 0.0], [60000.03, 2]],
    }
    read = READER.book(book, 1_000, 5, 9)
    assert read.bids == ((6_000_001, 50_000), (6_000_000, 1)) and read.asks == ((6_000_003, 200_000),)
    assert (read.instrument, read.exchange_ts_ns, read.local_ts_ns, read.sequence) == (3, 3_000_000, 9, 5)
    assert READER.book(book, 1, 5, 9).bids == ((6_000_001, 50_000),)


@pytest.mark.parametrize(
    "book",
    [
        {"bids": [[60000.001, 1]], "asks": []},
        {"bids": [[-1.0, 1]], "asks": []},
        {"bids": [[float("nan"), 1]], "asks": []},
        {"bids": [[1.0]], "asks": []},
        {"bids": None, "asks": []},
        {"bids": []},
        {"bids": [], "asks": [], "timestamp": "soon"},
    ],
)
def test_a_book_that_cannot_be_exact_is_a_bad_frame(book: Any) -> None:
    with pytest.raises(BadFrame):
        READER.book(book, 10, 1, 1)


def test_trades_are_read_with_their_ids() -> None:
    told = {"id": "17", "timestamp": 5, "side": "sell", "price": "60000.01", "amount": 0.00002}
    trade = READER.trade(told, 9)
    assert (trade.trade_id, trade.price_ticks, trade.size_lots, trade.aggressor) == (17, 6_000_001, 2, -1)
    for change in ({"side": None}, {"price": None}, {"timestamp": None}, {"amount": "x"}):
        with pytest.raises(BadFrame):
            READER.trade({**told, **change}, 9)


def test_ids_that_are_no_numbers_become_numbers_that_rise_with_time() -> None:
    early, late = ({"id": "TXID-B", "timestamp": 1_000}, {"id": "TXID-A", "timestamp": 1_001})
    assert 0 < trade_number(early) < trade_number(late) == trade_number(dict(late)) < 1 << 62
    assert trade_number({"id": "T1", "timestamp": 1, "info": {"trade_id": 12}}) == 12
    assert number_of("123") == 123 and number_of("OABC-1") == number_of("OABC-1") != number_of("OABC-2")
    assert 0 < number_of("9" * 40) < 1 << 60


def test_an_own_trade_is_a_fill_with_its_fee() -> None:
    fill = READER.fill(own_trade(), OURS, 9)
    assert (fill.client_id, fill.trade_id, fill.side, fill.maker) == (OURS, 17, -1, True)
    assert (fill.fee_atoms, fill.fee_asset, fill.venue_order_id) == (1_000, "BNB", 99)
    exact = own_trade(info={"fee_asset": "BTC", "fee_qty": "0.5"})
    assert READER.fill(exact, OURS, 9).fee_asset == "BTC"
    listed = own_trade(fee=None, fees=[{"cost": 1e-10, "currency": "USDT"}])
    assert READER.fill(listed, OURS, 9).fee_atoms == 1
    assert READER.fill(own_trade(fee=None), OURS, 9).fee_atoms == 0
    with pytest.raises(BadFrame):
        READER.fill(own_trade(side="?"), OURS, 9)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, OrderState.OPEN),
        ({"filled": 0.25}, OrderState.PARTIALLY_FILLED),
        ({"status": "closed", "filled": "0.5"}, OrderState.FILLED),
        ({"status": "closed", "filled": "0.25"}, OrderState.CANCELLED),
        ({"status": "canceled"}, OrderState.CANCELLED),
        ({"status": "expired"}, OrderState.EXPIRED),
        ({"status": "rejected", "filled": None}, OrderState.REJECTED),
    ],
)
def test_an_orders_state_is_read(changes: dict[str, Any], state: OrderState) -> None:
    assert READER.order(order(**changes))[0] == state


def test_an_order_that_cannot_be_read_is_a_bad_frame() -> None:
    with pytest.raises(BadFrame):
        READER.order(order(status="dancing"))
    with pytest.raises(BadFrame):
        READER.open_order(order(side=None))


def test_an_open_order_is_read_as_the_venue_lists_it() -> None:
    ours = READER.open_order(order(postOnly=True, timeInForce="GTC"))
    assert (ours.client_id, ours.tif, ours.price_ticks, ours.size_lots) == (
        OURS,
        TimeInForce.POST,
        100,
        50_000,
    )
    strange = READER.open_order(order(clientOrderId=None, timeInForce="IOC"))
    assert (strange.client_id, strange.tif) == (0, TimeInForce.IOC)


def test_amounts_are_rounded_against_us() -> None:
    assert (amount(None), amount("0.1"), amount(1e-10)) == (0, 10**9, 1)
