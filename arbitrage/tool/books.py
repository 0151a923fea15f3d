"""Books as the tool reads and writes them: markets in integers, at whatever precision the data has."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from arbitrage.fee import NO_FEES_CHANGED, FeeRule, Fees, fee_rule
from arbitrage.graph.graph_kernels import RATE_MAX, RATE_MIN
from arbitrage.size.sizing import Depth
from arbitrage.tool.entries import BookEntry, Decimals, Entry, Level, RateEntry, bad, entries, taker_ppm
from domain.errors import ExitCode, SwarmError
from domain.instrument import Instrument
from domain.units import ATOM_DECIMALS, PPM, Step, decimal_text

BYTES_MAX = 256 * 1024 * 1024
LOT_DECIMALS, RATE_DECIMALS = 8, 18  # lots of a book that does not tell, and of plain rates
UNBOUNDED = 10**60  # lots: there is no depth limit to a plain rate, nor a size limit where none is told
LEVELS_WRITTEN = 20
MAGNITUDES_MAX = 200


class Books(NamedTuple):
    """Hold markets with their depth; a market's place is its instrument's index.

    `rates` are the markets that are plain rates, `broken` those that cross themselves and are left out, and
    `selves` the entries that convert an asset into itself. `decimals` says what an atom of each asset is.
    """

    source: str
    instruments: tuple[Instrument, ...]
    depths: tuple[Depth, ...]
    fees: Fees
    rates: frozenset[int]
    entries: tuple[int, ...]
    broken: tuple[int, ...]
    selves: tuple[int, ...]
    decimals: Mapping[str, int]

    def depth(self, market: int) -> Depth:
        """Give a market's book."""
        return self.depths[market]

    def text(self, asset: str, count: int) -> str:
        """Write atoms of an asset, without trailing zeros."""
        text = decimal_text(count, self.decimals[asset])
        return text.rstrip("0").rstrip(".") if "." in text else text

    def rate(self, market: int, side: int) -> Fraction | None:
        """Give what one unit becomes at the touch after the fee, exactly; `None` where there is no price."""
        each, rule = self.instruments[market], self.fees[market]
        levels = self.depths[market].asks if side > 0 else self.depths[market].bids
        if not len(levels):
            return None
        scale = Fraction(10 ** self.decimals[each.base], 10 ** self.decimals[each.quote])
        price = Fraction(int(levels[0, 0]) * each.tick_lot_atoms, each.lot_atoms) * scale
        if side > 0:
            paid = Fraction(PPM + rule.taker_ppm, PPM) if rule.in_quote else Fraction(1)
            kept = Fraction(1) if rule.in_quote else Fraction(PPM - rule.taker_ppm, PPM)
            return kept / (price * paid)
        return price * Fraction(PPM - rule.taker_ppm, PPM)


def read_books(path: str) -> Books:
    """Read the tool's input from a file, or from standard input where the path is `-`."""
    source = "standard input" if path == "-" else path if path.isprintable() else ascii(path)
    try:
        if path == "-":
            text = sys.stdin.buffer.read(BYTES_MAX + 1)
        else:
            with Path(path).open("rb") as file:
                text = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        what = (getattr(error, "strerror", None) or str(error)).lower()
        mend = "name a readable JSON file of books, or - for standard input"
        raise SwarmError(what, where=ascii(path), mend=mend, code=ExitCode.CONFIG) from error
    if len(text) > BYTES_MAX:
        raise bad(f"it is larger than {BYTES_MAX >> 20} MiB", source, "give fewer books")
    return books_of(entries(text, source), source)


