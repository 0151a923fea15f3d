"""Replay a million updates through graph and sizing: no ticket that was not there, no best cycle missed.

Four venues list five assets against one another in 28 books of five levels. A ticket is a phantom where
the books of its own instant, rebuilt row by row, do not give the very same ticket in plain integers, at a
profit. A best cycle is missed where the graph's product is not that of brute force over every cycle, on one
row in 100.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arbitrage.graph.price_graph import GraphConfig, PriceGraph
from arbitrage.size.reprice import reprice
from arbitrage.size.sizing import Depth, NoTicket, Sizer
from arbitrage.ticket import Ticket
from benchmarks.result import Result
from domain.instrument import Instrument
from hw.clock import perf_ns
from tests.arbitrage.price_walk import BruteForce, rates_of

CASE = "arb_replay"
BAR = {"phantoms": ("<=", 0.0), "missed": ("<=", 0.0)}
UPDATES, UPDATES_QUICK, SAMPLE = 1_000_000, 40_000, 100
WORTHS = {"USDT": 1.0, "BTC": 60_000.0, "ETH": 3_000.0, "EUR": 1.08, "SOL": 150.0}
LISTED = (
    ("BTC", "USDT"),
    ("ETH", "USDT"),
    ("ETH", "BTC"),
    ("EUR", "USDT"),
    ("BTC", "EUR"),
    ("SOL", "USDT"),
    ("SOL", "ETH"),
)
VENUES, LEVELS, SWAP_PPM = 4, 5, 50
CHUNK = 200

Rows = NDArray[np.int64]


class Sent(NamedTuple):
    """Hold a ticket and the row at which it was made."""

    row: int
    ticket: Ticket


def markets() -> list[Instrument]:
    """List every pair at every venue, each venue at its own fee."""
    made: list[Instrument] = []
    for venue, (base, quote) in itertools.product(range(VENUES), LISTED):
        tick = 10.0 ** np.floor(np.log10(WORTHS[base] / WORTHS[quote]) - 4)
        made.append(
            Instrument.of(
                len(made), f"v{venue}", base, quote,
                tick=f"{tick:.8f}".rstrip("0"), lot="0.0001" if WORTHS[base] > 1_000 else "0.01",
                size_max="100000000", taker_fee_ppm=50 + 50 * venue,
            )
        )  # fmt: skip
    return made


def updates(instruments: list[Instrument], count: int) -> Rows:
    """Draw rows: quotes around drifting fair prices, some dislocated, some one-sided, gone or crossed."""
    draw = np.random.default_rng(11)
    rows = np.zeros((count, 6), np.int64)
    market = draw.integers(0, len(instruments), count)
    worth = np.array([WORTHS[one.base] / WORTHS[one.quote] / one.tick.value(1) for one in instruments])
    size = np.array([8_000 / WORTHS[one.base] / one.lot.value(1) for one in instruments])
    off = np.where(draw.random(count) < 0.01, draw.uniform(-2e-3, 2e-3, count), draw.normal(0, 3e-5, count))
    middle, half = worth[market] * (1 + off), worth[market] * draw.uniform(5e-5, 4e-4, count)
    rows[:, 0], rows[:, 1], rows[:, 3] = market, np.floor(middle - half), np.ceil(middle + half)
    rows[:, 2] = np.maximum(1, draw.exponential(size[market]))
    rows[:, 4] = np.maximum(1, draw.exponential(size[market]))
    kind = draw.random(count)
    rows[kind < 0.004, 1:5] = 0
    rows[(kind > 0.004) & (kind < 0.008), 2] = 0
    rows[(kind > 0.008) & (kind < 0.012), 3] = rows[(kind > 0.008) & (kind < 0.012), 1] - 1
    return rows


def book(row: list[int]) -> Depth:
    """Write the book of a row: its touch, and levels below that follow from it."""
    _, bid, bid_lots, ask, ask_lots, _ = row
    away = range(LEVELS)
    bids = (
        [(bid - k - (k * bid) // 9_000, bid_lots + k * (bid_lots // 3 + 1)) for k in away] if bid_lots else []
    )
    asks = (
        [(ask + k + (k * ask) // 9_000, ask_lots + k * (ask_lots // 3 + 1)) for k in away] if ask_lots else []
    )
    return Depth(*(np.array(side, np.int64).reshape(-1, 2) for side in (bids, asks)))


def replayed(
    instruments: list[Instrument], rows: Rows
) -> tuple[list[Sent], Counter[str], NDArray[np.float64], float]:
    """Give tickets, refusals by reason, the best product at each row, and how long it took."""
    graph, sizer = PriceGraph(instruments, GraphConfig(swap_ppm=SWAP_PPM)), Sizer(instruments, {}, SWAP_PPM)
    last, products = np.zeros((len(instruments), 6), np.int64), np.zeros(len(rows))
    sent, refused, at = list[Sent](), Counter[str](), 0
    started = perf_ns()
    while at < len(rows):
        after = graph.update_rows(rows, products, at, stop=True)
        part = rows[at:after]
        last[part[:, 0]] = part
        at = after
        best = graph.best
        if best is None or not rows[at - 1, 5]:
            continue
        made = sizer.sized(best, lambda market: book(last[market].tolist()), ticket_id=len(sent), now_ns=at)
        if isinstance(made, NoTicket):
            refused[made.reason.name] += 1
        else:
            sent.append(Sent(at - 1, made))
    return sent, refused, products, (perf_ns() - started) / 1e9


def verified(
    instruments: list[Instrument], rows: Rows, sent: list[Sent], products: NDArray[np.float64]
) -> tuple[int, int, float]:
    """Count phantoms and misses by walking all rows again; tell what brute force takes for a row, in µs."""
    config = GraphConfig(swap_ppm=SWAP_PPM)
    graph, brute = PriceGraph(instruments, config), BruteForce(instruments, config)
    fees = np.array([one.taker_fee_ppm for one in instruments])
    books: dict[int, list[int]] = {}
    touches, wanted = list[Rows](), list[float]()
    phantoms, missed, spent, due = 0, 0, 0, 0
    now = np.zeros((len(instruments), 4), np.int64)
    for place, row in enumerate(rows.tolist()):
        books[row[0]] = row
        now[row[0]] = row[1:5]
        while due < len(sent) and sent[due].row == place:
            ticket = sent[due].ticket
            again = reprice(ticket, instruments, lambda market: book(books[market]), {}, SWAP_PPM)
            phantoms += again != ticket or again is None or again.profit_atoms <= 0
            due += 1
        if place % SAMPLE == SAMPLE - 1:
            touches.append(now.copy())
            wanted.append(float(products[place]))
        if len(touches) == CHUNK or (place == len(rows) - 1 and touches):
            rates = rates_of(graph, np.array(touches), fees)
            started = perf_ns()
            most = brute.products(rates).max(axis=1)
            spent += perf_ns() - started
            best = np.where(most > config.product_min, most, 0.0)
            missed += int((best != np.array(wanted)).sum())
            touches, wanted = [], []
    assert due == len(sent)
    return phantoms, missed, spent / 1e3 / (len(rows) // SAMPLE)


def run(quick: bool) -> Result:
    """Replay, then verify by other means."""
    instruments = markets()
    rows = updates(instruments, UPDATES_QUICK if quick else UPDATES)
    sent, refused, products, seconds = replayed(instruments, rows)
    phantoms, missed, brute_us = verified(instruments, rows, sent, products)
    mine_us = seconds * 1e6 / len(rows)
    assert len(sent) > len(rows) // 1_000
    reasons = ", ".join(f"{count:,} {name}" for name, count in sorted(refused.items())) or "none"
    return Result(
        case=CASE,
        metrics={
            "phantoms": float(phantoms),
            "missed": float(missed),
            "updates": float(len(rows)),
            "tickets": float(len(sent)),
            "us_per_update": round(mine_us, 2),
        },
        bar="phantoms and missed = 0",
        met=phantoms == 0 and missed == 0,
        peer="brute force over every cycle (numpy), without sizing",
        peer_metrics={"us_per_update": round(brute_us, 2)},
        ratio=round(brute_us / mine_us, 1),
        note=f"{len(instruments)} books, every ticket priced again; refused: {reasons}",
    )
