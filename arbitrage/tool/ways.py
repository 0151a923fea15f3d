"""The best single way for a whole amount: every simple way is looked at, or shown to give no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from arbitrage.size.reprice import paid_asset
from arbitrage.ticket import Hop
from arbitrage.tool.books import Books
from arbitrage.tool.rungs import Rungs
from domain.units import fee_atoms

STEPS_MAX = 300_000

Levels = list[list[int]]
Left = Mapping[Hop, Levels]
ALL_LEFT: Left = {}


class Searched(NamedTuple):
    """Hold the hops of the best way, and whether every way was looked at."""

    hops: tuple[Hop, ...] | None
    complete: bool


def takeable(levels: Levels, lots_max: int) -> Levels:
    """Cut a side off at the largest order that its market takes: a conversion is one order a market."""
    kept = list[list[int]]()
    for price, lots in levels:
        if lots_max <= 0:
            break
        kept.append([price, min(lots, lots_max)])
        lots_max -= lots
    return kept


class Ways:
    """Know every conversion that may be used, by the asset it takes."""

    def __init__(self, books: Books, swap_ppm: int, allowed: Callable[[int], bool]) -> None:
        self._books, self._swap_ppm = books, swap_ppm
        self._out: dict[str, list[tuple[Hop, str, str]]] = {}
        self._rungs: dict[Hop, Rungs] = {}
        self._levels: dict[Hop, Levels] = {}
        for market, depth in enumerate(books.depths):
            for side in (-1, 1):
                each, hop = books.instruments[market], Hop(market, side)
                levels = takeable((depth.asks if side > 0 else depth.bids).tolist(), each.size_lots_max)
                if allowed(market) and levels:
                    self._levels[hop] = levels
                    self._rungs[hop] = Rungs(each, side, levels, books.fees[market])
                    onward = (hop, paid_asset(-side, each), each.venue)
                    self._out.setdefault(paid_asset(side, each), []).append(onward)

    def hops(self) -> Iterable[Hop]:
        """Name every conversion."""
        return self._levels

    def levels(self, hop: Hop, left: Left = ALL_LEFT) -> Levels:
        """Give a copy of what earlier ways left of a side, best first."""
        return [list(level) for level in left.get(hop, self._levels[hop])]

    def rungs(self, hop: Hop, left: Left = ALL_LEFT) -> Rungs:
        """Give one conversion over what is left of its side."""
        if hop not in left:
            return self._rungs[hop]
        market, rule = self._books.instruments[hop.market], self._books.fees[hop.market]
        return Rungs(market, hop.side, left[hop], rule)

    def best(
        self, have: str, want: str, atoms: int, legs: int, left: Left = ALL_LEFT, beat: int = 0
    ) -> Searched:
        """Give the way of up to so many legs, no asset twice, that gives the most and more than `beat`.

        What each asset must still hold to give more than the best so far is known from the end backwards
        (a conversion never gives less for more), so that only what may be better is walked.
        """
        rungs = self._rungs | {hop: self.rungs(hop, left) for hop in left if hop in self._rungs}
        return _Walk(self._out, rungs, self._swap_ppm, (have, want), legs, STEPS_MAX).run(atoms, beat)


class _Walk:
    """Walk one question's ways, the most promising first."""

    def __init__(
        self,
        out: Mapping[str, list[tuple[Hop, str, str]]],
        rungs: Mapping[Hop, Rungs],
        swap_ppm: int,
        ends: tuple[str, str],
        legs: int,
        steps: int,
    ) -> None:
        self._out, self._rungs, self._swap_ppm = out, rungs, swap_ppm
        self._have, self._want, self._legs, self._steps = *ends, legs, steps
        self._net, self._hops = 0, tuple[Hop, ...]()
        self._least: list[dict[str, int]] = []
        self._most: dict[tuple[str, str, frozenset[str]], list[tuple[int, int]]] = {}

    def run(self, atoms: int, beat: int) -> Searched:
        """Walk from an amount; shorter ways first, so that there soon is something to beat."""
        whole, limit, self._net = True, self._legs, beat
        for self._legs in range(1, limit + 1):
            self._most.clear()
            self._bound()
            whole = self._on(self._have, "", atoms, 0, (), frozenset((self._have,)))
            if not whole:
                break
        return Searched(self._hops or None, whole)

    def _bound(self) -> None:
        """Work out the least of each asset that may become more than the best, by legs that are left."""
        self._least = [{self._want: self._net + 1}]
        for _ in range(self._legs):
            before = self._least[-1]
            now = dict(before)
            for asset, onward in self._out.items():
                if asset == self._want:
                    continue
                for hop, got, _ in onward:
                    if got in before and (need := self._rungs[hop].needed(before[got])) is not None:
                        now[asset] = min(need[0], now.get(asset, need[0]))
            self._least.append(now)

    def _on(
        self, asset: str, venue: str, amount: int, changes: int, hops: tuple[Hop, ...], passed: frozenset[str]
    ) -> bool:
        """Walk on from an asset; tell whether all of it could be walked."""
        rest = self._legs - len(hops) - 1
        found = []
        for hop, got, there in self._out.get(asset, ()):
            if got in passed or got not in self._least[rest]:
                continue
            self._steps -= 1
            out, _ = self._rungs[hop].convert(amount)
            if out >= self._least[rest][got]:
                found.append((-out, hop, got, there))
        for minus, hop, got, there in sorted(found, key=lambda one: (one[0], one[1].market, one[1].side)):
            if self._steps < 0:
                return False
            changed = changes + (there != venue and bool(hops))
            if got == self._want:
                self._keep(-minus, changed, (*hops, hop))
                continue
            better = -minus >= self._least[rest].get(got, 0)
            if better and self._is_new(got, there, -minus, changed, passed):
                onward = (*hops, hop)
                if not self._on(got, there, -minus, changed, onward, passed | {got}):
                    return False
        return True

    def _keep(self, out: int, changes: int, hops: tuple[Hop, ...]) -> None:
        net = out - changes * fee_atoms(out, self._swap_ppm)
        if net > self._net:
            self._net, self._hops = net, hops
            self._bound()

    def _is_new(self, asset: str, venue: str, amount: int, changes: int, passed: frozenset[str]) -> bool:
        """Tell whether no walk past the same assets came here with as much for as few changes of venue."""
        free = self._swap_ppm == 0
        seen = self._most.setdefault((asset, "" if free else venue, passed), [])
        if any(had >= amount and (free or done <= changes) for had, done in seen):
            return False
        seen[:] = [(had, done) for had, done in seen if had > amount or (not free and done < changes)]
        seen.append((amount, changes))
        return True
