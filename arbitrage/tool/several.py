"""What several cycles earn together: one after the other on what is left, and the most that is possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from arbitrage.size.combine import Remaining, combined, optimum
from arbitrage.size.reprice import reprice
from arbitrage.size.sizing import Budget, Sizer
from arbitrage.ticket import Cycle, Ticket
from arbitrage.tool.books import Books

# So many cycles are weighed together, those first that earn most alone.
CYCLES_MAX = 24


class Several(NamedTuple):
    """Hold the tickets in the order they are taken, each with its cycle's place, and what they earn in all.

    `bound` is what no choice of sizes of the cycles `weighed` exceeds; `None` where the solver did not say.
    """

    tickets: tuple[tuple[int, Ticket], ...]
    weighed: int
    left_out: int
    asset: str
    earned: Fraction  # atoms
    bound: float | None

    @property
    def gap_frac(self) -> float | None:
        """Give how much of what is possible is not earned."""
        if self.bound is None or self.bound <= 0:
            return None
        return max(0.0, 1.0 - float(self.earned) / self.bound)


def several(
    books: Books,
    tickets: Mapping[int, tuple[Cycle, Ticket]],
    worths: Mapping[str, Fraction | None],
    asset: str,
    sizer: Sizer,
    budget: Budget | None,
    min_ppm: int,
    swap_ppm: int,
) -> Several | None:
    """Take cycles that have a ticket, by place, together; plain rates have no depth to be shared."""
    profits = {
        place: ticket.profit_atoms * each
        for place, (cycle, ticket) in tickets.items()
        if (each := worths[ticket.asset]) is not None
        and not any(hop.market in books.rates for hop in cycle.hops)
    }
    places = sorted(profits, key=lambda place: (-profits[place], place))[:CYCLES_MAX]
    if not places:
        return None
    cycles = [tickets[place][0] for place in places]
    worth = {name: float(value) for name, value in worths.items() if value is not None}
    made = combined(
        cycles, books.instruments, books.depth, sizer, worth, budget=budget, threshold_bps=min_ppm / 100
    )
    _check(books, made, swap_ppm)
    routes = {cycle.hops: place for cycle, place in zip(cycles, places, strict=True)}
    by_route = {tuple((hop.market, hop.side) for hop in hops): place for hops, place in routes.items()}
    placed = tuple((by_route[ticket.route], ticket) for ticket in made)
    earned = sum(
        (ticket.profit_atoms * (worths[ticket.asset] or Fraction(0)) for ticket in made), Fraction(0)
    )
    bound = optimum(cycles, books.instruments, books.depth, books.fees, swap_ppm, worth, budget=budget)
    if bound is not None and float(earned) > bound * (1 + 1e-6) + 1:
        bound = None
    return Several(placed, len(places), len(tickets) - len(places), asset, earned, bound)


def _check(books: Books, made: Sequence[Ticket], swap_ppm: int) -> None:
    """Price every ticket the slow way, on what those before it left."""
    remaining = Remaining(books.depth, None)
    for ticket in made:
        again = reprice(ticket, books.instruments, remaining.depth, books.fees, swap_ppm)
        assert again == ticket, f"two ways of pricing differ: {ticket} and {again}"
        remaining.take(ticket, books.instruments)
