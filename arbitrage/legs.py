"""The legs of a route, whatever its size and wherever it is entered."""

from __future__ import annotations

from arbitrage.ticket import Cycle, Ticket

Legs = tuple[tuple[int, int], ...]
# What is worked out of a route once is kept for so many, and then thrown away whole.
COURSES_MAX = 4_096


def legs_of(found: Cycle | Ticket) -> Legs:
    """Give (market, side) of every leg in the order of conversion."""
    if isinstance(found, Ticket):
        return found.route
    return tuple([(hop.market, hop.side) for hop in found.hops])


def canonical(legs: Legs) -> Legs:
    """Turn a cycle so that its lowest leg is first: one route has one name, wherever it was entered.

    >>> canonical(((7, 1), (2, -1), (4, 1)))
    ((2, -1), (4, 1), (7, 1))
    """
    first = legs.index(min(legs))
    return legs[first:] + legs[:first]
