"""Whatever ccxt's structures hold: events, or a bad frame."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from domain.draws import stream
from market.venues.ccxt.reading import Reader
from market.venues.steps import BadFrame
from tests.chaos.harness import exchange_config

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 80, float("nan"), float("inf"), -0.0, 1e-300, "", "NaN", "1e5", "\u0661",
    "x" * 5_000, [], {}, [[]], [None], {"id": None}, [1, 2, 3], b"1", "-1",
)  # fmt: skip
TRADE = {
    "id": "7", "order": "12", "timestamp": 1_700_000_000_000, "side": "buy", "price": 60000.1,
    "amount": 0.001, "takerOrMaker": "maker", "fee": {"cost": 0.0000005, "currency": "BTC"},
    "info": {"trade_id": 7},
}  # fmt: skip
ORDER = {
    "id": "12", "clientOrderId": "m0010000100000001", "side": "sell", "price": "60000.10", "amount": "0.002",
    "filled": 0.0, "status": "open", "timeInForce": "GTC", "postOnly": False, "symbol": "BTC/USDT",
}  # fmt: skip
BOOK = {"timestamp": 1_700_000_000_000, "bids": [[60000.0, 1.0], [59999.0, 0.5]], "asks": [["60001.0", "1"]]}

READER = Reader(exchange_config().instruments()[0])
WAYS: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "book": (BOOK, lambda one: READER.book(one, 10, 1, 1)),
    "trade": (TRADE, lambda one: READER.trade(one, 1)),
    "fill": (TRADE, lambda one: READER.fill(one, 1, 1)),
    "order": (ORDER, READER.order),
    "open_order": (ORDER, READER.open_order),
}


def spoiled(draws: Random, good: Any) -> Any:
    """Put something odd somewhere into a structure."""
    if draws.random() < 0.02:
        return draws.choice(ODD)
    one = copy.deepcopy(good)
    holder, key = one, draws.choice(list(one))
    while isinstance(holder[key], dict | list) and holder[key] and draws.random() < 0.7:
        holder = holder[key]
        key = draws.choice(list(holder)) if isinstance(holder, dict) else draws.randrange(len(holder))
    if isinstance(holder, dict) and draws.random() < 0.15:
        del holder[key]
    else:
        holder[key] = draws.choice(ODD)
    return one


@pytest.mark.parametrize("way", list(WAYS))
def test_a_structure_is_read_or_is_a_bad_frame(way: str) -> None:
    good, read = WAYS[way]
    assert read(good) is not None
    draws, whole, bad = stream(1, "ccxt", way), 0, 0
    for _ in range(1_500):
        try:
            assert read(spoiled(draws, good)) is not None
            whole += 1
        except BadFrame:
            bad += 1
    assert whole > 50 and bad > 50
