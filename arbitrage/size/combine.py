"""Several cycles that share books and balances: sized in turn, and how far that is from the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbitrage.fee import Fees, fee_rule
from arbitrage.size.sizing import Budget, Depth, Levels, Sizer
from arbitrage.ticket import Cycle, Hop, Ticket
from domain.instrument import Instrument
from domain.units import PPM

Reals = NDArray[np.float64]
Worth = Mapping[str, float]  # of one atom of an asset, in whatever tickets are to be compared in

CYCLES_MAX = 64
VARIABLES_MAX, SECONDS_MAX = 20_000, 5.0


class Remaining:
    """Hold what earlier tickets left of books and balances."""

    def __init__(self, depth: Callable[[int], Depth], budget: Budget | None) -> None:
        self._depth, self._taken = depth, dict[int, Depth]()
        self.budget = None if budget is None else dict(budget)

    def depth(self, market: int) -> Depth:
        """Give what is left of a book."""
        return self._taken.get(market) or self._depth(market)

    def take(self, ticket: Ticket, instruments: Sequence[Instrument]) -> None:
        """Take a ticket's legs out of books and balances; what they give is there only once filled."""
        for leg in ticket.legs:
            bids, asks = self.depth(leg.instrument)
            bids, asks = (
                (bids, cut(asks, leg.size_lots)) if leg.side > 0 else (cut(bids, leg.size_lots), asks)
            )
            self._taken[leg.instrument] = Depth(bids, asks)
            if self.budget is not None:
                market = instruments[leg.instrument]
                key = (market.venue, market.quote if leg.side > 0 else market.base)
                self.budget[key] = self.budget.get(key, 0) - leg.pay_atoms


def cut(levels: Levels, lots: int) -> Levels:
    """Take lots from the best levels of a side."""
    ends = np.cumsum(levels[:, 1])
    first = int(np.searchsorted(ends, lots, side="right"))
    rest = levels[first:].copy()
    if len(rest):
        rest[0, 1] = int(ends[first]) - lots
    return rest


def combined(
    cycles: Sequence[Cycle],
    instruments: Sequence[Instrument],
    depth: Callable[[int], Depth],
    sizer: Sizer,
    worth: Worth,
    *,
    budget: Budget | None = None,
    threshold_bps: float = 0.0,
    ticket_id: int = 0,
    now_ns: int = 0,
) -> list[Ticket]:
    """Size cycles for one moment: the one that earns most alone goes first, the others take what it leaves.

    Tickets are numbered from `ticket_id` in that order. Work is bounded: two sizings a cycle.
    """
    assert len(cycles) <= CYCLES_MAX, f"{len(cycles)} cycles at once"

    def alone(cycle: Cycle) -> float:
        made = sizer.sized(cycle, depth, budget=budget, threshold_bps=threshold_bps)
        return made.profit_atoms * worth[made.asset] if isinstance(made, Ticket) else 0.0

    earned = [(alone(cycle), -place) for place, cycle in enumerate(cycles)]
    remaining, tickets = Remaining(depth, budget), list[Ticket]()
    for most, place in sorted(earned, reverse=True):
        if most <= 0:
            break
        made = sizer.sized(
            cycles[-place],
            remaining.depth,
            budget=remaining.budget,
            threshold_bps=threshold_bps,
            ticket_id=ticket_id + len(tickets),
            now_ns=now_ns,
        )
        if isinstance(made, Ticket):
            tickets.append(made)
            remaining.take(made, instruments)
    return tickets


def value(tickets: Sequence[Ticket], worth: Worth) -> float:
    """Add up what tickets earn."""
    return sum(ticket.profit_atoms * worth[ticket.asset] for ticket in tickets)


