"""One side of a book as a function: what an amount becomes there, and what it takes to get an amount."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from arbitrage.fee import FeeRule
from domain.instrument import Instrument
from domain.units import PPM, fee_atoms


class Rungs:
    """Hold a side's levels with the sums of all before each; more given never gives less.

    Fees are rounded up at every level, as `reprice.filled` does.
    """

    def __init__(self, market: Instrument, side: int, levels: Sequence[Sequence[int]], rule: FeeRule) -> None:
        self._market, self._buys = market, side > 0
        self._in_quote, self._fee_ppm = self._buys and rule.in_quote, rule.taker_ppm
        self._costs = [market.notional_atoms(price, 1) for price, _ in levels]
        self._lots, self._pays, self._gets = [0], [0], [0]
        for cost, (_, lots) in zip(self._costs, levels, strict=True):
            self._lots.append(self._lots[-1] + lots)
            self._pays.append(self._pays[-1] + self._pay(cost, lots))
            self._gets.append(self._gets[-1] + self._get(cost, lots))

    def convert(self, have: int) -> tuple[int, int]:
        """Give the most that an amount becomes in an order the market takes, and its lots; 0, 0 for none."""
        size = self._affordable(have)
        if size < self._market.size_lots_min:
            return 0, 0
        level = bisect_left(self._lots, size) - 1
        # The minimum counts at the worst price: going a level less deep may be worth more than going deeper.
        while self._costs[level] * size < self._market.notional_atoms_min:
            size, level = self._lots[level], level - 1
            if size < self._market.size_lots_min or level < 0:
                return 0, 0
        got = self._gets[level] + self._get(self._costs[level], size - self._lots[level])
        return (got, size) if got > 0 else (0, 0)

    def needed(self, want: int) -> tuple[int, int] | None:
        """Give the least amount that becomes so much, minimums aside, and its lots; `None`: depth ends."""
        if want <= 0:
            return 0, 0
        if want > self._gets[-1]:
            return None
        level = bisect_left(self._gets, want) - 1
        rest = want - self._gets[level]
        if not self._in_quote:
            rest = -(-rest * PPM // (PPM - self._fee_ppm))
        cost = self._costs[level]
        lots = -(-rest // (self._market.lot_atoms if self._buys else cost))
        size = self._lots[level] + lots
        return (
            None if size > self._market.size_lots_max else (self._pays[level] + self._pay(cost, lots), size)
        )

    def is_taken(self, size: int) -> bool:
        """Tell whether the market takes an order of so many lots."""
        if not self._market.size_lots_min <= size <= min(self._market.size_lots_max, self._lots[-1]):
            return False
        return self._costs[bisect_left(self._lots, size) - 1] * size >= self._market.notional_atoms_min

    def _affordable(self, have: int) -> int:
        level = bisect_right(self._pays, have) - 1
        size = self._lots[level]
        if level < len(self._costs):
            rest = have - self._pays[level]
            unit = self._costs[level] if self._buys else self._market.lot_atoms
            size += (rest * PPM // (PPM + self._fee_ppm) if self._in_quote else rest) // unit
        return min(size, self._market.size_lots_max)

    def _pay(self, cost: int, lots: int) -> int:
        if not self._buys:
            return lots * self._market.lot_atoms
        return lots * cost + (fee_atoms(lots * cost, self._fee_ppm) if self._in_quote else 0)

    def _get(self, cost: int, lots: int) -> int:
        got = lots * (self._market.lot_atoms if self._buys else cost)
        return got if self._in_quote else got - fee_atoms(got, self._fee_ppm)
