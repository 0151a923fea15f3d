"""Small exchanges and commands for tests."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

from domain.order import TimeInForce
from sim.exchange.config import ExchangeConfig
from sim.exchange.messages import (
    CancelAllPlaced,
    CancelPlaced,
    Command,
    DepthChange,
    Execution,
    Output,
    PlaceOrder,
    PublicTrade,
    Refused,
    SelfTradePrevention,
)

BUY, SELL = 1, -1
ALICE, BOB, FLOW = 0, 1, 2
COIN, PAIR = 0, 1
GTC, IOC, FOK, POST, MARKET = (int(each) for each in TimeInForce)


def small_config(**changes: Any) -> ExchangeConfig:
    """Build an exchange with markets COIN/CASH (tick 0.01, lot 0.1) and COIN/NOTE, and three accounts."""
    market = {
        "quote": "CASH",
        "base": "COIN",
        "tick": "0.01",
        "lot": "0.1",
        "size_max": "1000",
        "notional_min": "1",
        "start_price": "10.00",
    }
    table: dict[str, Any] = {
        "name": "small-x",
        "assets": ["COIN", "CASH", "NOTE"],
        "maker_fee_ppm": 200,
        "taker_fee_ppm": 500,
        "markets": [market, {**market, "quote": "NOTE"}],
        "accounts": [
            {"name": "alice", "balances": {"COIN": "100", "CASH": "1000", "NOTE": "1000"}},
            {"name": "bob", "balances": {"COIN": "100", "CASH": "1000"}, "taker_fee_ppm": 0},
            {"name": "flow", "unlimited": True},
        ],
        **changes,
    }
    return ExchangeConfig.model_validate(table)


def place(
    account: int,
    side: int,
    price_ticks: int,
    size_lots: int,
    tif: int = GTC,
    text: str = "",
    instrument: int = COIN,
    now_ns: int = 1,
    self_trade: int = SelfTradePrevention.EXPIRE_MAKER,
) -> PlaceOrder:
    """Build a new order."""
    return PlaceOrder(now_ns, account, instrument, side, tif, price_ticks, size_lots, text, self_trade)


def executions(outputs: list[Output]) -> list[tuple[int, int, int, int, int]]:
    """Give (kind, order id, status, filled, last lots) of every execution."""
    return [
        (each.kind, each.order.order_id, each.order.status, each.order.filled_lots, each.last_lots)
        for each in outputs
        if isinstance(each, Execution)
    ]


def refusal(outputs: list[Output]) -> int | None:
    """Give why a command was refused; `None` if it was not."""
    return outputs[0].kind if isinstance(outputs[0], Refused) else None


def depth_changes(outputs: list[Output]) -> list[DepthChange]:
    """Give the depth changes."""
    return [each for each in outputs if isinstance(each, DepthChange)]


def public_trades(outputs: list[Output]) -> list[PublicTrade]:
    """Give the public trades."""
    return [each for each in outputs if isinstance(each, PublicTrade)]


def random_commands(seed: int, number: int) -> list[Command]:
    """Draw so many commands of the stream of a seed."""
    return list(islice(command_stream(seed), number))


def command_stream(seed: int) -> Iterator[Command]:
    """Draw a busy mixture of everything, much of it refused, without end."""
    draw = random.Random(seed)
    for at in count():
        account, instrument, now_ns = draw.randrange(3), draw.randrange(2), 1_000 + at
        kind = draw.random()
        if kind < 0.25:
            yield CancelPlaced(now_ns, account, instrument, max(1, at // 2 - draw.randrange(30)))
        elif kind < 0.27:
            yield CancelAllPlaced(now_ns, account, instrument)
        else:
            side, tif = draw.choice((BUY, SELL)), draw.choice((GTC, GTC, GTC, GTC, IOC, FOK, POST, MARKET))
            price = 0 if tif == MARKET else 1000 - 3 * side + int(draw.gauss(0, 12))
            text = f"t{draw.randrange(200)}" if draw.random() < 0.5 else ""
            size, self_trade = draw.randrange(1, 200), draw.randrange(4)
            yield PlaceOrder(now_ns, account, instrument, side, tif, price, size, text, self_trade)
