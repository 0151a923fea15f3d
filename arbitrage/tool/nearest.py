"""The cycle that is nearest to a gain, whether it gains or not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

from arbitrage.ticket import Hop
from arbitrage.tool.books import Books


class Nearest(NamedTuple):
    """A cycle of two or three legs, and what it makes of one at the touch, after fees."""

    product: float
    hops: tuple[Hop, ...]

    @property
    def bps(self) -> float:
        """Give what it gains; below zero is what it lacks."""
        return (self.product - 1) * 10_000


def nearest(books: Books) -> Nearest | None:
    """Find the best way between two venues, or around three assets; `None` where no two sides fit."""
    rates: dict[tuple[str, str], list[tuple[float, Hop]]] = {}
    for market, each in enumerate(books.instruments):
        for side, way in ((1, (each.quote, each.base)), (-1, (each.base, each.quote))):
            rate = books.rate(market, side)
            if rate is not None:
                rates.setdefault(way, []).append((float(rate), Hop(market, side)))
    return max(_cycles(books, rates), key=lambda each: each.product, default=None)


def _cycles(books: Books, rates: dict[tuple[str, str], list[tuple[float, Hop]]]) -> Iterator[Nearest]:
    venue = [each.venue for each in books.instruments]
    best = {way: max(some, key=lambda each: each[0]) for way, some in rates.items()}
    for (begin, end), there in rates.items():
        if begin < end:
            for one, hop in there:
                # There and back on one venue pays its spread, and says nothing.
                for other, back in rates.get((end, begin), ()):
                    if venue[hop.market] != venue[back.market]:
                        yield Nearest(one * other, (hop, back))
    assets = sorted({asset for way in rates for asset in way})
    for begin in assets:
        for middle, end in permutations([asset for asset in assets if asset > begin], 2):
            legs = [best.get(way) for way in ((begin, middle), (middle, end), (end, begin))]
            known = [leg for leg in legs if leg is not None]
            if len(known) == 3:
                product = known[0][0] * known[1][0] * known[2][0]
                yield Nearest(product, tuple(hop for _, hop in known))