def optimum(
    cycles: Sequence[Cycle],
    instruments: Sequence[Instrument],
    depth: Callable[[int], Depth],
    fees: Fees,
    swap_ppm: int,
    worth: Worth,
    *,
    budget: Budget | None = None,
) -> float | None:
    """Give what all cycles could earn at most, in parts of lots and at any minimums: a linear program.

    A variable is how much of one level one leg takes. A leg gives the next no less than that pays, a level is
    shared by all who take of it, and so is a balance. Levels at which a cycle loses whatever its other legs
    meet are none. Solved by HiGHS, far too slowly for the hot path; `None` where it is too large or too hard.
    """
    from scipy.optimize import linprog

    gains, rows, bounds = list[float](), list[dict[int, float]](), list[float]()
    levels_of: dict[tuple[int, int, int], dict[int, float]] = {}
    pays_of: dict[tuple[str, str], dict[int, float]] = {}
    for cycle in cycles:
        received: dict[int, float] = {}
        first = paid(cycle.hops[0], instruments)
        venues = [instruments[hop.market].venue for hop in cycle.hops]
        swaps = sum(here != before for here, before in zip(venues, [venues[-1], *venues], strict=False))
        sides = [_levels(hop, instruments, depth, fees) for hop in cycle.hops]
        if not all(pays for pays, _ in sides):
            continue
        touch = math.prod(gets[0] / pays[0] for pays, gets in sides) * (1 - swaps * swap_ppm / PPM)
        for leg, hop in enumerate(cycle.hops):
            pays, gets = _paying(*sides[leg], touch)
            at = {len(gains) + k: pay for k, pay in enumerate(pays)}
            for k, place in enumerate(at):
                levels_of.setdefault((hop.market, hop.side, k), {})[place] = 1.0
            pays_of.setdefault((venues[leg], paid(hop, instruments)), {}).update(at)
            if leg > 0:
                rows.append({**at, **{place: -get for place, get in received.items()}})
                bounds.append(0.0)
            received = dict(zip(at, gets, strict=True))
            last = leg == len(cycle.hops) - 1
            kept = 1 - swaps * swap_ppm / PPM
            gains += [
                worth[first] * ((get * kept if last else 0.0) - (pay if leg == 0 else 0.0))
                for pay, get in zip(pays, gets, strict=True)
            ]
    for shared in levels_of.values():
        rows.append(shared)
        bounds.append(1.0)
    for key, shared in pays_of.items():
        if budget is not None and budget.get(key, 0) < sum(shared.values()):
            rows.append(shared)
            bounds.append(float(budget.get(key, 0)))
    if not gains:
        return 0.0
    if len(gains) > VARIABLES_MAX:
        return None
    scale = max(abs(gain) for gain in gains)
    costs = -np.array(gains) / scale
    most = {"time_limit": SECONDS_MAX}
    solved = linprog(costs, *_matrix(rows, bounds, len(gains)), bounds=(0, 1), method="highs", options=most)
    return float(-solved.fun * scale) if solved.status == 0 else None


def paid(hop: Hop, instruments: Sequence[Instrument]) -> str:
    """Name the asset that a hop gives."""
    return instruments[hop.market].quote if hop.side > 0 else instruments[hop.market].base


def _levels(
    hop: Hop, instruments: Sequence[Instrument], depth: Callable[[int], Depth], fees: Fees
) -> tuple[list[float], list[float]]:
    """Give what each whole level takes and what it leaves."""
    market, rule = instruments[hop.market], fee_rule(instruments[hop.market], hop.market, fees)
    book, fee = depth(hop.market), rule.taker_ppm / PPM
    side = book.asks if hop.side > 0 else book.bids
    costs = [float(market.notional_atoms(price, lots)) for price, lots in side.tolist()]
    bases = [float(lots * market.lot_atoms) for lots in side[:, 1].tolist()]
    if hop.side < 0:
        return bases, [cost * (1 - fee) for cost in costs]
    if rule.in_quote:
        return [cost * (1 + fee) for cost in costs], bases
    return costs, [base * (1 - fee) for base in bases]


def _paying(pays: list[float], gets: list[float], touch: float) -> tuple[list[float], list[float]]:
    """Keep the levels of a leg at which the cycle gains with all its other legs at the touch."""
    best = gets[0] / pays[0]
    count = sum(touch * (get / pay) / best > 1 for pay, get in zip(pays, gets, strict=True))
    return pays[: max(1, count)], gets[: max(1, count)]


def _matrix(rows: Sequence[dict[int, float]], bounds: Sequence[float], width: int) -> tuple[Any, Reals]:
    """Write rows as a matrix, each scaled by its largest coefficient: atoms of assets differ by a lot."""
    from scipy.sparse import csr_array

    limits, places, columns, numbers = np.array(bounds), list[int](), list[int](), list[float]()
    for place, row in enumerate(rows):
        scale = max((abs(number) for number in row.values()), default=1.0)
        for column, number in row.items():
            places.append(place)
            columns.append(column)
            numbers.append(number / scale)
        limits[place] /= scale
    return csr_array((numbers, (places, columns)), shape=(len(rows), width)), limits