def books_of(given: Sequence[Entry], source: str) -> Books:
    """Turn entries into markets."""
    selves = tuple(one.entry for one in given if isinstance(one, RateEntry) and one.have == one.want)
    kept = [_as_book(one) for one in given if one.entry not in selves]
    _refuse_twins(kept, source)
    decimals: dict[str, int] = {}
    for one in kept:
        tick, lot = _steps(one)
        decimals[one.base] = max(decimals.get(one.base, ATOM_DECIMALS), lot.decimals)
        decimals[one.quote] = max(decimals.get(one.quote, ATOM_DECIMALS), tick.decimals + lot.decimals)
    markets = [_instrument(index, one, decimals) for index, one in enumerate(kept)]
    depths = [_depth(one, market, source) for one, market in zip(kept, markets, strict=True)]
    broken = tuple(
        index
        for index, (bids, asks) in enumerate(depths)
        if len(bids) and len(asks) and bids[0, 0] > asks[0, 0]
    )
    fees = {
        index: FeeRule(market.taker_fee_ppm, one.fee_in_quote)
        for index, (one, market) in enumerate(zip(kept, markets, strict=True))
    }
    empty = Depth(np.zeros((0, 2), object), np.zeros((0, 2), object))
    books = Books(
        source=source,
        instruments=tuple(markets),
        depths=tuple(empty if index in broken else depth for index, depth in enumerate(depths)),
        fees=fees,
        rates=frozenset(index for index, one in enumerate(kept) if one.venue == ""),
        entries=tuple(one.entry for one in kept),
        broken=broken,
        selves=selves,
        decimals=decimals,
    )
    _refuse_beyond(books)
    _refuse_apart(books)
    return books


def _refuse_beyond(books: Books) -> None:
    """Refuse what the graph would not take for a price: no edge would be a silent one."""
    for market, entry in enumerate(books.entries):
        for side, name in ((-1, "bids"), (1, "asks")):
            rate = books.rate(market, side)
            if rate is not None and not RATE_MIN <= float(rate) <= RATE_MAX:
                raise bad(
                    f"after the fee one becomes {float(rate):.3g}: that is nobody's price",
                    f"{books.source}, entry {entry}, {'rate' if market in books.rates else name}",
                    f"mend price or fee: {RATE_MIN:g} to {RATE_MAX:g} can be counted with",
                )


def _refuse_apart(books: Books) -> None:
    """Refuse assets whose worths are further apart than floats can count with, one price after the other."""
    links: dict[str, list[tuple[str, float]]] = {}
    for market, each in enumerate(books.instruments):
        for side in (-1, 1):
            if (rate := books.rate(market, side)) is not None:
                magnitude = -side * math.log10(rate)  # of base in quote
                links.setdefault(each.base, []).append((each.quote, magnitude))
                links.setdefault(each.quote, []).append((each.base, -magnitude))
    worths: dict[str, float] = {}
    for first in links:
        waiting, low, high = [(first, 0.0)], 0.0, 0.0
        while waiting:
            asset, worth = waiting.pop()
            if asset not in worths:
                worths[asset], low, high = worth, min(low, worth), max(high, worth)
                waiting += [(other, worth - magnitude) for other, magnitude in links[asset]]
        if high - low > MAGNITUDES_MAX:
            raise bad(
                f"by these prices one asset is worth 1e{high - low:.0f} of another",
                books.source,
                f"give assets that are less than 1e{MAGNITUDES_MAX} apart",
            )


def _as_book(one: Entry) -> BookEntry:
    """Take a plain rate as a market that bids without end, and asks nothing."""
    if isinstance(one, BookEntry):
        return one
    zero = Decimals(0, 0)
    return BookEntry(
        one.entry, "", f"{one.have}>{one.want}", one.have, one.want, [(one.rate, Decimals(UNBOUNDED, 0))],
        [], zero, None, None, zero, zero, None, False,
    )  # fmt: skip


def _refuse_twins(given: Sequence[BookEntry], source: str) -> None:
    seen: dict[tuple[str, str], int] = {}
    for one in given:
        first = seen.setdefault((one.venue, one.symbol), one.entry)
        if one.venue and first != one.entry:
            name = ascii(f"{one.venue} {one.symbol}")
            raise bad(
                f"{name} is the book of entry {first} again",
                f"{source}, entry {one.entry}",
                "give each book once, or tell two markets apart by their symbol",
            )


