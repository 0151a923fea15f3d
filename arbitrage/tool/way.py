"""One way from one asset to another at exact sizes."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from arbitrage.size.reprice import filled
from arbitrage.ticket import Hop, Leg
from arbitrage.tool.books import Books
from arbitrage.tool.ways import ALL_LEFT, Left, Levels, Ways
from domain.units import fee_atoms


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


class Question(NamedTuple):
    """Say what is to be converted, over which ways."""

    books: Books
    ways: Ways
    have: str
    want: str
    atoms: int
    legs: int
    swap_ppm: int


def way_of(
    question: Question, hops: tuple[Hop, ...], atoms: int, left: Left = ALL_LEFT
) -> tuple[Way | None, dict[Hop, Levels] | Hop]:
    """Convert an amount along a way, exactly, and tell what is left of the books; or the hop that refuses."""
    books, sizes, have = question.books, list[int](), atoms
    for hop in hops:
        have, size = question.ways.rungs(hop, left).convert(have)
        if size == 0:
            return None, hop
        sizes.append(size)
    legs: list[Leg] = []
    after: dict[Hop, Levels] = {}
    # From the end backwards: a leg gives no more than the next one takes, where its market lets it.
    for hop, most in zip(reversed(hops), reversed(sizes), strict=True):
        size = most
        if legs:
            rungs = question.ways.rungs(hop, left)
            enough = rungs.needed(legs[0].pay_atoms)
            size = enough[1] if enough is not None and rungs.is_taken(enough[1]) else most
        levels = question.ways.levels(hop, left)
        leg = filled(
            Leg(hop.market, hop.side, size, 0, 0, 0),
            books.instruments[hop.market],
            levels,
            books.fees[hop.market],
        )
        assert leg is not None, "what is affordable is within the depth"
        legs.insert(0, leg)
        after[hop] = levels
    venues = [books.instruments[hop.market].venue for hop in hops]
    changes = sum(here != there for here, there in itertools.pairwise(venues))
    out = legs[-1].get_atoms
    swap = changes * fee_atoms(out, question.swap_ppm)
    return Way(hops, tuple(legs), legs[0].pay_atoms, out, swap), after
