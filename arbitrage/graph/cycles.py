"""Name the best simple cycles that gain, beside the one that the graph keeps."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

import arbitrage.graph.cycle_kernels as k
from arbitrage.graph.columns import PAIR, PRODUCT_MIN, SOURCE, TARGET, GraphColumns, Ints
from arbitrage.graph.route import hops_of
from arbitrage.ticket import Cycle
from hw.kernel import entry

STEPS_MAX = 2_000_000
EVERY_STEP = 2**62


class CycleSearch:
    """Walk the cycles of a graph in room that is kept: whoever asks often asks one of these."""

    __slots__ = ("_away", "_call", "_columns", "_cycles", "_gains", "_heap", "_products", "_walk", "_without")

    def __init__(self, columns: GraphColumns, legs_max: int, limit: int) -> None:
        """Make room for so many cycles of up to so many legs."""
        assert legs_max >= 2 and limit > 0
        self._columns = columns
        self._walk: Ints = np.zeros((legs_max, k.LEG_WORDS), np.int64)
        self._gains = np.zeros(legs_max * k.GAIN_WORDS)
        self._cycles: Ints = np.zeros((limit + 1, k.FIRST + legs_max), np.int64)
        self._products, self._heap = np.zeros(limit + 1), np.arange(limit)
        self._away: Ints = np.zeros(len(columns.values), np.int64)
        self._without: Ints = np.zeros(len(columns.markets), np.int64)
        self._call: Callable[..., Any] = entry(k.list_cycles)

    def through(self, classes: Collection[int]) -> None:
        """Look only for cycles that pass one of some classes from now on."""
        pair = self._columns.markets[:, PAIR : PAIR + 2].reshape(-1)
        source, target = self._columns.pairs[pair, SOURCE], self._columns.pairs[pair, TARGET]
        self._away[:] = len(self._walk) + 1
        self._away[sorted(classes)] = 0
        for _ in range(len(self._walk)):
            np.minimum.at(self._away, source, self._away[target] + 1)

    def best(
        self, steps_max: int = STEPS_MAX, *, product_min: float = 1.0, without: Collection[int] = ()
    ) -> tuple[list[Cycle], bool]:
        """Give the cycles of most product, best first, and whether every way there is was walked.

        Each begins with its lowest edge, and passes none of the markets that it is to go `without`.
        """
        # Views set and read a word in a fraction of the time.
        flags = self._without.data
        for market in without:
            flags[market] = 1
        self._products.fill(0.0)
        columns = self._columns
        steps = self._call(
            columns.ints,
            columns.reals,
            self._walk,
            self._gains,
            self._cycles,
            self._products,
            self._heap,
            self._away,
            self._without,
            steps_max,
            max(float(columns.reals[PRODUCT_MIN]), product_min),
        )
        for market in without:
            flags[market] = 0
        found, products = [], self._products.tolist()
        for place in range(len(products) - 1):
            if products[place] != 0.0:
                count = int(self._cycles[place, k.COUNT])
                edges = self._cycles[place, k.FIRST : k.FIRST + count].tolist()
                found.append((-products[place], count, edges))
        return [Cycle(hops_of(edges), -minus) for minus, _, edges in sorted(found)], steps >= 0