def _steps(one: BookEntry) -> tuple[Decimals, Decimals]:
    """Give tick and lot: as told, else as fine as the prices and the sizes (or eight decimals) are."""
    levels = one.bids + one.asks
    tick = one.tick or Decimals(1, max((price.decimals for price, _ in levels), default=0))
    lot = one.lot or Decimals(1, max((size.decimals for _, size in levels), default=0))
    least = LOT_DECIMALS if one.venue else RATE_DECIMALS
    return tick, lot if one.lot else Decimals(1, max(lot.decimals, least))


def _instrument(index: int, one: BookEntry, decimals: Mapping[str, int]) -> Instrument:
    tick, lot = _steps(one)
    notional = one.min_notional.value * 10 ** decimals[one.quote]
    return Instrument(
        index=index,
        venue=one.venue,
        symbol=one.symbol,
        base=one.base,
        quote=one.quote,
        tick=Step(tick.units, tick.decimals),
        lot=Step(lot.units, lot.decimals),
        size_lots_min=max(1, -int(-one.size_min.value // lot.value)),
        size_lots_max=UNBOUNDED if one.size_max is None else int(one.size_max.value // lot.value),
        notional_atoms_min=-int(-notional // 1),
        lot_atoms=int(lot.value * 10 ** decimals[one.base]),
        tick_lot_atoms=int(tick.value * lot.value * 10 ** decimals[one.quote]),
        maker_fee_ppm=0,
        taker_fee_ppm=taker_ppm(one.taker_bps),
    )


def _depth(one: BookEntry, market: Instrument, source: str) -> Depth:
    def side(levels: list[Level], name: str) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        rows = []
        for price, size in levels:
            ticks, lots = price.value / Fraction(market.tick.units, 10**market.tick.decimals), size.value
            if ticks.denominator != 1:
                told = decimal_text(price.units, price.decimals)
                raise bad(
                    f"the price {told} is no whole number of ticks of {market.tick.text(1)}",
                    f"{source}, entry {one.entry}, {name}",
                    "mend the tick, or leave it out",
                )
            whole = int(lots // Fraction(market.lot.units, 10**market.lot.decimals))
            if whole > 0:
                rows.append((int(ticks), whole))
        made = np.zeros((len(rows), 2), object)
        for place, row in enumerate(rows):
            made[place] = row
        return made

    return Depth(side(one.bids, "bids"), side(one.asks, "asks"))


def books_text(
    instruments: Sequence[Instrument], depths: Mapping[int, Depth], fees: Fees = NO_FEES_CHANGED
) -> str:
    """Write books as `read_books` reads them, one a line; `depths` says which markets."""
    lines = [
        _line(instruments[market], depths[market], fee_rule(instruments[market], market, fees))
        for market in depths
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _line(market: Instrument, depth: Depth, rule: FeeRule) -> str:
    def side(levels: Sequence[Sequence[int]]) -> list[list[str]]:
        return [[market.tick.text(price), market.lot.text(lots)] for price, lots in levels]

    return json.dumps(
        {
            "venue": market.venue,
            "symbol": market.symbol,
            "base": market.base,
            "quote": market.quote,
            "bids": side(depth.bids[:LEVELS_WRITTEN].tolist()),
            "asks": side(depth.asks[:LEVELS_WRITTEN].tolist()),
            "taker_bps": decimal_text(rule.taker_ppm, 2),
            "tick": market.tick.text(1),
            "lot": market.lot.text(1),
            "min_notional": decimal_text(market.notional_atoms_min, ATOM_DECIMALS),
            "size_min": market.lot.text(market.size_lots_min),
            "size_max": market.lot.text(market.size_lots_max),
            "fee_in": "quote" if rule.in_quote else "received",
        },
        separators=(",", ":"),
    )
