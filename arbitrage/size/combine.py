"""Several cycles that share books and balances: sized in turn, and how far that is from the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from arbitrage.fee import Fees, fee_rule
from arbitrage.size.sizing import Budget, Depth, Levels, Sizer
from arbitrage.ticket import Cycle, Hop, Ticket
from domain.instrument import Instrument
from domain.units import PPM

Worth = Mapping[str, float]  # of one atom of an asset, in whatever tickets are to be compared in

CYCLES_MAX = 64


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
) -> float:
    """Give what all cycles could earn at most, in parts of lots and at any minimums: a linear program.

    A variable is how much of one level one leg takes. A leg gives the next no less than that pays, a level is
    shared by all who take of it, and so is a balance. Solved by HiGHS; far too slow for the hot path.
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
        for leg, hop in enumerate(cycle.hops):
            pays, gets = _levels(hop, instruments, depth, fees)
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
        if budget is not None:
            rows.append(shared)
            bounds.append(float(budget.get(key, 0)))
    if not gains:
        return 0.0
    scale = max(abs(gain) for gain in gains)
    costs = -np.array(gains) / scale
    solved = linprog(costs, *_matrix(rows, bounds, len(gains)), bounds=(0, 1), method="highs")
    assert solved.status == 0, f"HiGHS says: {solved.message}"
    return float(-solved.fun * scale)


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


def _matrix(
    rows: Sequence[dict[int, float]], bounds: Sequence[float], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Write rows as a matrix, each scaled by its largest coefficient: atoms of assets differ by a lot."""
    matrix, limits = np.zeros((len(rows), width)), np.array(bounds)
    for place, row in enumerate(rows):
        scale = max((abs(number) for number in row.values()), default=1.0)
        for column, number in row.items():
            matrix[place, column] = number / scale
        limits[place] /= scale
    return matrix, limits
