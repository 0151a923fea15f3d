"""The best way to turn an amount of one asset into another: by depth, in lots, split where that is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from arbitrage.size.reprice import paid_asset
from arbitrage.ticket import Hop
from arbitrage.tool.books import Books
from arbitrage.tool.entries import decimals_of
from arbitrage.tool.solve import unknown
from arbitrage.tool.split import best_split
from arbitrage.tool.way import Question, Way, way_of
from arbitrage.tool.ways import Ways
from domain.errors import ExitCode, SwarmError

LESS_TRIES = 50


class Conversion(NamedTuple):
    """Hold the best single way, the best single market, and the ways to split over where that gives more.

    `complete` says that every way was looked at, so that `best` is the best there is.
    """

    have: str
    want: str
    amount_atoms: int
    best: Way | None
    direct: Way | None
    split: tuple[Way, ...]
    complete: bool


def best_conversion(
    books: Books,
    have: str,
    want: str,
    amount: str,
    *,
    legs: int = 4,
    swap_ppm: int = 0,
    venues: Sequence[str] | None = None,
) -> Conversion:
    """Find the best way; what the books cannot take of the amount stays where it is."""
    _named(books, have, want, venues)
    atoms = _atoms(books, have, amount)
    ways = Ways(books, swap_ppm, lambda market: venues is None or books.instruments[market].venue in venues)
    question = Question(books, ways, have, want, atoms, legs, swap_ppm)
    found = ways.best(have, want, atoms, legs)
    single = [(hop,) for hop in ways.hops() if _ends(books, hop) == (have, want)]
    markets = [way_of(question, hops, atoms)[0] for hops in single]
    best = _best([*markets, way_of(question, found.hops, atoms)[0] if found.hops else None])
    best = _thriftiest(question, best) if best is not None else None
    split = best_split(question, best) if best is not None else ()
    return Conversion(have, want, atoms, best, _best(markets), split, found.complete)


def _named(books: Books, have: str, want: str, venues: Sequence[str] | None) -> None:
    for asset in (have, want):
        if asset not in books.decimals:
            raise unknown(asset, "asset", books.source, books.decimals)
    known = {market.venue for market in books.instruments}
    for venue in venues or ():
        if venue not in known:
            raise unknown(venue, "venue", books.source, known)
    if have == want:
        raise SwarmError(
            f"{have} is what you have", where="HAVE and WANT", mend="name two assets", code=ExitCode.USAGE
        )


def _atoms(books: Books, have: str, amount: str) -> int:
    try:
        value = decimals_of(amount, "AMOUNT").value * 10 ** books.decimals[have]
    except SwarmError as error:
        mend = "give how much to convert, a number above zero such as 1.5"
        raise SwarmError(error.what, where="AMOUNT", mend=mend, code=ExitCode.USAGE) from error
    if value.denominator != 1:
        raise SwarmError(
            f"{amount[:40]} {have} is finer than its smallest part, 1e-{books.decimals[have]}",
            where="AMOUNT",
            mend="round it",
            code=ExitCode.USAGE,
        )
    return int(value)


def _ends(books: Books, hop: Hop) -> tuple[str, str]:
    market = books.instruments[hop.market]
    return paid_asset(hop.side, market), paid_asset(-hop.side, market)


def _thriftiest(question: Question, best: Way) -> Way:
    """Give a way that gives no less for the least: where a book ends, other ways may fill it for less."""
    for _ in range(LESS_TRIES):
        less = best.in_atoms - 1
        found = question.ways.best(question.have, question.want, less, question.legs, beat=best.net_atoms - 1)
        way = way_of(question, found.hops, less)[0] if found.hops else None
        if way is None or way.net_atoms < best.net_atoms:
            break
        best = way
    return best


def _best(ways: Sequence[Way | None]) -> Way | None:
    found = [way for way in ways if way is not None]
    return max(found, key=lambda way: (way.net_atoms, -len(way.hops), -way.in_atoms), default=None)
