"""Requests that nobody should send: answered in words, and the exchange goes on."""

from __future__ import annotations

import json
import random
from typing import Any, cast

import pytest

from sim.exchange.kraken.errors import KrakenError
from sim.exchange.kraken.rest_account import ACCOUNT_CALLS, Asked
from sim.exchange.kraken.rest_market import PUBLIC_CALLS
from sim.exchange.kraken.rest_trading import TRADING_CALLS
from sim.exchange.kraken.session import Session
from sim.exchange.stream_connection import Connection
from tests.sim.exchange.kraken.kraken_builders import KEYS, limit
from tests.sim.exchange.kraken.test_desk import Quiet
from tests.sim.exchange.server_builders import config

ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    7,
    10**30,
    -(10**18),
    1e300,
    -0.0,
    0.00001,
    60000.5,
    "",
    "²",
    "x" * 300,
    "\ud800",
    "BTC/USDT",
    "btc",
    "1",
    "1e5",
    "NaN",
    "+9",
    "9" * 5_000,
    "2026-11-21T00:00:00Z",
    "limit",
    "market",
    "gtd",
    [],
    [1],
    ["BTC/USDT"],
    ["\udfff"],
    [[]],
    {},
    {"a": 1},
    [{}],
    "OAAAAA-AAAAA-AAAAAB",
    ["OAAAAA-AAAAA-AAAAAB"],
    "true",
    float("inf"),
)
FIELDS = (
    "channel",
    "symbol",
    "depth",
    "interval",
    "event_trigger",
    "snapshot",
    "snap_orders",
    "snap_trades",
    "order_status",
    "order_type",
    "side",
    "order_qty",
    "limit_price",
    "cl_ord_id",
    "order_userref",
    "time_in_force",
    "expire_time",
    "deadline",
    "stp_type",
    "post_only",
    "validate",
    "cash_order_qty",
    "order_id",
    "orders",
    "timeout",
)
METHODS = (
    "subscribe",
    "unsubscribe",
    "ping",
    "add_order",
    "amend_order",
    "edit_order",
    "cancel_order",
    "cancel_all",
    "cancel_all_orders_after",
    "batch_add",
    "batch_cancel",
    "\ud800",
    "fly",
)
CHANNELS = ("book", "trade", "ticker", "ohlc", "instrument", "executions", "balances", "status")


class Wire:
    """A connection that keeps what is sent."""

    def __init__(self) -> None:
        self.tap, self.sent = None, list[bytes]()

    def send(self, payload: bytes) -> None:
        """Keep a message."""
        self.sent.append(payload)


def worked_off(quiet: Quiet) -> None:
    """Do what waits, as the venue's own task would."""
    venue = quiet.venue
    while venue._queue:
        work, deliver = venue._queue.popleft()
        deliver(venue._do(work))
        for event in venue._outbox:
            quiet.voice.tell(event)
        venue._outbox = []


def drawn(draw: random.Random, token: str) -> dict[str, Any]:
    """Draw a request: a good one with one or more of its fields spoiled."""
    method = draw.choice(METHODS)
    params: dict[str, Any] = limit("buy", 59_000.0 + draw.randrange(9), 0.01) if "order" in method else {}
    if "subscribe" in method:
        params = {"channel": draw.choice(CHANNELS), "symbol": ["BTC/USDT"]}
    if draw.random() < 0.9:
        params["token"] = token
    for _ in range(draw.choice((0, 0, 0, 1, 1, 2, 3))):
        params[draw.choice(FIELDS)] = draw.choice(ODD)
    message = {"method": method, "params": params, "req_id": draw.randrange(99)}
    if draw.random() < 0.1:
        message[draw.choice(("method", "params", "req_id"))] = draw.choice(ODD)
    return message


@pytest.mark.parametrize("seed", range(4))
def test_every_message_on_the_websocket_is_answered_in_json(seed: int) -> None:
    draw, quiet, wire = random.Random(seed), Quiet(config(dialect="kraken", kraken_tier="none")), Wire()
    session = Session(quiet.venue, quiet.voice, cast(Connection, wire), 1)
    token, accepted = quiet.voice.tokens.make(0, b"x", quiet.venue.now_ns()), 0
    for _ in range(700):
        wire.sent.clear()
        text = json.dumps(drawn(draw, token))
        if draw.random() < 0.05:
            text = text[: draw.randrange(len(text))]
        session.take(text)
        worked_off(quiet)
        assert wire.sent, text
        answers = [json.loads(one) for one in wire.sent]
        accepted += any(one.get("success") is True for one in answers)
    assert 60 < accepted < 600
    session.leave()
    worked_off(quiet)


def test_no_value_in_a_rest_call_is_more_than_a_refusal() -> None:
    draw, quiet = random.Random(3), Quiet(config(dialect="kraken", kraken_tier="none"))
    names = (
        "pair",
        "asset",
        "count",
        "since",
        "interval",
        "txid",
        "cl_ord_id",
        "userref",
        "trades",
        "start",
        "end",
        "ofs",
        "type",
        "ordertype",
        "price",
        "volume",
        "oflags",
        "timeinforce",
        "expiretm",
        "deadline",
        "validate",
        "timeout",
        "order_qty",
        "limit_price",
        "post_only",
        "stptype",
        "leverage",
    )
    order = {"pair": "BTCUSDT", "type": "buy", "ordertype": "limit", "price": "59000", "volume": "0.01"}
    private = [call for call, _ in (*ACCOUNT_CALLS.values(), *TRADING_CALLS.values())]
    answered = 0
    for _ in range(3_000):
        values = {**order, "nonce": "1"} if draw.random() < 0.5 else {"nonce": "1"}
        for _turn in range(draw.randrange(4)):
            values[draw.choice(names)] = str(draw.choice(ODD))
        several: tuple[list[object], ...] = ([], [1, {}], ["a", order], [order, order], [None] * 60)
        lists = {"orders": several[draw.randrange(len(several))]}
        try:
            if draw.random() < 0.3:
                draw.choice(list(PUBLIC_CALLS.values()))(quiet.venue, quiet.voice, values)
            else:
                draw.choice(private)(Asked(quiet.venue, quiet.voice, 0, KEYS["A_KEY"], values, lists))
            answered += 1
        except KrakenError:
            continue
    assert answered > 300
