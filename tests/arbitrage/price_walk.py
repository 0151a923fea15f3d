"""Random graphs and updates of them, and the slow obvious way to say what is best."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arbitrage.graph.price_graph import GraphConfig, PriceGraph
from arbitrage.ticket import Cycle
from domain.instrument import Instrument

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ASSETS = "ABCDEFGH"
VENUES = "xyzuvw"


def instrument(venue: str, base: str, quote: str, taker_fee_ppm: int = 0) -> Instrument:
    """Build a market of which only the tick and the fee matter."""
    return Instrument.of(0, venue, base, quote, tick="0.01", lot="1", taker_fee_ppm=taker_fee_ppm)


def random_graph(draw: np.random.Generator) -> list[Instrument]:
    """Choose up to ten different markets; a pair may be quoted either way round, even at one venue."""
    assets, venues = int(draw.integers(2, 6)), int(draw.integers(1, 5))
    every = [
        (venue, base, quote)
        for venue in VENUES[:venues]
        for base, quote in itertools.permutations(ASSETS[:assets], 2)
    ]
    chosen = draw.permutation(len(every))[: int(draw.integers(1, 11))].tolist()
    fees = draw.choice([0, 0, 10, 100, 500], len(every)).tolist()
    markets = [(*every[place], fees[place]) for place in sorted(chosen)]
    return [instrument(venue, base, quote, fee) for venue, base, quote, fee in markets]


def edges_of(cycle: Cycle) -> tuple[int, ...]:
    """Give a cycle's edges: twice the market, plus one for buying."""
    return tuple(2 * hop.market + (hop.side == 1) for hop in cycle.hops)


class BruteForce:
    """List every simple cycle of a few markets once and for all, and multiply each of them out."""

    def __init__(self, instruments: Sequence[Instrument], config: GraphConfig) -> None:
        self.config, self._ends = config, []
        for one in instruments:
            self._ends += [(one.venue, one.base, one.quote), (one.venue, one.quote, one.base)]
        cycles = [cycle for first in range(len(self._ends)) for cycle in self._from((first,))]
        self.cycles = sorted(cycles, key=lambda cycle: (len(cycle), cycle))
        self.legs = np.array([len(cycle) for cycle in self.cycles])
        none = len(self._ends)
        padded = [(*cycle, *(none,) * (4 - len(cycle))) for cycle in self.cycles]
        self._places = np.array(padded, np.int64).reshape(-1, 4)
        self._rests = np.array([self._swaps(cycle) for cycle in self.cycles]).reshape(-1, 4)
        self.contains = np.zeros((len(self.cycles), none + 1), bool)
        np.put_along_axis(self.contains, self._places, True, axis=1)

    def _swap(self, edge: int, onward: int) -> float | None:
        """Give what is left between two legs; `None` where they do not meet."""
        (venue, _, got), (there, given, _) = self._ends[edge], self._ends[onward]
        if got != given:
            return None
        if venue == there:
            return 1.0
        if self.config.swappable is not None and got not in self.config.swappable:
            return None
        return 1.0 - self.config.swaps.get(got, self.config.swap_ppm) / 1_000_000

    def _from(self, path: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Lengthen a path by edges above its first in every way."""
        found = []
        if len(path) > 1 and self._swap(path[-1], path[0]) is not None and self._visits_once(path):
            found.append(path)
        if len(path) < self.config.legs_max:
            for edge in range(path[0] + 1, len(self._ends)):
                if edge not in path and self._swap(path[-1], edge) is not None:
                    found += self._from((*path, edge))
        return found

    def _visits_once(self, cycle: tuple[int, ...]) -> bool:
        nodes = []
        for edge, onward in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            (venue, _, got), there = self._ends[edge], self._ends[onward][0]
            nodes += [(venue, got)] if venue == there else [(venue, got), (there, got)]
        return len(set(nodes)) == len(nodes)

    def _swaps(self, cycle: tuple[int, ...]) -> list[float]:
        rests = [self._swap(edge, onward) for edge, onward in zip(cycle, (*cycle[1:], cycle[0]), strict=True)]
        assert None not in rests
        return [*(rest or 0.0 for rest in rests), *[1.0] * (4 - len(cycle))]

    def products(self, rates: Floats) -> Floats:
        """Multiply all cycles out at each row of rates, as the graph says that it does: to the last bit."""
        rates = np.concatenate([rates, np.ones((len(rates), 1))], axis=1)
        products = np.ones((len(rates), len(self.cycles)))
        for leg in range(4):
            products *= rates[:, self._places[:, leg]] * self._rests[:, leg]
        return products


def rates_of(graph: PriceGraph, touches: Ints, fees: Ints) -> Floats:
    """Say what touches [n, markets, 4] convert at, edge by edge."""
    ticks = np.array([float(one.tick.value(1)) for one in graph.instruments])
    kept = 1.0 - fees / 1_000_000
    bids, asks = touches[:, :, 0], touches[:, :, 2]
    bid, ask = (bids > 0) & (touches[:, :, 1] > 0), (asks > 0) & (touches[:, :, 3] > 0)
    crossed = bid & ask & (bids > asks)
    sell = np.where(bid & ~crossed, bids * ticks * kept, 0.0)
    with np.errstate(divide="ignore"):
        buy = np.where(ask & ~crossed, kept / (asks * ticks), 0.0)
    rates: Floats = np.stack([sell, buy], axis=2).reshape(len(touches), -1)
    return rates


def walk(draw: np.random.Generator, markets: int, count: int, style: str) -> Ints:
    """Draw rows of updates: `wild` prices, `calm` ones near to fair, or `few` different ones that tie."""
    rows = np.zeros((count, 6), np.int64)
    rows[:, 0] = draw.integers(0, markets, count)
    if style == "wild":
        middle = draw.integers(20, 500, count)
        spread = draw.integers(-5, 200, count)
    elif style == "calm":
        middle = 100_000 + draw.integers(-60, 60, count)
        spread = draw.integers(0, 40, count)
    else:
        middle = 100 + draw.integers(-2, 3, count)
        spread = draw.integers(0, 2, count)
    rows[:, 1], rows[:, 3] = middle, middle + spread
    rows[:, 2] = rows[:, 4] = 1
    gone = draw.random(count)
    rows[gone < 0.08, 1:5] = 0
    rows[(gone > 0.90) & (gone < 0.93), 2] = 0
    rows[(gone > 0.93) & (gone < 0.96), 3] = -7
    return rows
