"""Markets of ccxt to instruments: strings all the way, in the order that the node asks for."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import ccxt

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.protocols import Clock
from domain.units import atoms
from market.venues.ccxt.client import Client
from market.venues.config import VenueConfig

SIZE_MAX = "1000000"


async def load_instruments(
    config: VenueConfig,
    symbols: Sequence[str],
    clock: Clock,
    *,
    first_index: int = 0,
    live_word: str | None = None,
) -> tuple[Instrument, ...]:
    """Ask the venue for its markets; indexes run from `first_index` in the order of `symbols`."""
    config.check_live(live_word)
    async with Client(config, clock) as client:
        await client.wait_up()
        return tuple(
            instrument_of(config, client.exchange, symbol, first_index + place)
            for place, symbol in enumerate(symbols)
        )


def market_of(exchange: Any, symbol: str) -> Any:
    """Find a spot market by ccxt's name (BTC/USDT), the venue's own, or the two assets written together."""
    for market in exchange.markets.values():
        names = (market["symbol"], market["id"], f"{market['base']}{market['quote']}")
        if market.get("spot") and symbol in names:
            return market
    return None


def instrument_of(config: VenueConfig, exchange: Any, symbol: str, index: int) -> Instrument:
    """Convert one market."""
    market = market_of(exchange, symbol)
    if market is None or market.get("active") is False:
        raise ConfigError(f"{symbol} does not trade there", where=config.name, mend="correct its symbols")
    try:
        return _instrument(config, exchange, market, symbol, index)
    except (ValueError, KeyError, TypeError, InvalidOperation) as error:
        raise ConfigError(
            f"the market {symbol} cannot be read: {error!r}", where=config.name, mend="leave that symbol out"
        ) from None


def _instrument(config: VenueConfig, exchange: Any, market: Any, symbol: str, index: int) -> Instrument:
    limits = market["limits"]
    maker, taker = config.maker_fee_ppm, config.taker_fee_ppm
    return Instrument.of(
        index,
        config.name,
        market["base"],
        market["quote"],
        symbol=symbol.replace("/", ""),
        tick=_step(exchange, market["precision"]["price"]),
        lot=_step(exchange, market["precision"]["amount"]),
        size_min=_plain(limits["amount"].get("min") or 0),
        size_max=_plain(limits["amount"].get("max") or SIZE_MAX),
        notional_atoms_min=atoms(_plain(limits["cost"].get("min") or 0), "up"),
        maker_fee_ppm=_ppm(market.get("maker")) if maker is None else maker,
        taker_fee_ppm=_ppm(market.get("taker")) if taker is None else taker,
    )


def _step(exchange: Any, precision: Any) -> str:
    if exchange.precisionMode == ccxt.TICK_SIZE:
        return _plain(precision)
    if exchange.precisionMode == ccxt.DECIMAL_PLACES:
        return _plain(Decimal(1).scaleb(-int(precision)))
    raise ValueError("prices with so many significant digits have no fixed step")


def _plain(number: Any) -> str:
    """Write a number without exponent; the shortest text of a float is the decimal that it was read from."""
    return f"{Decimal(str(number)):f}"


def _ppm(fraction: Any) -> int:
    return int((Decimal(str(fraction or 0)) * 1_000_000).to_integral_value(rounding="ROUND_CEILING"))
