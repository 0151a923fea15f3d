"""Exchange rules to instruments, in the order that the node asks for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.protocols import Clock
from domain.units import Step, atoms
from market.venues.binance.rest import RestClient
from market.venues.config import VenueConfig


class _Filter(msgspec.Struct):
    filterType: str
    tickSize: str = ""
    stepSize: str = ""
    minQty: str = "0"
    maxQty: str = "0"
    minNotional: str = "0"


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    filters: list[_Filter]


class _Info(msgspec.Struct):
    symbols: list[_Symbol]


class _Rates(msgspec.Struct):
    maker: str
    taker: str


class _Account(msgspec.Struct):
    commissionRates: _Rates


async def load_instruments(
    config: VenueConfig,
    symbols: Sequence[str],
    clock: Clock,
    *,
    first_index: int = 0,
    live_word: str | None = None,
) -> tuple[Instrument, ...]:
    """Ask the venue for its rules; indexes run from `first_index` in the order of `symbols`."""
    config.check_live(live_word)
    async with RestClient(config, clock, config.credentials()) as rest:
        await rest.wait_up()
        maker_ppm, taker_ppm = await _fees(config, rest)
        body = await rest.get("/api/v3/exchangeInfo")
    return read_instruments(config.name, body, symbols, first_index, maker_ppm, taker_ppm)


async def _fees(config: VenueConfig, rest: RestClient) -> tuple[int, int]:
    maker, taker = config.maker_fee_ppm, config.taker_fee_ppm
    if maker is not None and taker is not None:
        return maker, taker
    body = await rest.get("/api/v3/account", {"omitZeroBalances": "true"}, sign=True)
    try:
        rates = msgspec.json.decode(body, type=_Account).commissionRates
        ppm = Step(1, 6)
        told = ppm.count(rates.maker, "up"), ppm.count(rates.taker, "up")
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"the account does not tell its fees: {error}",
            where=config.name,
            mend="set maker_fee_ppm and taker_fee_ppm",
        ) from None
    return (told[0] if maker is None else maker), (told[1] if taker is None else taker)


def read_instruments(
    venue: str, body: bytes, symbols: Sequence[str], first_index: int, maker_ppm: int, taker_ppm: int
) -> tuple[Instrument, ...]:
    """Convert `exchangeInfo`."""
    try:
        listed = {one.symbol: one for one in msgspec.json.decode(body, type=_Info).symbols}
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"exchangeInfo cannot be read: {error}", where=venue, mend="correct the venue's rest_url"
        ) from None
    missing = [symbol for symbol in symbols if symbol not in listed or listed[symbol].status != "TRADING"]
    if missing:
        raise ConfigError(f"{missing[0]} does not trade there", where=venue, mend="correct its symbols")
    try:
        return tuple(
            _instrument(venue, first_index + place, listed[symbol], maker_ppm, taker_ppm)
            for place, symbol in enumerate(symbols)
        )
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"a market's filters cannot be read: {error!r}", where=venue, mend="leave that symbol out"
        ) from None


def _instrument(venue: str, index: int, listed: _Symbol, maker_ppm: int, taker_ppm: int) -> Instrument:
    filters = {one.filterType: one for one in listed.filters}
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or _Filter("NOTIONAL")
    lots = filters["LOT_SIZE"]
    return Instrument.of(
        index,
        venue,
        listed.baseAsset,
        listed.quoteAsset,
        symbol=listed.symbol,
        tick=filters["PRICE_FILTER"].tickSize,
        lot=lots.stepSize,
        size_min=lots.minQty,
        size_max=lots.maxQty,
        notional_atoms_min=atoms(notional.minNotional, "up"),
        maker_fee_ppm=maker_ppm,
        taker_fee_ppm=taker_ppm,
    )
