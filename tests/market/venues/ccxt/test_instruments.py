"""A market of ccxt is an instrument whose steps are exact, or none at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ccxt
import pytest

from domain.errors import ConfigError
from market.venues.ccxt.instruments import instrument_of, market_of
from tests.market.venues.ccxt.builders import config


def exchange(mode: int = ccxt.TICK_SIZE, **changes: Any) -> Any:
    market = {
        "symbol": "BTC/USDT", "id": "XBTUSDT", "base": "BTC", "quote": "USDT", "spot": True, "active": True,
        "precision": {"price": 0.01, "amount": 1e-05}, "maker": 0.0002, "taker": 0.0005,
        "limits": {"amount": {"min": 0.0001, "max": 100.0}, "cost": {"min": 5.0}, "price": {}}, **changes,
    }  # fmt: skip
    future = {**market, "symbol": "BTC/USDT:USDT", "spot": False}
    return SimpleNamespace(markets={"f": future, "s": market}, precisionMode=mode)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "XBTUSDT", "BTCUSDT"])
def test_a_spot_market_is_found_by_each_of_its_names(symbol: str) -> None:
    assert market_of(exchange(), symbol)["symbol"] == "BTC/USDT"
    assert instrument_of(config(), exchange(), symbol, 3).index == 3


def test_its_steps_limits_and_fees_are_exact() -> None:
    made = instrument_of(config(), exchange(), "BTCUSDT", 0)
    assert (made.tick.text(1), made.lot.text(1)) == ("0.01", "0.00001")
    assert (made.size_lots_min, made.size_lots_max) == (10, 10_000_000)
    assert (made.maker_fee_ppm, made.taker_fee_ppm) == (200, 500)
    assert made.notional_atoms_min == 5 * 10**10
    own = instrument_of(config(maker_fee_ppm=-10, taker_fee_ppm=7), exchange(), "BTCUSDT", 0)
    assert (own.maker_fee_ppm, own.taker_fee_ppm) == (-10, 7)


def test_places_after_the_point_are_steps_too() -> None:
    places = exchange(ccxt.DECIMAL_PLACES, precision={"price": 2, "amount": 5})
    assert instrument_of(config(), places, "BTCUSDT", 0) == instrument_of(config(), exchange(), "BTCUSDT", 0)


def test_limits_that_are_not_told_bind_nobody() -> None:
    open_ended = exchange(limits={"amount": {}, "cost": {}, "price": {}}, maker=None, taker=None)
    made = instrument_of(config(), open_ended, "BTCUSDT", 0)
    assert made.size_lots_max == 10**11 and made.notional_atoms_min == 0 and made.taker_fee_ppm == 0


@pytest.mark.parametrize(
    ("made", "symbol"),
    [
        (exchange(), "DOGEUSDT"),
        (exchange(active=False), "BTCUSDT"),
        (exchange(ccxt.SIGNIFICANT_DIGITS), "BTCUSDT"),
        (exchange(precision={"price": None, "amount": None}), "BTCUSDT"),
        (exchange(limits={}), "BTCUSDT"),
    ],
)
def test_a_market_that_cannot_be_exact_is_refused_by_name(made: Any, symbol: str) -> None:
    with pytest.raises(ConfigError, match=symbol):
        instrument_of(config(), made, symbol, 0)
