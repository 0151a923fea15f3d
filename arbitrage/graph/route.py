"""Find the best way to turn one asset into another, over any assets and venues."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from functools import lru_cache

import msgspec
import numpy as np

from arbitrage.graph.columns import PAIR, SOURCE, TARGET, VENUE, GraphColumns, Reals
from arbitrage.ticket import Hop
from domain.errors import ExitCode, SwarmError

STEPS_MAX = 200_000
LEGS_MAX = 8
# Cycles come again and again: so many are named once.
NAMED_MAX = 4_096


class Route(msgspec.Struct, frozen=True, array_like=True):
    """Conversions from `have` to `want`: what one unit becomes at the touch, after fees and swap costs.

    `direct` is what the best single market would give, 0 where there is none.
    """

    have: str
    want: str
    hops: tuple[Hop, ...]
    product: float
    direct: float


class RouteSearch:
    """Walk the most promising way first; what is still possible from an asset is told by its best rates."""

    def __init__(self, columns: GraphColumns, assets: Sequence[str], allowed: Collection[int]) -> None:
        """Take the name of every class, and the venues that may be used."""
        self._assets, self._columns = assets, columns
        self._venue = np.repeat(columns.markets[:, VENUE], 2)
        pair = columns.markets[:, PAIR : PAIR + 2].reshape(-1)
        rates = np.where(
            np.isin(self._venue, np.array(sorted(allowed), np.int64)), columns.rates.reshape(-1), 0
        )
        self._source, self._target = columns.pairs[pair, SOURCE], columns.pairs[pair, TARGET]
        live = np.flatnonzero(rates > 0)
        self._rates, self._live = rates, live[np.argsort(self._source[live], kind="stable")]
        self._bounds = np.searchsorted(self._source[self._live], np.arange(len(assets) + 1))

    def best(self, have: str, want: str, legs_max: int) -> tuple[float, list[int]] | None:
        """Give the product and the edges of the best route that passes no asset twice."""
        starts = [place for place, name in enumerate(self._assets) if name == have]
        possible = self._possible(want, legs_max)
        rests, order, steps = self._columns.values[:, 1], 0, STEPS_MAX
        heap: list[tuple[float, int, float, tuple[int, ...], tuple[int, ...]]]
        heap = [(-float(possible[legs_max, place]), 0, 1.0, (), (place,)) for place in starts]
        heapq.heapify(heap)
        while heap:
            bound, _, product, edges, passed = heapq.heappop(heap)
            here = passed[-1]
            if bound == 0:
                return None
            if self._assets[here] == want:
                return product, list(edges)
            names = {self._assets[place] for place in passed}
            for edge in self._live[self._bounds[here] : self._bounds[here + 1]].tolist():
                there, legs = int(self._target[edge]), legs_max - len(edges) - 1
                if legs < 0 or self._assets[there] in names:
                    continue
                ahead = 1.0 if self._assets[there] == want else float(possible[legs, there])
                if ahead == 0:
                    continue
                gained = product * float(self._rates[edge])
                if edges and self._venue[edges[-1]] != self._venue[edge]:
                    gained *= float(rests[here])
                order += 1
                heapq.heappush(heap, (-gained * ahead, order, gained, (*edges, edge), (*passed, there)))
            steps -= 1
            if steps < 0:
                raise SwarmError(
                    f"more than {STEPS_MAX:,} ways begun from {have} to {want} by {legs_max} legs",
                    where="the price graph",
                    mend="ask for fewer legs or fewer venues",
                    code=ExitCode.USAGE,
                )
        return None

    def direct(self, have: str, want: str) -> float:
        """Give the best rate of a single market."""
        here = [name == have for name in self._assets]
        there = [name == want for name in self._assets]
        fitting = self._rates[np.array(here)[self._source] & np.array(there)[self._target]]
        return float(fitting.max(initial=0.0))

    def _possible(self, want: str, legs_max: int) -> Reals:
        """Bound what one unit of each class can become in up to so many legs, swaps free."""
        possible = np.zeros((legs_max + 1, len(self._assets)))
        possible[0] = [name == want for name in self._assets]
        for legs in range(1, legs_max + 1):
            possible[legs] = possible[legs - 1]
            reached = self._rates[self._live] * possible[legs - 1, self._target[self._live]]
            np.maximum.at(possible[legs], self._source[self._live], reached)
        return possible


def hops_of(edges: Sequence[int]) -> tuple[Hop, ...]:
    """Name edges as hops."""
    return _hops(tuple(edges))


@lru_cache(maxsize=NAMED_MAX)
def _hops(edges: tuple[int, ...]) -> tuple[Hop, ...]:
    return tuple([Hop(edge >> 1, 1 if edge & 1 else -1) for edge in edges])
