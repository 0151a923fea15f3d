"""From an update of a book to the best cycle of up to four legs, over 4,200 books of 20 venues.

The market and the mix of updates are those of `benchmarks.arb_market`. `p50_us` is the median over stretches
of 32 updates that are taken in one call, each stretch's mean, so that slow updates raise it rather than
vanish in it; `p99_us` is over updates taken in a call each, so that the call counts too; `python_p50_us` is
over `PriceGraph.update`, one at a time. The peer looks for any cycle that gains, on the same graph of assets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from arbitrage.graph.price_graph import PriceGraph
from benchmarks.arb_market import ArbMarket, Rows
from benchmarks.arb_peers import RustGraph
from benchmarks.result import Result
from hw.clock import perf_ns
from hw.gc_policy import GcPolicy

CASE = "arb_detect"
BAR = {"p50_us": ("<=", 1.0), "p99_us": ("<=", 10.0), "python_p50_us": ("<=", 3.0)}
STRETCH, PEER_CALLS = 32, 30
Nanoseconds = NDArray[np.int64]


def opened(market: ArbMarket, opening: Rows) -> PriceGraph:
    """Build the graph and quote every market once."""
    graph = PriceGraph(market.instruments)
    graph.update_rows(opening, np.zeros(len(opening)))
    return graph


def timed(calls: Iterator[Callable[[], object]]) -> Nanoseconds:
    """Time each call by itself."""
    policy, times = GcPolicy(), []
    policy.freeze()
    for call in calls:
        began_ns = perf_ns()
        call()
        times.append(perf_ns() - began_ns)
    policy.release()
    return np.array(times)


def in_stretches(graph: PriceGraph, rows: Rows, products: NDArray[np.float64], length: int) -> Nanoseconds:
    """Time stretches of rows, each in one call."""
    parts = [
        (rows[start : start + length], products[start : start + length])
        for start in range(0, len(rows) - length + 1, length)
    ]
    return timed((lambda part=part: graph.update_rows(*part)) for part in parts)  # type: ignore[misc]


def one_by_one(graph: PriceGraph, rows: Rows) -> Nanoseconds:
    """Time `update`, as a node that looks at every update calls it."""
    update, touches = graph.update, rows[:, :5].tolist()
    return timed((lambda touch=touch: update(*touch)) for touch in touches)  # type: ignore[misc]


def run(quick: bool) -> Result:
    """Take the same updates three times, each from the opening on."""
    market = ArbMarket()
    opening, rows = market.opening(), market.updates(8_000 if quick else 400_000)
    products, graph = np.zeros(len(rows)), opened(market, opening)
    batch = in_stretches(graph, rows, products, STRETCH)
    single = in_stretches(opened(market, opening), rows, products, 1)
    python = one_by_one(opened(market, opening), rows)
    peer = timed(iter([RustGraph(graph).gaining] * PEER_CALLS))
    metrics = {
        "p50_us": round(float(np.median(batch)) / STRETCH / 1_000, 3),
        "p99_us": round(float(np.percentile(single, 99)) / 1_000, 2),
        "python_p50_us": round(float(np.median(python)) / 1_000, 2),
        "mean_us": round(float(batch.sum()) / len(batch) / STRETCH / 1_000, 3),
        "standing_frac": round(float((products > 0).mean()), 3),
    }
    theirs = round(float(np.median(peer)) / 1_000, 1)
    return Result(
        CASE,
        metrics,
        "p50 <= 1 us, p99 <= 10 us, through Python p50 <= 3 us",
        all(metrics[name] <= bar for name, (_, bar) in BAR.items()),
        peer="rustworkx find_negative_cycle, any cycle",
        peer_metrics={"p50_us": theirs},
        ratio=round(theirs / metrics["python_p50_us"], 1),
        note=f"{len(market.instruments)} books, {len(graph.assets)} assets, {len(graph.venues)} venues",
    )
