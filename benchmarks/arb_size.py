"""Size one cycle of up to four legs over books of 20 levels a side, and make its ticket."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arbitrage.size.reprice import reprice
from arbitrage.size.sizing import Depth, Sizer
from arbitrage.ticket import Cycle, Hop, Leg, Ticket
from benchmarks.result import Result
from domain.instrument import Instrument
from hw.clock import perf_ns

CASE = "arb_size"
BAR = {"p50_us": ("<=", 15.0)}
LEVELS, SWAP_PPM = 20, 50
WORTHS = {"USDT": 1.0, "BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0}
MARKETS = (
    Instrument.of(
        0, "x", "BTC", "USDT", tick="0.01", lot="0.00001", notional_atoms_min=5 * 10**10, taker_fee_ppm=100
    ),
    Instrument.of(
        1, "x", "ETH", "BTC", tick="0.00001", lot="0.0001", notional_atoms_min=10**6, taker_fee_ppm=100
    ),
    Instrument.of(2, "x", "SOL", "ETH", tick="0.00001", lot="0.001", taker_fee_ppm=100),
    Instrument.of(
        3, "y", "SOL", "USDT", tick="0.01", lot="0.001", notional_atoms_min=5 * 10**10, taker_fee_ppm=100
    ),
    Instrument.of(
        4, "x", "ETH", "USDT", tick="0.01", lot="0.0001", notional_atoms_min=5 * 10**10, taker_fee_ppm=100
    ),
    Instrument.of(
        5, "y", "BTC", "USDT", tick="0.01", lot="0.00001", notional_atoms_min=5 * 10**10, taker_fee_ppm=100
    ),
)
CYCLES = (
    Cycle((Hop(0, 1), Hop(1, 1), Hop(2, 1), Hop(3, -1)), 1.0),
    Cycle((Hop(0, 1), Hop(1, 1), Hop(4, -1)), 1.0),
    Cycle((Hop(0, 1), Hop(5, -1)), 1.0),
)


def books(draw: np.random.Generator, gain_frac: float, last: int) -> list[Depth]:
    """Draw all books around fair prices, the market that a cycle ends with off by its gain."""
    made = []
    for market in MARKETS:
        worth = WORTHS[market.base] / WORTHS[market.quote] * (1 + gain_frac * (market.index == last))
        middle, lot_worth = worth / market.tick.value(1), WORTHS[market.base] * market.lot.value(1)
        sides = []
        for side in (-1, 1):
            away = np.cumsum(draw.integers(1, max(2, round(middle / 20_000) + 1), LEVELS))
            lots = np.maximum(1, draw.exponential(4_000 / lot_worth, LEVELS))
            sides.append(np.stack([round(middle) + side * away, lots], axis=1).astype(np.int64))
        made.append(Depth(*sides))
    return made


def by_python(cycle: Cycle, depth: Callable[[int], Depth]) -> Ticket | None:
    """Be the peer: walk the levels together in plain Python, and floor leg by leg.

    What its sizes pay is worked out by `reprice`, out of the time: ours is timed without that too.
    """
    sides = [
        (depth(hop.market).asks if hop.side > 0 else depth(hop.market).bids).tolist() for hop in cycle.hops
    ]
    markets = [MARKETS[hop.market] for hop in cycle.hops]
    at, taken = [0] * len(sides), [0.0] * len(sides)
    swaps = sum(
        here.venue != there.venue for here, there in zip(markets, [*markets[1:], markets[0]], strict=True)
    )
    while all(place < len(side) for place, side in zip(at, sides, strict=True)):
        units, scale, room, worst = [], 1.0, float("inf"), 0
        for leg, hop in enumerate(cycle.hops):
            price, lots = sides[leg][at[leg]]
            cost, base = price * markets[leg].tick_lot_atoms, markets[leg].lot_atoms
            pay, get = (cost, base) if hop.side > 0 else (base, cost)
            units.append(pay / scale)
            if lots * pay / scale < room:
                room, worst = lots * pay / scale, leg
            scale *= get / pay * (1 - markets[leg].taker_fee_ppm / 1e6)
        if scale * (1 - swaps * SWAP_PPM / 1e6) <= 1:
            break
        for leg, unit in enumerate(units):
            sides[leg][at[leg]][1] -= room / unit
            taken[leg] += room / unit
        at[worst] += 1
    legs = tuple(
        Leg(hop.market, hop.side, int(size * (1 - 1e-12)), 0, 0, 0)
        for hop, size in zip(cycle.hops, taken, strict=True)
    )
    return Ticket(0, 0, "", legs, 0, 0, 0, 0) if min(taken) >= 1 else None


def run(quick: bool) -> Result:
    """Time every ticket on its own: books to be copied in, the search, and the ticket's objects."""
    draw, count = np.random.default_rng(3), 300 if quick else 6_000
    sizer, cases = Sizer(MARKETS, swap_ppm=SWAP_PPM), []
    for number in range(count):
        cycle = CYCLES[number % len(CYCLES)]
        drawn = books(draw, draw.uniform(0.001, 0.008), cycle.hops[-1].market)
        cases.append((cycle, drawn.__getitem__))
    gc.collect()
    gc.disable()
    spent, tickets = timed(lambda number: sizer.sized(*cases[number]), range(count))
    made = {number: ticket for number, ticket in enumerate(tickets) if isinstance(ticket, Ticket)}
    again_spent, again = timed(
        lambda number: reprice(made[number], MARKETS, cases[number][1], {}, SWAP_PPM), list(made)
    )
    peer_spent, sizes = timed(lambda number: by_python(*cases[number]), list(made))
    gc.enable()
    peers = [
        reprice(sized, MARKETS, cases[number][1], {}, SWAP_PPM) if sized is not None else None
        for number, sized in zip(made, sizes, strict=True)
    ]
    assert len(made) > count // 2 and again == list(made.values())
    better = sum(
        other is None or mine.profit_atoms >= other.profit_atoms
        for mine, other in zip(made.values(), peers, strict=True)
    )
    p50, p99, theirs = percentile(spent, 50), percentile(spent, 99), percentile(peer_spent, 50)
    return Result(
        case=CASE,
        metrics={
            "p50_us": p50,
            "p99_us": p99,
            "reprice_p50_us": percentile(again_spent, 50),
            "no_worse_than_peer_frac": round(better / len(made), 4),
        },
        bar="p50_us <= 15",
        met=p50 <= BAR["p50_us"][1],
        peer="plain Python: levels walked together, floored once; neither side priced again within its time",
        peer_metrics={"p50_us": theirs},
        ratio=round(theirs / p50, 1),
        note=f"{len(made):,} tickets of 2, 3 and 4 legs, {LEVELS} levels a side; each priced again the same",
    )


def timed(work: Callable[[int], Any], numbers: Sequence[int]) -> tuple[list[int], list[Any]]:
    """Do the work for each number, and give what each took and made."""
    spent, made = [], []
    for number in numbers:
        started = perf_ns()
        done = work(number)
        spent.append(perf_ns() - started)
        made.append(done)
    return spent, made


def percentile(spent: Sequence[int], part: float) -> float:
    """Give a percentile in microseconds."""
    return round(float(np.percentile(spent, part)) / 1e3, 2)
