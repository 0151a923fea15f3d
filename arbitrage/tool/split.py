"""Send parts of an amount over several ways, where together they give more than the best one."""

from __future__ import annotations

from typing import NamedTuple

from arbitrage.graph.price_graph import PriceGraph
from arbitrage.size.reprice import paid_asset
from arbitrage.ticket import Hop
from arbitrage.tool.books import Books
from arbitrage.tool.solve import graph_of, hops_in
from arbitrage.tool.way import Question, Way, way_of
from arbitrage.tool.ways import Levels
from domain.errors import SwarmError
from domain.units import PPM

# An amount goes in parts of which each takes the way that is best by then: a level, or so much of the whole.
PARTS, PARTS_MAX = 200, 800
WAYS_MAX = 20
TRIES_MAX = 6

Shares = dict[tuple[Hop, ...], int]
Parts = list[tuple[int, float]]  # price and lots, best first


class Sent(NamedTuple):
    """Hold ways at exact sizes, what they leave of the books and of the amount, and the hops that refused."""

    ways: tuple[Way, ...]
    left: dict[Hop, Levels]
    over: int
    refused: tuple[Hop, ...]

    @property
    def net_atoms(self) -> int:
        """Give what arrives in all."""
        return sum(way.net_atoms for way in self.ways)


def best_split(question: Question, best: Way) -> tuple[Way, ...]:
    """Give ways that together give no less than the best one alone.

    Shares follow what pays best at the margin, which knows nothing of minimums: where a market refuses its
    share, they are worked out again without it. What then is over takes the best way that is left.
    """
    found = _filled_up(question, {best.hops: best.in_atoms})
    banned = set[Hop]()
    for _ in range(TRIES_MAX):
        tried = _filled_up(question, _flows(question, banned))
        found = max(found, tried, key=lambda sent: sent.net_atoms)
        new = set(tried.refused) - banned
        if not new:
            break
        banned |= new
    return found.ways if found.net_atoms > best.net_atoms else (best,)


def _filled_up(question: Question, shares: Shares) -> Sent:
    """Send shares, and what is over by the best way that is left, as long as that gives more."""
    sent = _sent(question, shares)
    for _ in range(WAYS_MAX):
        if sent.over <= 0:
            break
        found = question.ways.best(question.have, question.want, sent.over, question.legs, sent.left)
        if found.hops is None:
            break
        way, _ = way_of(question, found.hops, sent.over, sent.left)
        if way is None:
            break
        used = {one.hops: one.in_atoms for one in sent.ways}
        more = _sent(question, {**used, way.hops: used.get(way.hops, 0) + way.in_atoms})
        if more.net_atoms <= sent.net_atoms:
            break
        sent = more._replace(refused=sent.refused)
    return sent


def _sent(question: Question, shares: Shares) -> Sent:
    """Send each way its share, one after the other on what is left; what lots leave goes on to the next."""
    left = dict[Hop, Levels]()
    ways, over, refused, spare = list[Way](), 0, list[Hop](), question.atoms - sum(shares.values())
    for hops, share in shares.items():
        way, after = way_of(question, hops, share + over, left) if share + over > 0 else (None, left)
        over += share
        if way is not None and isinstance(after, dict):
            ways.append(way)
            left.update(after)
            over -= way.in_atoms
        elif isinstance(after, Hop):
            refused.append(after)
    return Sent(tuple(ways), left, over + spare, tuple(refused))


def _flows(question: Question, banned: set[Hop]) -> Shares:
    """Send part after part by the way that is best at the margin; give what went over each, best first."""
    books, graph, left = question.books, graph_of(question.books, question.swap_ppm), dict[Hop, Parts]()
    usable = {hop for hop in question.ways.hops() if hop not in banned}
    for market in range(len(books.instruments)):
        for hop in (Hop(market, -1), Hop(market, 1)):
            if hop not in usable:
                graph.set_rate(_place(hop), 0.0)
    flows, rest = dict[tuple[Hop, ...], float](), float(question.atoms)
    for _ in range(PARTS_MAX):
        hops = _next(question, graph) if rest >= 1 else ()
        if not hops or (hops not in flows and len(flows) == WAYS_MAX):
            break
        for hop in hops:
            if hop not in left:
                left[hop] = [(price, float(lots)) for price, lots in question.ways.levels(hop)]
        part = min(rest, max(_room(books, hops, left), question.atoms / PARTS))
        part = _taken(books, graph, hops, left, part)
        flows[hops] = flows.get(hops, 0.0) + part
        rest -= part
    return {hops: int(share) for hops, share in flows.items() if share >= 1}


def _next(question: Question, graph: PriceGraph) -> tuple[Hop, ...]:
    """Name the best way at the margin; none where there is none, or too many to tell."""
    try:
        route = graph.route(question.have, question.want, question.legs)
    except SwarmError:
        return ()
    return () if route is None else hops_in(route.hops)


def _place(hop: Hop) -> int:
    """Name a side as `graph_of` does."""
    return 2 * hop.market + (hop.side > 0)


def _room(books: Books, hops: tuple[Hop, ...], left: dict[Hop, Parts]) -> float:
    """Give what the way takes until the first of its levels ends, in atoms of the start."""
    room, scale = float("inf"), 1.0
    for hop in hops:
        price, lots = left[hop][0]
        pay, get = _units(books, hop, price)
        room = min(room, lots * pay / scale)
        scale *= get / pay
    return room


def _taken(
    books: Books, graph: PriceGraph, hops: tuple[Hop, ...], left: dict[Hop, Parts], part: float
) -> float:
    """Take a part out of the books, or as much as is there; give how much that was."""
    ends = set[Hop]()
    kept, amount = 1.0, part
    for hop in hops:  # how much of the part gets through
        became, _, over = _used(books, hop, left[hop], amount)
        if over > 0:
            kept *= 1 - over / amount
            ends.add(hop)
        amount = became
    amount = taken = part * kept
    for hop in hops:
        amount, left[hop], _ = _used(books, hop, left[hop], amount)
        rate = 0.0
        if left[hop] and hop not in ends:
            market = books.instruments[hop.market]
            pay, get = _units(books, hop, left[hop][0][0])
            given, got = (books.decimals[paid_asset(side, market)] for side in (hop.side, -hop.side))
            rate = float(get / pay * 10.0 ** (given - got))
        graph.set_rate(_place(hop), rate)
    return taken


def _used(books: Books, hop: Hop, levels: Parts, amount: float) -> tuple[float, Parts, float]:
    """Take an amount off levels; give what it becomes, what is left of them, and what they do not take."""
    became = 0.0
    for place, (price, lots) in enumerate(levels):
        pay, get = _units(books, hop, price)
        if amount / pay < lots * (1 - 1e-9):
            return became + amount / pay * get, [(price, lots - amount / pay), *levels[place + 1 :]], 0.0
        became += lots * get
        amount -= lots * pay
    return became, [], max(0.0, amount)


def _units(books: Books, hop: Hop, price: int) -> tuple[float, float]:
    """Give what a lot takes and what it leaves after the fee, in atoms."""
    market, rule = books.instruments[hop.market], books.fees[hop.market]
    cost, fee = float(market.notional_atoms(price, 1)), rule.taker_ppm / PPM
    if hop.side < 0:
        return float(market.lot_atoms), cost * (1 - fee)
    if rule.in_quote:
        return cost * (1 + fee), float(market.lot_atoms)
    return cost, market.lot_atoms * (1 - fee)
