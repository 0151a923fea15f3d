"""Answer the tool's question: which cycles over these books gain, at what size, and how much."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from arbitrage.graph.price_graph import PRODUCT_LEAST, GraphConfig, PriceGraph
from arbitrage.graph.sequence import NODES_MAX
from arbitrage.size.reprice import paid_asset, reprice
from arbitrage.size.sizing import NoTicket, Sizer
from arbitrage.ticket import Cycle, Hop, Ticket
from arbitrage.tool.books import UNBOUNDED, Books
from arbitrage.tool.several import Several, several
from domain.errors import ExitCode, SwarmError
from domain.units import PPM

LEGS_LEAST = 2
CYCLES_MAX = 1_000
KNOWN_SHOWN = 40
LONGER_TRIES = 50
STEPS_MAX = 200_000_000
# Under this a gain is rounding, as it is to the graph.
GAIN_LEAST = Fraction(1, 10**9)
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


class Ticketed(NamedTuple):
    """Hold a cycle with its ticket."""

    cycle: Cycle
    ticket: Ticket


class Most(NamedTuple):
    """Name the ticket that earns most of those `valued`: the books convert their asset into `asset`."""

    place: int
    asset: str
    profit: Fraction  # atoms
    valued: int


class Solution(NamedTuple):
    """Hold the answer: cycles, best first, and how far that is all of them.

    `complete` says that `cycles` holds every one of up to `legs` legs. `longer` is one of more legs, where
    there is one and none shorter; `shortest` the sequence of fewest conversions: it may pass an asset twice.
    `most` is the one to take for money, where `cycles[0]` is the best by product, and `several` those to take
    together.
    """

    cycles: tuple[Found, ...]
    legs: int
    complete: bool
    none_at_all: bool
    longer: Found | None
    shortest: Found | None
    most: Most | None
    several: Several | None


def solve(books: Books, asked: Asked) -> Solution:
    """Find every cycle that gains more than asked, size each exactly, and give them best first."""
    around = None if asked.begin is None else _around(books, asked.begin)
    graph = graph_of(books, asked.swap_ppm, around)
    cycles, legs, complete = _all(graph, asked)
    found = [each for each in (_exact(books, cycle, asked) for cycle in cycles) if each is not None]
    found.sort(key=lambda each: (-each.product, len(each.path), each.path, _route(each.cycle)))
    sizer = Sizer(books.instruments, books.fees, asked.swap_ppm, exact=True)
    budget = _budget(books, asked)
    sized = tuple(each._replace(ticket=_ticket(books, each, sizer, budget, asked)) for each in found)
    most = together = None
    if (into := _counted_in(books, sized)) is not None:
        whole = graph if around is None else graph_of(books, asked.swap_ppm)
        worths = _worths(books, whole, sized, into)
        most = _most(sized, worths, into)
        tickets = dict(_ticketed(sized))
        together = several(books, tickets, worths, into, sizer, budget, asked.min_ppm, asked.swap_ppm)
    walk = None
    if len(graph.assets) * max(1, len(graph.venues)) <= NODES_MAX:
        least = max(PRODUCT_LEAST, 1 + asked.min_ppm / PPM)
        walk = _other(books, graph.shortest(least, asked.begin), asked)
    longer, none_at_all = (None, False) if found else _longer(books, graph, asked, complete)
    return Solution(sized, legs, complete, none_at_all, longer, walk, most, together)


def graph_of(books: Books, swap_ppm: int, around: Collection[str] | None = None) -> PriceGraph:
    """Put every book's rates into a graph, each side as a market of its own: `hops_in` names them again.

    With `around` only what converts these assets into each other has a rate.
    """
    sides = [
        market if side < 0 else msgspec.structs.replace(market, base=market.quote, quote=market.base)
        for market in books.instruments
        for side in (-1, 1)
    ]
    graph = PriceGraph(sides, GraphConfig(swap_ppm=swap_ppm))
    rates = {}
    for place, side in enumerate(sides):
        if around is None or (side.base in around and side.quote in around):
            rates[place] = books.rate(place // 2, 2 * (place % 2) - 1)
    graph.load({place: float(rate) for place, rate in rates.items() if rate is not None})
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


def _around(books: Books, begin: str) -> set[str]:
    """Give what lies between where an asset leads and where it is reached from: its cycles are there."""
    onward, back = dict[str, set[str]](), dict[str, set[str]]()
    for market, each in enumerate(books.instruments):
        for side in (-1, 1):
            if books.rate(market, side) is not None:
                have, want = paid_asset(side, each), paid_asset(-side, each)
                onward.setdefault(have, set()).add(want)
                back.setdefault(want, set()).add(have)
    return _reached(onward, begin) & _reached(back, begin)


def _reached(links: Mapping[str, set[str]], begin: str) -> set[str]:
    seen, waiting = {begin}, [begin]
    while waiting:
        new = sorted(links.get(waiting.pop(), set()) - seen)
        seen.update(new)
        waiting += new
    return seen


def _all(graph: PriceGraph, asked: Asked) -> tuple[list[Cycle], int, bool]:
    """Give the cycles of up to so many legs, and up to how many all were walked: leg by leg.

    Where there are more ways than can be walked, what was met of longer ones is told too, and the best of up
    to four that the graph keeps.
    """
    least, known = max(PRODUCT_LEAST, 1 + (asked.min_ppm - 1) / PPM), dict[tuple[Hop, ...], Cycle]()
    for legs in range(LEGS_LEAST, asked.legs + 1):
        found, walked = graph.cycles(legs, CYCLES_MAX + 1, asked.begin, least, STEPS_MAX)
        known |= {each.hops: each for each in found}
        if not walked:
            break
    else:
        return found[:CYCLES_MAX], asked.legs, len(found) <= CYCLES_MAX
    if (best := graph.best) is not None and len(best.hops) <= asked.legs:
        known[best.hops] = best
    return sorted(known.values(), key=lambda each: -each.product)[:CYCLES_MAX], legs - 1, False


def _longer(books: Books, graph: PriceGraph, asked: Asked, complete: bool) -> tuple[Found | None, bool]:
    """Give a longer cycle as asked, and whether it is proved that there is none of any length.

    Only a graph in which nothing gains at all proves that. Where what gains is not what was asked for, one of
    its conversions is taken away, and it is looked again.
    """
    for tried in range(LONGER_TRIES):
        cycle = graph.longer()
        if cycle is None:
            return None, tried == 0
        found = _exact(books, cycle, asked)
        if found is not None and (len(found.cycle.hops) > asked.legs or not complete):
            return found, False
        apart = [hop for hop in cycle.hops if asked.begin not in path_of(books, hops_in((hop,)))]
        graph.load({(apart or list(cycle.hops))[0].market: 0.0})
    return None, False


def _ticketed(cycles: Sequence[Found]) -> list[tuple[int, Ticketed]]:
    return [
        (place, Ticketed(one.cycle, one.ticket))
        for place, one in enumerate(cycles)
        if isinstance(one.ticket, Ticket)
    ]


def _counted_in(books: Books, cycles: Sequence[Found]) -> str | None:
    """Name the asset that profits are compared in; `None` where there are none."""
    assets = {one.ticket.asset for _, one in _ticketed(cycles)}
    return next((name for name in (*COUNTED_IN, *books.decimals) if name in assets), None)


def _worths(
    books: Books, graph: PriceGraph, cycles: Sequence[Found], into: str
) -> dict[str, Fraction | None]:
    """Give what an atom of every ticket's asset becomes in one, by the books' own rates."""
    assets = {one.ticket.asset for _, one in _ticketed(cycles)}
    return {asset: _worth(books, graph, asset, into) for asset in sorted(assets)}


def _most(cycles: Sequence[Found], worths: Mapping[str, Fraction | None], into: str) -> Most:
    """Find the ticket of most profit, in the asset that money is counted in."""
    profits = {
        place: one.ticket.profit_atoms * worth
        for place, one in _ticketed(cycles)
        if (worth := worths[one.ticket.asset]) is not None
    }
    place = max(profits, key=lambda one: (profits[one], -one))
    return Most(place, into, profits[place], len(profits))


def _worth(books: Books, graph: PriceGraph, asset: str, into: str) -> Fraction | None:
    """Give what an atom of one asset becomes in another at the touch; `None` where no way leads there."""
    if asset == into:
        return Fraction(1)
    try:
        route = graph.route(asset, into)
    except SwarmError:
        return None
    if route is None:
        return None
    worth = Fraction(10 ** books.decimals[into], 10 ** books.decimals[asset])
    for hop in hops_in(route.hops):
        worth *= books.rate(hop.market, hop.side) or 0
    return worth


def _route(cycle: Cycle) -> tuple[tuple[int, int], ...]:
    return tuple((hop.market, hop.side) for hop in cycle.hops)


def _exact(books: Books, cycle: Cycle, asked: Asked) -> Found | None:
    hops = begun(books, hops_in(cycle.hops), asked.begin)
    if hops is None:
        return None
    product = product_of(books, hops, asked.swap_ppm)
    if product <= 1 + max(GAIN_LEAST, Fraction(asked.min_ppm, PPM)):
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
        mend=f"known are {told}" if names else f"no book names {'a' if kind == 'venue' else 'an'} {kind}",
        code=ExitCode.USAGE,
    )
