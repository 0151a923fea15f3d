"""Find any cycle that gains, of whatever length, or prove that there is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arbitrage.graph.columns import PAIR, VENUE, GraphColumns, Ints, Reals

# Each leg must gain this over what it is told to, so that rounding around a long cycle never looks like gain.
LEG_MARGIN = 1e-10
_ROUNDING = 1e-15
_NONE = -1


class Certificate:
    """Bellman–Ford over (venue, asset) from the values that stand, each asset's swaps by way of one hub.

    The kernels' values treat swaps as free, so that they seldom have to move: they prove that nothing gains,
    and this decides where they cannot.
    """

    def __init__(self, columns: GraphColumns, venues: int) -> None:
        self._columns = columns
        markets, pairs = columns.markets, columns.pairs
        venue = np.repeat(markets[:, VENUE], 2)
        pair = markets[:, PAIR : PAIR + 2].reshape(-1)
        classes = len(columns.values)
        ends = np.concatenate([pairs[pair, 0] * venues + venue, pairs[pair, 1] * venues + venue])
        names, ends = np.unique(ends, return_inverse=True)
        books = len(pair)
        held, hubs = names // venues, len(names) + np.arange(classes)
        self._classes = np.concatenate([held, np.arange(classes)])
        nodes = np.arange(len(names))
        source = np.concatenate([ends[:books], nodes, hubs[held]])
        target = np.concatenate([ends[books:], hubs[held], nodes])
        swaps = np.log(columns.values[held, 1])
        # Ordered by where they lead, so that the best way into each node is one pass.
        self._order = np.argsort(target, kind="stable")
        self._source, self._target = source[self._order], target[self._order]
        self._edges = np.where(self._order < books, self._order, _NONE)
        self._swaps = np.concatenate([swaps, np.zeros(len(nodes))])
        self._entered, self._first = np.unique(self._target, return_index=True)

    def gaining(self) -> list[int] | None:
        """Give the edges of a cycle that gains, in order; `None` is the proof that none does."""
        gains = self._gains()
        heights = np.zeros(len(self._classes))
        parents = np.full(len(self._classes), _NONE)
        places = np.arange(len(gains))
        for _ in range(len(heights) + 1):
            reached = heights[self._source] + gains
            highest = np.maximum.reduceat(reached, self._first)
            risen = highest > heights[self._entered] + _ROUNDING
            if not risen.any():
                return None
            spans = np.diff(self._first, append=len(gains))
            winners = np.where(reached == np.repeat(highest, spans), places, len(gains))
            parents[self._entered[risen]] = np.minimum.reduceat(winners, self._first)[risen]
            heights[self._entered[risen]] = highest[risen]
            cycle = self._closed(parents)
            if cycle is not None:
                return cycle
        raise AssertionError("values rose for longer than there are assets, without a cycle")

    def _gains(self) -> Reals:
        """Give what each edge gains in logarithms, at the values that stand."""
        with np.errstate(divide="ignore"):
            books = np.log(self._columns.rates.reshape(-1)) - LEG_MARGIN
        values = np.log(self._columns.values[:, 0])[self._classes]
        gains: Reals = np.concatenate([books, self._swaps])[self._order]
        gains += values[self._target] - values[self._source]
        return gains

    def _closed(self, parents: NDArray[np.int64]) -> list[int] | None:
        """Find a cycle among the edges by which nodes rose last."""
        back = np.where(parents == _NONE, _NONE, self._source[parents])
        far = np.append(back, _NONE)
        for _ in range(len(back).bit_length()):
            far = far[far]
        looping: Ints = np.flatnonzero(far[:-1] != _NONE)
        if not looping.size:
            return None
        start = node = int(far[looping[0]])
        edges: list[int] = []
        while True:
            edges.append(int(self._edges[parents[node]]))
            node = int(back[node])
            if node == start:
                return [edge for edge in reversed(edges) if edge != _NONE]
