"""Requests are what Kraken's documentation shows, to the digit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.ids import client_id
from domain.order import OrderIntent, Side, TimeInForce
from market.venues.kraken.order_frames import OrderFrames
from tests.market.venues.kraken.frames import BTC, ETH, TIME_NS

ID = client_id(3, 2, 255)


def frames(window_ms: int = 2_000) -> OrderFrames:
    made = OrderFrames((BTC, ETH), window_ms)
    made.opened('a"b')
    return made


def placed(tif: TimeInForce, side: Side = Side.BUY, window_ms: int = 2_000) -> dict[str, Any]:
    intent = OrderIntent(0, 0, int(side), int(tif), 452_852, 120_000)
    told: dict[str, Any] = json.loads(frames(window_ms).place(5, ID, intent, TIME_NS), parse_float=str)
    assert (told["method"], told["req_id"]) == ("add_order", 5)
    return dict(told["params"])


def test_a_limit_order_carries_its_exact_numbers_its_id_and_its_deadline() -> None:
    assert placed(TimeInForce.GTC) == {
        "order_type": "limit", "side": "buy", "symbol": "BTC/USDT", "fee_preference": "quote",
        "time_in_force": "gtc", "limit_price": "45285.2", "order_qty": "0.00120000",
        "cl_ord_id": "m00300002000000ff", "deadline": "2023-10-06T17:35:57.440Z", "token": 'a"b',
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tif", "told"),
    [(TimeInForce.IOC, ("limit", "ioc", None)), (TimeInForce.POST, ("limit", "gtc", True)),
     (TimeInForce.MARKET, ("market", None, None))],
)  # fmt: skip
def test_times_in_force_are_kraken_s_own(tif: TimeInForce, told: tuple[Any, ...]) -> None:
    sent = placed(tif, Side.SELL)
    assert (sent["order_type"], sent.get("time_in_force"), sent.get("post_only")) == told
    assert sent["side"] == "sell" and ("limit_price" in sent) == (tif != TimeInForce.MARKET)


def test_the_deadline_is_in_the_venues_time_and_never_nearer_than_it_takes() -> None:
    made = frames(1)
    made.venue_ahead_ns = 1_500_000_000
    intent = OrderIntent(0, 1, 1, 0, 1, 1)
    told = [
        json.loads(made.place(1, ID, intent, TIME_NS + later))["params"]["deadline"]
        for later in (0, 1_000_000)
    ]
    assert told == ["2023-10-06T17:35:57.440Z", "2023-10-06T17:35:57.441Z"]


def test_the_other_requests_are_short() -> None:
    made = frames()
    told = [
        json.loads(one)
        for one in (made.cancel(1, ID), made.executions(2), made.cancel_all_after(3, 60), made.ping(4))
    ]
    assert told == [
        {"method": "cancel_order", "req_id": 1, "params": {
            "cl_ord_id": ["m00300002000000ff"], "token": 'a"b'}},
        {"method": "subscribe", "req_id": 2, "params": {
            "channel": "executions", "snap_orders": True, "snap_trades": False, "order_status": True,
            "token": 'a"b'}},
        {"method": "cancel_all_orders_after", "params": {"timeout": 60, "token": 'a"b'}, "req_id": 3},
        {"method": "ping", "req_id": 4},
    ]  # fmt: skip
