"""Kraken's list of pairs to instruments, in the order that the node asks for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.protocols import Clock
from domain.units import Step, atoms
from market.venues.config import VenueConfig
from market.venues.keys import refuse_withdrawals
from market.venues.kraken.names import ListedPair, Names
from market.venues.kraken.numbers import Number, amount_text, number_text
from market.venues.kraken.rest import RestClient

# Kraken tells no largest size; an order of this many whole units is a mistake at any market.
SIZE_MAX = "1000000000"
_PPM_OF_HUNDREDTH = Step(1, 4)


class _Fee(msgspec.Struct):
    fee: Number


class _Volume(msgspec.Struct):
    fees: dict[str, _Fee] = {}
    fees_maker: dict[str, _Fee] = {}


_VOLUME = msgspec.json.Decoder(_Volume, float_hook=number_text)


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
        names = await rest.names()
        pairs = [_listed(config.name, names, symbol) for symbol in symbols]
        fees = await _fees(config, rest, names, pairs)
        refuse_withdrawals(config, await rest.can_withdraw())
    return tuple(
        instrument_of(config.name, first_index + place, symbol, pair, *fees[symbol])
        for place, (symbol, pair) in enumerate(pairs)
    )


Listed = tuple[str, ListedPair]


def _listed(venue: str, names: Names, symbol: str) -> Listed:
    """Find a pair by any name that is its own: BTC/USD, BTCUSD, or the venue's XBTUSD and XXBTZUSD."""
    wanted = names.symbol(symbol)
    found = {name for name in names.pairs if wanted in (name, name.replace("/", ""))}
    if len(found) != 1 or names.pairs[min(found)].status not in ("online", "post_only", "limit_only"):
        raise ConfigError(f"{symbol} does not trade there", where=venue, mend="correct its symbols")
    (name,) = found
    return name, names.pairs[name]


async def _fees(
    config: VenueConfig, rest: RestClient, names: Names, pairs: Sequence[Listed]
) -> dict[str, tuple[int, int]]:
    maker, taker = config.maker_fee_ppm, config.taker_fee_ppm
    if maker is not None and taker is not None:
        return {symbol: (maker, taker) for symbol, _ in pairs}
    body = await rest.private("TradeVolume", {"pair": ",".join(pair.altname for _, pair in pairs)})
    try:
        volume = _VOLUME.decode(body)
        takers = {names.symbol(name): _ppm(fee) for name, fee in volume.fees.items()}
        makers = {names.symbol(name): _ppm(fee) for name, fee in volume.fees_maker.items()}
        told = {symbol: (makers.get(symbol, takers[symbol]), takers[symbol]) for symbol, _ in pairs}
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"the account does not tell its fees: {error!r}",
            where=config.name,
            mend="set maker_fee_ppm and taker_fee_ppm",
        ) from None
    return {
        symbol: (made if maker is None else maker, took if taker is None else taker)
        for symbol, (made, took) in told.items()
    }


def _ppm(fee: _Fee) -> int:
    """Convert a fee in hundredths, rounded against us."""
    return _PPM_OF_HUNDREDTH.count(amount_text(fee.fee), "up")


def instrument_of(
    venue: str, index: int, symbol: str, pair: ListedPair, maker_ppm: int, taker_ppm: int
) -> Instrument:
    """Convert a pair. Its steps keep the venue's decimals, because its checksum is over those digits."""
    base, quote = symbol.split("/")
    try:
        tick = _step(pair.tick_size or Step(1, pair.pair_decimals).text(1), pair.pair_decimals)
        lot = Step(1, pair.lot_decimals)
        made = Instrument.of(
            index,
            venue,
            base,
            quote,
            tick=tick.text(1),
            lot=lot.text(1),
            size_min=pair.ordermin,
            size_max=SIZE_MAX,
            notional_atoms_min=atoms(pair.costmin, "up"),
            maker_fee_ppm=maker_ppm,
            taker_fee_ppm=taker_ppm,
        )
    except ValueError as error:
        raise ConfigError(
            f"the rules of {symbol} cannot be read: {error}", where=venue, mend="leave that symbol out"
        ) from None
    return msgspec.structs.replace(made, tick=tick, lot=lot)


def _step(text: str, decimals: int) -> Step:
    """Read a step as so many units of the venue's last decimal."""
    units = Step(1, decimals).count(text)
    if units <= 0:
        raise ValueError(f"a step must be above zero, not {text!r}")
    return Step(units, decimals)
