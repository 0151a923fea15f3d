"""Random chains of books with a gain to be had, and the slow, obvious search for the best size."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from arbitrage.fee import FeeRule
from arbitrage.size.reprice import reprice
from arbitrage.size.sizing import Depth
from arbitrage.ticket import Cycle, Hop, Leg, Ticket
from domain.instrument import Instrument
from domain.units import fee_atoms

ASSETS = ("USDT", "BTC", "ETH", "XRP", "SOL")


class Case(NamedTuple):
    """Hold one cycle with its markets and books."""

    instruments: list[Instrument]
    cycle: Cycle
    depths: list[Depth]
    fees: dict[int, FeeRule]

    def depth(self, market: int) -> Depth:
        """Give a market's book."""
        return self.depths[market]

    @property
    def levels(self) -> list[list[list[int]]]:
        """Give the side of every leg."""
        return [
            (self.depths[hop.market].asks if hop.side > 0 else self.depths[hop.market].bids).tolist()
            for hop in self.cycle.hops
        ]


def depth(bids: Sequence[tuple[int, int]] = (), asks: Sequence[tuple[int, int]] = ()) -> Depth:
    """Build a book of (price_ticks, size_lots)."""
    return Depth(np.array(bids, np.int64).reshape(-1, 2), np.array(asks, np.int64).reshape(-1, 2))


def chain(seed: int, *, plain: bool = False) -> Case:
    """Draw a cycle of two to four legs over books with coarse lots; `plain` ones have no minimums."""
    rng = random.Random(seed)
    legs = rng.choice((2, 3, 3, 4))
    instruments, hops, depths, product = [], [], [], 1.0
    fees: dict[int, FeeRule] = {}
    for leg in range(legs):
        have, want = ASSETS[leg], ASSETS[(leg + 1) % legs]
        buys = rng.random() < 0.5
        market = Instrument.of(
            leg,
            f"v{rng.randrange(2)}",
            want if buys else have,
            have if buys else want,
            tick=rng.choice(("0.01", "0.001")),
            lot=rng.choice(("0.001", "0.01", "0.1", "1")),
            size_min="0" if plain else rng.choice(("0", "0", "0.5")),
            size_max="1000000" if plain else rng.choice(("1000000", "20")),
            notional_atoms_min=0 if plain else rng.choice((0, 10**9)),
            taker_fee_ppm=rng.choice((0, 100, 1000)),
        )
        fees[leg] = FeeRule(market.taker_fee_ppm, rng.random() < 0.3)
        mid = rng.randint(2_000, 20_000)
        if leg == legs - 1:  # priced so that the whole is about even
            cost = market.tick_lot_atoms / market.lot_atoms
            fair = product / cost if buys else 1 / (product * cost)
            mid = max(40, round(fair / rng.uniform(0.999, 1.03) if buys else fair * rng.uniform(0.999, 1.03)))
        side = []
        for step in range(rng.randint(1, 8)):
            side.append((mid + (1 if buys else -1) * step * rng.randint(1, 3), rng.randint(1, 60)))
        side.sort(reverse=not buys)
        rate = side[0][0] * market.tick_lot_atoms / market.lot_atoms
        product *= 1 / rate if buys else rate
        instruments.append(market)
        hops.append(Hop(leg, 1 if buys else -1))
        depths.append(depth(asks=side) if buys else depth(bids=side))
    return Case(instruments, Cycle(tuple(hops), 1.0), depths, fees)


def best_by_hand(
    case: Case, swap_ppm: int, threshold_ppm: int, budget: dict[tuple[str, str], int] | None
) -> int:
    """Try every number of lots of the first leg; give the most beyond the threshold; dust alone is none."""
    first = case.instruments[case.cycle.hops[0].market]
    depth_lots = sum(lots for _, lots in case.levels[0])
    best = 0
    for lots in range(1, min(depth_lots, first.size_lots_max) + 1):
        ticket = by_hand(case, lots, swap_ppm, budget)
        if ticket is not None and ticket.profit_atoms > ticket.dust_atoms:
            best = max(best, ticket.profit_atoms - fee_atoms(ticket.in_atoms, threshold_ppm))
    return best


def by_hand(case: Case, lots: int, swap_ppm: int, budget: dict[tuple[str, str], int] | None) -> Ticket | None:
    """Size every leg by the most lots that fit, and price the whole."""
    sizes, have = [lots], None
    for leg, hop in enumerate(case.cycle.hops):
        market, levels = case.instruments[hop.market], case.levels[leg]
        asset = market.quote if hop.side > 0 else market.base
        most = min(market.size_lots_max, sum(size for _, size in levels))
        bound = None if budget is None else budget.get((market.venue, asset), 0)
        if leg > 0:
            sizes.append(
                bisect(range(1, most + 1), False, key=lambda size: not fits(case, leg, size, have, bound))
            )
        elif not fits(case, leg, lots, None, bound):
            return None
        if sizes[leg] < market.size_lots_min:
            return None
        paid = taken(case, leg, sizes[leg])
        worst = min(paid.price_ticks, levels[0][0])
        if market.notional_atoms(worst, sizes[leg]) < market.notional_atoms_min:
            return None
        have = paid.get_atoms
    legs = tuple(
        Leg(hop.market, hop.side, size, 0, 0, 0) for hop, size in zip(case.cycle.hops, sizes, strict=True)
    )
    return reprice(Ticket(0, 0, "", legs, 0, 0, 0, 0), case.instruments, case.depth, case.fees, swap_ppm)


def fits(case: Case, leg: int, size: int, have: int | None, bound: int | None) -> bool:
    """Tell whether a size can be paid from what the leg before gave and from the balance."""
    pay = taken(case, leg, size).pay_atoms
    return (have is None or pay <= have) and (bound is None or pay <= bound)


def taken(case: Case, leg: int, size: int) -> Leg:
    """Take a size from a leg's side, level by level."""
    hop = case.cycle.hops[leg]
    market, rule = case.instruments[hop.market], case.fees[hop.market]
    left, pay, get, cap = size, 0, 0, 0
    for price, lots in case.levels[leg]:
        part = min(left, lots)
        if part == 0:
            break
        base, quote, left, cap = (
            part * market.lot_atoms,
            market.notional_atoms(price, part),
            left - part,
            price,
        )
        if hop.side < 0:
            pay, get = pay + base, get + quote - fee_atoms(quote, rule.taker_ppm)
        elif rule.in_quote:
            pay, get = pay + quote + fee_atoms(quote, rule.taker_ppm), get + base
        else:
            pay, get = pay + quote, get + base - fee_atoms(base, rule.taker_ppm)
    return Leg(hop.market, hop.side, size, cap, pay, get)
