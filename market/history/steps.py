"""What one tick and one lot of a market are: told, known, or inferred from the numbers of a file."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.units import ATOM_DECIMALS, decimal_text
from market.history.catalog import parts
from market.history.chunk import Source
from market.history.exact import places
from market.history.field_map import PRICES, SIZES, FieldMap
from market.history.history import History

_QUOTES = (
    "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "TRY", "BRL", "GBP", "JPY", "BTC", "ETH", "BNB",
)  # fmt: skip


class Steps(msgspec.Struct, frozen=True):
    """A market's steps as far as the command line tells them."""

    tick: str | None = None
    lot: str | None = None
    base: str | None = None
    quote: str | None = None
    exchange_info: Path | None = None


def instrument_for(
    root: Path, venue: str, symbol: str, steps: Steps, source: Source, fields: FieldMap
) -> tuple[Instrument, str]:
    """Give a market and where its steps come from; at last they are inferred from the file."""
    known = known_instrument(root, venue, symbol, steps)
    if known is not None:
        return known
    tick, lot = _inferred(source, fields)
    return _made(venue, symbol, tick, lot, steps), "inferred from this file's numbers"


def known_instrument(root: Path, venue: str, symbol: str, steps: Steps) -> tuple[Instrument, str] | None:
    """Give a market whose steps are told, or are those of the history that is here."""
    if steps.tick is not None and steps.lot is not None:
        return _made(venue, symbol, steps.tick, steps.lot, steps), "given"
    if steps.tick is not None or steps.lot is not None:
        raise ConfigError(
            "tick and lot come together", where=symbol, mend="give both --tick and --lot, or none"
        )
    if steps.exchange_info is not None:
        tick, lot, base, quote = _from_info(steps.exchange_info, symbol)
        told = msgspec.structs.replace(steps, base=base, quote=quote)
        return _made(venue, symbol, tick, lot, told), f"from {steps.exchange_info.name}"
    if next(parts(root, venues=(venue,), symbols=(symbol,)), None) is not None:
        return History(root).instrument(venue, symbol), "those of the history that is here"
    return None


def _made(venue: str, symbol: str, tick: str, lot: str, steps: Steps) -> Instrument:
    base, quote = assets_of(symbol, steps)
    try:
        return Instrument.of(0, venue, base, quote, tick=tick, lot=lot, symbol=symbol, size_max="1000000000")
    except ValueError as error:
        raise ConfigError(
            f"tick {tick} and lot {lot} cannot be used: {error}", where=symbol, mend="give --tick and --lot"
        ) from None


def assets_of(symbol: str, steps: Steps = Steps()) -> tuple[str, str]:  # noqa: B008
    """Tell a symbol's base and quote."""
    if steps.base is not None and steps.quote is not None:
        return steps.base, steps.quote
    base, slash, quote = re.sub(r"[-_:]", "/", symbol).partition("/")
    if slash and base and quote:
        return base, quote
    for known in _QUOTES:
        if symbol.endswith(known) and len(symbol) > len(known):
            return symbol.removesuffix(known), known
    raise ConfigError(f"{symbol} does not tell its two assets", where=symbol, mend="give --base and --quote")


def _from_info(path: Path, symbol: str) -> tuple[str, str, str, str]:
    try:
        told = msgspec.json.decode(path.read_bytes())
        (one,) = [each for each in told["symbols"] if each["symbol"] == symbol]
        filters = {each["filterType"]: each for each in one["filters"]}
        tick, lot = filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]
        return tick, lot, one["baseAsset"], one["quoteAsset"]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        raise ConfigError(
            f"it does not tell the steps of {symbol}",
            where=str(path),
            mend="give the body of /api/v3/exchangeInfo, or --tick and --lot",
        ) from None


def _inferred(source: Source, fields: FieldMap) -> tuple[str, str]:
    prices = tuple(fields.columns[one] for one in PRICES[fields.kind] if one in fields.columns)
    sizes = tuple(fields.columns[one] for one in SIZES[fields.kind] if one in fields.columns)
    needed = dict.fromkeys((*prices, *sizes), 0)
    for chunk in source.chunks(tuple(needed)):
        for name in needed:
            needed[name] = max(needed[name], places(chunk.column(name), name, chunk.first_line))
    tick = max((needed[name] for name in prices), default=0)
    lot = max((needed[name] for name in sizes), default=0)
    if tick + lot > ATOM_DECIMALS:
        raise ConfigError(
            f"prices with {tick} and sizes with {lot} decimals are together more than {ATOM_DECIMALS}",
            where=f"the steps that its {fields.kind} would need",
            mend="give --tick and --lot, or mend the file's numbers",
        )
    return decimal_text(1, tick), decimal_text(1, lot)
