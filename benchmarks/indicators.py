"""Twenty indicators on a tick of one symbol, against the incremental ones of talipp."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.result import Result
from domain.dtypes import ROW_WIDTH, TICK_ROW, TRADE_ROW, Rows
from hw.clock import perf_ns
from hw.gc_policy import GcPolicy
from market.indicator_feed import IndicatorFeed

CASE = "indicators"
BAR = {"ratio": (">=", 20.0)}
WARM, BATCH = 1_200, 250
# What talipp has too comes first; it has no z-score, so it gives the deviation in it.
SHARED = (
    "sma:20",
    "ema:20",
    "wma:20",
    "rsi:14",
    "macd:12,26,9",
    "roc:10",
    "atr:14",
    "adx:14",
    "keltner:20,10,2",
    "donchian:20",
    "stochastic:14,1,3",
    "bollinger:20,2",
    "zscore:20",
    "vwap:100",
)
OURS_ALONE = (
    "realised_volatility:20",
    "ewma_volatility:0.94",
    "profile:100,50,500",
    "imbalance:1@tick",
    "ofi:1,100@tick",
    "microprice",
)
NAMES = SHARED + OURS_ALONE


def market(count: int) -> Rows:
    """Give ticks, and after each the trade that made it."""
    draw, price, rows = random.Random(7), 6_800_000, np.zeros((2 * count, ROW_WIDTH), np.int64)
    for at in range(count):
        price += draw.randint(-40, 40)
        now_ns = (at + 1) * 1_000_000
        rows[2 * at, :9] = TICK_ROW, 0, now_ns, now_ns, at, price, draw.randint(1, 99), price + 2, 50
        rows[2 * at + 1, :8] = TRADE_ROW, 0, now_ns, now_ns, at, price, draw.randint(1, 99), 1
    return rows


def ours(rows: Rows) -> list[int]:
    """Time the live path, one call for a tick and the trade behind it."""
    feed, times, policy = IndicatorFeed(NAMES, 1), [], GcPolicy()
    for at in range(0, len(rows), 2):
        if at == 2 * WARM:
            policy.freeze()
        began_ns = perf_ns()
        feed.take_rows(0, rows, at, at + 2)
        times.append(perf_ns() - began_ns)
    policy.release()
    assert not np.isnan(feed.indicators.row(0)).any()
    return times[WARM:]


def in_a_batch(rows: Rows) -> float:
    """Give nanoseconds per tick with its trade where many rows come in one call, as in a replay."""
    feed, times = IndicatorFeed(NAMES, 1), []
    feed.take_rows(0, rows, 0, 2 * WARM)
    for at in range(2 * WARM, len(rows), 2 * BATCH):
        began_ns = perf_ns()
        feed.take_rows(0, rows, at, at + 2 * BATCH)
        times.append((perf_ns() - began_ns) / BATCH)
    return float(np.median(times))


def talipps() -> tuple[list[Any], list[Any]]:
    """Give what talipp has of the same: those that take a price, those that take a bar."""
    import talipp.indicators as talipp

    prices = [
        talipp.SMA(20),
        talipp.EMA(20),
        talipp.WMA(20),
        talipp.RSI(14),
        talipp.MACD(12, 26, 9),
        talipp.ROC(10),
        talipp.BB(20, 2),
        talipp.StdDev(20),
    ]
    bars = [
        talipp.ATR(14),
        talipp.ADX(14, 14),
        talipp.KeltnerChannels(20, 10, 2, 2),
        talipp.DonchianChannels(20),
        talipp.Stoch(14, 3),
        talipp.VWAP(),
    ]
    assert len(prices) + len(bars) == len(SHARED)
    return prices, bars


def theirs(rows: Rows) -> list[int]:
    """Time talipp's adds; the bar that some of them take is made off the clock."""
    from talipp.ohlcv import OHLCV

    (prices, bars), times, policy = talipps(), [], GcPolicy()
    for at in range(0, len(rows), 2):
        if at == 2 * WARM:
            policy.freeze()
        price = float(rows[at, 5]) + 1.0
        bar = OHLCV(price, price, price, price, float(rows[at + 1, 6]))
        began_ns = perf_ns()
        for each in prices:
            each.add(price)
        for each in bars:
            each.add(bar)
        times.append(perf_ns() - began_ns)
    policy.release()
    assert all(each[-1] is not None for each in (*prices, *bars))
    return times[WARM:]


def percentiles(measured: Callable[[Rows], list[int]], rows: Rows) -> dict[str, float]:
    """Give median and 99th percentile in microseconds."""
    p50, p99 = np.percentile(np.array(measured(rows)), (50, 99)) / 1_000
    return {"p50_us": round(float(p50), 2), "p99_us": round(float(p99), 2)}


def run(quick: bool) -> Result:
    """Measure both in this process."""
    count = WARM + (1_000 if quick else 50_000)
    rows = market(count)
    metrics = percentiles(ours, rows) | {"batch_ns": round(in_a_batch(rows), 1)}
    peer = percentiles(theirs, rows[: 2 * (WARM + (count - WARM) // (1 if quick else 5))])
    ratio = round(peer["p50_us"] / metrics["p50_us"], 2)
    return Result(
        CASE,
        metrics,
        "ratio >= 20",
        ratio >= BAR["ratio"][1],
        peer=f"talipp, {len(SHARED)} of the same {len(NAMES)}",
        peer_metrics=peer,
        ratio=ratio,
    )
