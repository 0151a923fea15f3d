"""From an update to a cycle that gains, on 2,450 edges of one consolidated graph: ours, networkx, rustworkx.

All three are called from Python, update by update, on the same updates. Ours gives the best cycle of up to
four legs, and is timed from the touch on; theirs, told only the two weights that changed, give any cycle.
"""

from __future__ import annotations

import numpy as np

from benchmarks.arb_detect import opened, timed
from benchmarks.arb_market import ArbMarket
from benchmarks.arb_peers import NetworkxGraph, RustGraph
from benchmarks.result import Result
from hw.clock import perf_ns
from hw.gc_policy import GcPolicy

CASE = "arb_graphs"
BAR = {"ratio": (">=", 100.0), "networkx_ratio": (">=", 1_000.0)}
BOOKS = 1_225


def run(quick: bool) -> Result:
    """Take the same updates three times, and hold the answers against each other."""
    market = ArbMarket(books=BOOKS, venues=1)
    opening, rows = market.opening(), market.updates(200 if quick else 2_000)
    graph, touches, found = opened(market, opening), rows[:, :5].tolist(), []
    ours = timed((lambda touch=touch: graph.update(*touch)) for touch in touches)  # type: ignore[misc]
    graph = opened(market, opening)
    peers: list[NetworkxGraph | RustGraph] = [NetworkxGraph(graph), RustGraph(graph)]
    times: list[list[int]] = [[], []]
    policy = GcPolicy()
    policy.freeze()
    for touch in touches:
        graph.update(*touch)
        gains = graph.longer() is not None
        found.append(gains)
        for peer, mine in zip(peers, times, strict=True):
            peer.follow(touch[0])
            began_ns = perf_ns()
            said = peer.gaining()
            mine.append(perf_ns() - began_ns)
            assert said == gains, f"{type(peer).__name__} says {said}, we {gains}"
    policy.release()
    ours_us = float(np.median(ours)) / 1_000
    networkx_us, rustworkx_us = (float(np.median(mine)) / 1_000 for mine in times)
    metrics = {
        "p50_us": round(ours_us, 2),
        "p99_us": round(float(np.percentile(ours, 99)) / 1_000, 2),
        "networkx_ratio": round(networkx_us / ours_us, 1),
        "gaining_frac": round(float(np.mean(found)), 3),
    }
    ratio = round(rustworkx_us / ours_us, 1)
    return Result(
        CASE,
        metrics,
        "rustworkx >= 100x, networkx >= 1,000x",
        ratio >= BAR["ratio"][1] and metrics["networkx_ratio"] >= BAR["networkx_ratio"][1],
        peer="rustworkx and networkx, any cycle",
        peer_metrics={"rustworkx_p50_us": round(rustworkx_us, 1), "networkx_p50_us": round(networkx_us, 1)},
        ratio=ratio,
        note=f"{len(graph.columns.pairs)} edges, {len(graph.assets)} assets; ours is the best cycle",
    )
