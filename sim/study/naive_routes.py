"""The cycles that a naive bot knows: the same market at two venues, and triangles at one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

from domain.instrument import Instrument
from domain.order import Side

Hop = tuple[int, int]
"""A market's place and a side: BUY turns quote into base, SELL base into quote."""
Route = tuple[Hop, ...]


def routes_of(instruments: Sequence[Instrument]) -> tuple[Route, ...]:
    """List every route, each once: a triangle begins where its first asset is quoted and bought from."""
    return (*_spatial(instruments), *_triangles(instruments))


def _spatial(instruments: Sequence[Instrument]) -> Iterator[Route]:
    for here, there in permutations(instruments, 2):
        if (here.base, here.quote) == (there.base, there.quote) and here.venue != there.venue:
            yield (here.index, int(Side.BUY)), (there.index, int(Side.SELL))


def _triangles(instruments: Sequence[Instrument]) -> Iterator[Route]:
    seen: set[frozenset[Hop]] = set()
    for venue in dict.fromkeys(one.venue for one in instruments):
        hops = [
            (one.index, side) for one in instruments if one.venue == venue for side in (Side.BUY, Side.SELL)
        ]
        for route in permutations(hops, 3):
            if _closes(route, instruments) and frozenset(route) not in seen:
                seen.add(frozenset(route))
                yield tuple((market, int(side)) for market, side in route)


def _closes(route: Route, instruments: Sequence[Instrument]) -> bool:
    ends = [ends_of(hop, instruments) for hop in route]
    visited = {given for given, _ in ends}
    joined = all(one[1] == ends[(place + 1) % len(ends)][0] for place, one in enumerate(ends))
    return joined and len(visited) == len(route)


def ends_of(hop: Hop, instruments: Sequence[Instrument]) -> tuple[str, str]:
    """Give the assets that a hop gives and gets."""
    one = instruments[hop[0]]
    return (one.quote, one.base) if hop[1] == Side.BUY else (one.base, one.quote)
