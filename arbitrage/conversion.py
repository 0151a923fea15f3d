"""The best way to turn an amount of one asset into another: by depth, in lots, split where that is better."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from arbitrage.books import Books
from arbitrage.entries import decimals_of
from arbitrage.graph import PriceGraph
from arbitrage.reprice import filled, paid_asset
from arbitrage.solve import graph_of, hops_in, unknown
from arbitrage.ticket import Hop, Leg
from domain.errors import ExitCode, SwarmError
from domain.units import PPM, fee_atoms

STEPS_MAX = 200  # times that a level is used up and the best way is asked for again
WAYS_MAX = 20

Levels = list[list[int]]
Left = dict[Hop, Levels]


class Way(NamedTuple):
    """Hold conversions one after the other at exact sizes; `swap_atoms` comes off what the last one gives."""

    hops: tuple[Hop, ...]
    legs: tuple[Leg, ...]
    in_atoms: int
    out_atoms: int
    swap_atoms: int

    @property
    def net_atoms(self) -> int:
        """Give what arrives, swaps paid."""
        return self.out_atoms - self.swap_atoms


class Conversion(NamedTuple):
    """Hold the best single way, the best single market, and the ways to split over where that gives more."""

    have: str
    want: str
    amount_atoms: int
    best: Way | None
    direct: Way | None
    split: tuple[Way, ...]


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
    value = decimals_of(amount, "AMOUNT").value * 10 ** books.decimals[have]
    if value.denominator != 1:
        raise SwarmError(
            f"{amount[:40]} {have} is finer than its smallest part, 1e-{books.decimals[have]}",
            where="AMOUNT",
            mend="round it",
            code=ExitCode.USAGE,
        )
    atoms = int(value)
    flows = _flows(books, graph_of(books, swap_ppm), (have, want), atoms, legs, venues)
    direct = [
        (Hop(market, side),)
        for market, each in enumerate(books.instruments)
        for side in (1, -1)
        if (paid_asset(side, each), paid_asset(-side, each)) == (have, want)
        and (venues is None or each.venue in venues)
    ]
    markets = [_way(books, hops, atoms, swap_ppm, {}) for hops in direct]
    ways = [_way(books, hops, atoms, swap_ppm, {}) for hops in list(flows)[:WAYS_MAX]]
    return Conversion(
        have, want, atoms, _best([*ways, *markets]), _best(markets), _split(books, flows, atoms, swap_ppm)
    )


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


def _best(ways: Sequence[Way | None]) -> Way | None:
    found = [way for way in ways if way is not None]
    return max(found, key=lambda way: (way.net_atoms, -len(way.hops)), default=None)


def _flows(
    books: Books,
    graph: PriceGraph,
    ends: tuple[str, str],
    atoms: int,
    legs: int,
    venues: Sequence[str] | None,
) -> dict[tuple[Hop, ...], float]:
    """Use up the best way level by level; give what flows over each, best first, in atoms of the start."""
    left, flows, rest = _levels(books), dict[tuple[Hop, ...], float](), float(atoms)
    for _ in range(STEPS_MAX):
        route = graph.route(*ends, legs, venues)
        if route is None or rest <= 0:
            break
        hops = hops_in(route.hops)
        units, room, scale, worst = [], rest, 1.0, None
        for hop in hops:
            pay, get = _units(books, hop, left[hop][0][0])
            here = left[hop][0][1] * pay / scale
            units.append(pay / scale)
            if here < room:
                room, worst = here, hop
            scale *= get / pay
        flows[hops] = flows.get(hops, 0.0) + room
        rest -= room
        for hop, unit in zip(hops, units, strict=True):
            levels = left[hop]
            levels[0][1] -= int(room / unit)
            if hop == worst or levels[0][1] <= 0:
                del levels[0]
                rate = 0.0
                if levels:
                    pay, get = _units(books, hop, levels[0][0])
                    market = books.instruments[hop.market]
                    given, got = (books.decimals[paid_asset(side, market)] for side in (hop.side, -hop.side))
                    rate = float(get / pay * 10.0 ** (given - got))
                graph.set_rate(2 * hop.market + (hop.side > 0), rate)
        if worst is None:
            break
    return flows


def _levels(books: Books) -> Left:
    return {
        Hop(market, side): (depth.asks if side > 0 else depth.bids).tolist()
        for market, depth in enumerate(books.depths)
        for side in (1, -1)
    }


def _units(books: Books, hop: Hop, price: int) -> tuple[float, float]:
    """Give what a lot takes and what it leaves after the fee, in atoms."""
    market, rule = books.instruments[hop.market], books.fees[hop.market]
    cost, fee = float(market.notional_atoms(price, 1)), rule.taker_ppm / PPM
    if hop.side < 0:
        return float(market.lot_atoms), cost * (1 - fee)
    if rule.in_quote:
        return cost * (1 + fee), float(market.lot_atoms)
    return cost, market.lot_atoms * (1 - fee)


def _split(books: Books, flows: dict[tuple[Hop, ...], float], atoms: int, swap_ppm: int) -> tuple[Way, ...]:
    """Send each way what flowed over it, one after the other on what is left; the first takes the rest.

    What lots leave of a way goes on to the next.
    """
    shares = {hops: int(share) for hops, share in flows.items()}
    if not shares:
        return ()
    first = next(iter(shares))
    shares[first] += max(0, atoms - sum(shares.values()))
    left: Left = {}
    ways, over = list[Way](), 0
    for hops, share in shares.items():
        way = _way(books, hops, share + over, swap_ppm, left) if share + over > 0 else None
        over += share
        if way is not None:
            ways.append(way)
            over -= way.in_atoms
    return tuple(ways)


def _way(books: Books, hops: tuple[Hop, ...], atoms: int, swap_ppm: int, left: Left) -> Way | None:
    """Convert an amount along a way, exactly; `left` holds what earlier ways left of the books."""
    legs: list[Leg] = []
    after: Left = {}
    for hop in hops:
        market, rule = books.instruments[hop.market], books.fees[hop.market]
        depth = books.depth(hop.market)
        levels = [
            list(level) for level in left.get(hop, (depth.asks if hop.side > 0 else depth.bids).tolist())
        ]
        have = legs[-1].get_atoms if legs else atoms
        size = min(_affordable(books, hop, levels, have), market.size_lots_max)
        leg = filled(Leg(hop.market, hop.side, size, 0, 0, 0), market, levels, rule)
        assert leg is not None, "what is affordable is within the depth"
        if (
            size < market.size_lots_min
            or market.notional_atoms(leg.price_ticks, size) < market.notional_atoms_min
        ):
            return None
        legs.append(leg)
        after[hop] = levels
    left.update(after)
    out = legs[-1].get_atoms
    venues = [books.instruments[hop.market].venue for hop in hops]
    changes = sum(here != there for here, there in itertools.pairwise(venues))
    return Way(hops, tuple(legs), legs[0].pay_atoms, out, changes * fee_atoms(out, swap_ppm))


def _affordable(books: Books, hop: Hop, levels: Levels, have: int) -> int:
    """Count the lots that an amount pays for, level by level, fees rounded up at each."""
    market, rule = books.instruments[hop.market], books.fees[hop.market]
    size = 0
    for price, lots in levels:
        unit = market.notional_atoms(price, 1) if hop.side > 0 else market.lot_atoms
        in_quote = hop.side > 0 and rule.in_quote
        part = min(lots, (have * PPM // (PPM + rule.taker_ppm) if in_quote else have) // unit)
        size += part
        have -= part * unit + (fee_atoms(part * unit, rule.taker_ppm) if in_quote else 0)
        if part < lots:
            break
    return size
