"""Answer the tool's question: which cycles over these books gain, at what size, and how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from arbitrage.books import UNBOUNDED, Books
from arbitrage.graph import GraphConfig, PriceGraph
from arbitrage.reprice import paid_asset, reprice
from arbitrage.sequence import NODES_MAX
from arbitrage.sizing import NoTicket, Sizer
from arbitrage.ticket import Cycle, Hop, Ticket
from domain.errors import ExitCode, SwarmError
from domain.units import PPM

LEGS_LEAST = 2
CYCLES_MAX = 1_000
KNOWN_SHOWN = 40
# A cycle is told from the asset that money is counted in, where it passes one of these.
COUNTED_IN = ("USD", "USDT", "USDC", "EUR", "GBP", "JPY", "DAI", "TUSD", "FDUSD", "BTC", "ETH")


class Asked(NamedTuple):
    """Say what is wanted: lengths, the least gain, swap costs, the asset to begin with, and balances."""

    legs: int = 4
    min_ppm: int = 0
    swap_ppm: int = 0
    begin: str | None = None
    budget: Mapping[tuple[str, str], Fraction] = {}  # (venue, asset); the venue "" is any


class Found(NamedTuple):
    """Hold one cycle that gains, with its ticket or why it has none (`None`: nothing bounds its size)."""

    cycle: Cycle
    product: Fraction
    path: tuple[str, ...]
    ticket: Ticket | NoTicket | None


class Solution(NamedTuple):
    """Hold the answer: cycles, best first, and how far that is all of them.

    `complete` says that `cycles` holds every one of up to `legs` legs. `longer` is one of more legs, where
    there is one and none shorter; `shortest` the sequence of fewest conversions: it may pass an asset twice.
    """

    cycles: tuple[Found, ...]
    legs: int
    complete: bool
    none_at_all: bool
    longer: Found | None
    shortest: Found | None


def solve(books: Books, asked: Asked) -> Solution:
    """Find every cycle that gains more than asked, size each exactly, and give them best first."""
    graph = graph_of(books, asked.swap_ppm)
    cycles, legs, complete = _all(graph, asked.legs)
    found = [each for each in (_exact(books, cycle, asked) for cycle in cycles) if each is not None]
    found.sort(key=lambda each: (-each.product, len(each.path), each.path, _route(each.cycle)))
    sizer = Sizer(books.instruments, books.fees, asked.swap_ppm, exact=True)
    budget = _budget(books, asked)
    sized = tuple(each._replace(ticket=_ticket(books, each, sizer, budget, asked)) for each in found)
    longer = None if cycles else _other(books, graph.longer(), asked)
    walk = None
    if len(graph.assets) * max(1, len(graph.venues)) <= NODES_MAX:
        walk = _other(books, graph.shortest(1 + asked.min_ppm / PPM), asked)
    return Solution(sized, legs, complete, not cycles and complete and longer is None, longer, walk)


def graph_of(books: Books, swap_ppm: int) -> PriceGraph:
    """Put every book's rates into a graph, each side as a market of its own: `hops_in` names them again."""
    sides = [
        market if side < 0 else msgspec.structs.replace(market, base=market.quote, quote=market.base)
        for market in books.instruments
        for side in (-1, 1)
    ]
    graph = PriceGraph(sides, GraphConfig(swap_ppm=swap_ppm))
    for place in range(len(sides)):
        rate = books.rate(place // 2, 2 * (place % 2) - 1)
        if rate is not None:
            graph.set_rate(place, float(rate))
    return graph


def hops_in(hops: Sequence[Hop]) -> tuple[Hop, ...]:
    """Name hops of such a graph by book and side."""
    return tuple(Hop(hop.market // 2, 2 * (hop.market % 2) - 1) for hop in hops)


def product_of(books: Books, hops: tuple[Hop, ...], swap_ppm: int) -> Fraction:
    """Multiply a cycle's rates exactly, swap costs included."""
    product, before = Fraction(1), books.instruments[hops[-1].market].venue
    for hop in hops:
        product *= books.rate(hop.market, hop.side) or 0
        venue = books.instruments[hop.market].venue
        if venue != before:
            product *= Fraction(PPM - swap_ppm, PPM)
        before = venue
    return product


def path_of(books: Books, hops: tuple[Hop, ...]) -> tuple[str, ...]:
    """Name the assets that a cycle passes, the first one twice."""
    names = [paid_asset(hop.side, books.instruments[hop.market]) for hop in hops]
    return (*names, names[0])


def begun(books: Books, hops: tuple[Hop, ...], begin: str | None) -> tuple[Hop, ...] | None:
    """Begin a cycle with the asset asked for, else with what money is counted in; `None`: it is not there."""
    names = path_of(books, hops)[:-1]
    if begin is not None and begin not in names:
        return None
    known = list(books.decimals)
    wanted = (begin,) if begin is not None else (*COUNTED_IN, *known)
    start = names.index(next(name for name in wanted if name in names))
    return (*hops[start:], *hops[:start])


def _all(graph: PriceGraph, legs: int) -> tuple[list[Cycle], int, bool]:
    """Give the cycles of up to so many legs; of fewer where there are more ways than can be walked."""
    try:
        found = graph.all(legs, CYCLES_MAX + 1)
        return found[:CYCLES_MAX], legs, len(found) <= CYCLES_MAX
    except SwarmError:
        best = graph.best
    found, walked = [], LEGS_LEAST - 1
    for fewer in range(LEGS_LEAST, legs):
        try:
            found, walked = graph.all(fewer, CYCLES_MAX), fewer
        except SwarmError:
            break
    if best is not None and all(best.hops != each.hops for each in found):
        found = [*found[: CYCLES_MAX - 1], best]
    return found, walked, False


def _route(cycle: Cycle) -> tuple[tuple[int, int], ...]:
    return tuple((hop.market, hop.side) for hop in cycle.hops)


def _exact(books: Books, cycle: Cycle, asked: Asked) -> Found | None:
    hops = begun(books, hops_in(cycle.hops), asked.begin)
    if hops is None:
        return None
    product = product_of(books, hops, asked.swap_ppm)
    if product <= 1 + Fraction(asked.min_ppm, PPM):
        return None
    return Found(Cycle(hops, float(product)), product, path_of(books, hops), None)


def _other(books: Books, cycle: Cycle | None, asked: Asked) -> Found | None:
    return None if cycle is None else _exact(books, cycle, asked)


def _budget(books: Books, asked: Asked) -> dict[tuple[str, str], int] | None:
    if not asked.budget:
        return None
    made = {}
    for market in books.instruments:
        for asset in (market.base, market.quote):
            key = (market.venue, asset)
            amount = asked.budget.get(key, asked.budget.get(("", asset)))
            made[key] = UNBOUNDED**2 if amount is None else int(amount * 10 ** books.decimals[asset])
    return made


def _ticket(
    books: Books, found: Found, sizer: Sizer, budget: dict[tuple[str, str], int] | None, asked: Asked
) -> Ticket | NoTicket | None:
    if not _bounded(books, found.cycle.hops, budget):
        return None
    made = sizer.sized(found.cycle, books.depth, budget=budget, threshold_bps=asked.min_ppm / 100)
    if isinstance(made, Ticket):
        again = reprice(made, books.instruments, books.depth, books.fees, asked.swap_ppm)
        assert again == made, f"two ways of pricing differ: {made} and {again}"
    return made


def _bounded(books: Books, hops: tuple[Hop, ...], budget: dict[tuple[str, str], int] | None) -> bool:
    """Tell whether depth or a balance bounds the size."""
    for hop in hops:
        market = books.instruments[hop.market]
        has = (budget or {}).get((market.venue, paid_asset(hop.side, market)), UNBOUNDED**2)
        if hop.market not in books.rates or has < UNBOUNDED**2:
            return True
    return False


def named(books: Books, asked: Asked) -> None:
    """Refuse an asset or a venue that no book knows: it would be answered by silence."""
    venues = {market.venue for market in books.instruments}
    assets = [asked.begin] if asked.begin is not None else []
    for (venue, asset), what in ((key, "--budget") for key in asked.budget):
        assets.append(asset)
        if venue and venue not in venues:
            raise unknown(venue, "venue", what, venues)
    for asset in assets:
        if asset not in books.decimals:
            raise unknown(asset, "asset", books.source, books.decimals)


def unknown(name: str, kind: str, where: str, known: Iterable[str]) -> SwarmError:
    """Say that a name is not known, and which ones are."""
    names = sorted(each for each in known if each)
    told = ", ".join(names[:KNOWN_SHOWN]) + (
        f" and {len(names) - KNOWN_SHOWN} more" if len(names) > KNOWN_SHOWN else ""
    )
    return SwarmError(
        f"no book knows the {kind} {name[:40]!a}",
        where=where,
        mend=f"known are {told}" if names else "there are no books",
        code=ExitCode.USAGE,
    )
