"""Replay ticks, trades and book changes through every stage of the pipeline, with twelve indicators.

The batch is one node's market data in a busy minute: four markets of 2,500 ticks/s each, so that the modes
choose what is asked about, and the strategy's share of the time stays what it is live. The peer does the
same stages in the usual way, with dicts and talipp, on a slice of the same rows: it has no batches, so its
speed does not depend on how many there are.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from benchmarks.result import Result
from domain.dtypes import (
    AGGRESSOR,
    ASK_LOTS,
    ASK_TICKS,
    ASKS,
    BID_LOTS,
    BID_TICKS,
    BIDS,
    CHECKSUM,
    DELTA_ROW,
    EXCHANGE_NS,
    INSTRUMENT,
    KIND,
    LAST_SEQUENCE,
    LOCAL_NS,
    NO_CHECKSUM,
    PRICE_TICKS,
    ROW_WIDTH,
    SEQUENCE,
    SIZE_LOTS,
    TICK_ROW,
    TRADE_ROW,
    Rows,
)
from domain.instrument import Instrument
from domain.market_events import BookSnapshot
from hw.clock import perf_ns
from market.config import PipelineConfig
from market.pipeline import SIGNIFICANT, Pipeline
from market.rows import rows_of
from market.significance import measure

CASE = "pipeline"
BAR: dict[str, tuple[str, float]] = {"ticks_per_s": (">=", 2_000_000.0)}

INDICATORS = (
    "sma:20",
    "ema:20",
    "wma:20",
    "rsi:14",
    "macd:12,26,9",
    "bollinger:20,2",
    "zscore:20",
    "donchian:20",
    "ewma_volatility:0.94",
    "microprice",
    "imbalance:1",
    "atr:14@1m",
)
MARKETS, GAP_NS, BEGIN_NS = 4, 100_000, 1_700_000_000_000_000_000
# A tick is a twentieth of a basis point, and a decision turns on one.
MID_TICKS, DECISION_TICKS = 200_000, 20
# Of each twenty ticks one is followed by a trade, and one by a change of a book's two levels.
EVERY = 20
ROUNDS = 3
TICKS, TICKS_QUICK, PEER_TICKS, PEER_QUICK = 2_000_000, 20_000, 20_000, 1_000


def run(quick: bool) -> Result:
    """Replay the stream in one batch, one row at a time as live, and through the peer."""
    ticks = TICKS_QUICK if quick else TICKS
    rows = stream(ticks)
    replay(rows[:100])
    took_s, asks = min(replay(rows) for _ in range(ROUNDS))
    live = rows[: min(len(rows), 40_000)]
    live_s, _ = min(one_by_one(live) for _ in range(ROUNDS))
    peer_ticks = PEER_QUICK if quick else PEER_TICKS
    peer_s = min(usual_way(stream(peer_ticks)) for _ in range(ROUNDS))
    rate, peer_rate = ticks / took_s, peer_ticks / peer_s
    bar = BAR["ticks_per_s"][1]
    return Result(
        case=CASE,
        metrics={
            "ticks_per_s": rate,
            "rows_per_s": len(rows) / took_s,
            "asks_frac": asks / ticks,
            "live_us": live_s / len(live) * 1e6,
            **losses(rows[: 400_000 if not quick else 4_000]),
        },
        bar=f"ticks_per_s >= {bar:,.0f}",
        met=rate >= bar,
        peer="dicts and talipp in a Python loop, on a slice",
        peer_metrics={"ticks_per_s": peer_rate},
        ratio=rate / peer_rate,
        note="live_us: one event per call; equal_frac: decisions equal to those of FULL; cpu_frac: its time",
    )


def markets() -> tuple[Instrument, ...]:
    """Give the markets of the stream."""
    return tuple(
        Instrument.of(index, "x", f"C{index}", "USDT", tick="0.01", lot="0.001") for index in range(MARKETS)
    )


def stream(ticks: int) -> Rows:
    """Draw ticks that wander, with trades and book changes among them, as a feed brings them."""
    draw = np.random.default_rng(7)
    extra = ticks // EVERY
    when = np.concatenate(
        [np.arange(ticks), np.arange(1, extra + 1) * EVERY, np.arange(1, extra + 1) * EVERY]
    )
    kinds = np.concatenate([np.full(ticks, TICK_ROW), np.full(extra, TRADE_ROW), np.full(extra, DELTA_ROW)])
    order = np.argsort(when, kind="stable")
    when, kinds = when[order], kinds[order]
    starts = np.cumsum(1 + (kinds == DELTA_ROW)) - 1 - (kinds == DELTA_ROW)
    rows = np.zeros((len(when) + extra, ROW_WIDTH), np.int64)
    index = when % MARKETS
    index[kinds != TICK_ROW] = (when[kinds != TICK_ROW] // EVERY) % MARKETS
    rows[starts, KIND], rows[starts, INSTRUMENT] = kinds, index
    rows[starts, LOCAL_NS] = BEGIN_NS + when * GAP_NS
    rows[starts, EXCHANGE_NS] = rows[starts, LOCAL_NS] - 1_000_000
    steps = np.cumsum(draw.integers(-1, 2, ticks + 1))
    mids = MID_TICKS + steps[np.minimum(when, ticks)]
    _fill_ticks(rows, starts[kinds == TICK_ROW], mids[kinds == TICK_ROW], draw)
    _fill_trades(rows, starts[kinds == TRADE_ROW], mids[kinds == TRADE_ROW], draw)
    _fill_changes(rows, starts[kinds == DELTA_ROW], index[kinds == DELTA_ROW], draw)
    return rows


def _fill_ticks(rows: Rows, at: Any, mids: Any, draw: np.random.Generator) -> None:
    # Ticks are ahead of the books' sequences, as they are at a venue that tells both.
    rows[at, SEQUENCE] = 1_000_000_000 + np.arange(len(at))
    rows[at, BID_TICKS], rows[at, ASK_TICKS] = mids - 1, mids + 1
    rows[at, BID_LOTS], rows[at, ASK_LOTS] = draw.integers(1, 100, (2, len(at)))


def _fill_trades(rows: Rows, at: Any, mids: Any, draw: np.random.Generator) -> None:
    rows[at, SEQUENCE], rows[at, PRICE_TICKS] = np.arange(1, len(at) + 1), mids
    rows[at, SIZE_LOTS], rows[at, AGGRESSOR] = draw.integers(1, 50, len(at)), draw.choice((1, -1), len(at))


def _fill_changes(rows: Rows, at: Any, index: Any, draw: np.random.Generator) -> None:
    numbers = np.zeros(len(at), np.int64)
    for market in range(MARKETS):
        numbers[index == market] = np.arange(1, np.count_nonzero(index == market) + 1)
    rows[at, SEQUENCE] = rows[at, LAST_SEQUENCE] = numbers
    rows[at, BIDS] = rows[at, ASKS] = 1
    rows[at, CHECKSUM] = NO_CHECKSUM
    rows[at + 1, 0] = MID_TICKS - 50_000 - draw.integers(0, 50, len(at))
    rows[at + 1, 2] = MID_TICKS + 50_000 + draw.integers(0, 50, len(at))
    rows[at + 1, 1], rows[at + 1, 3] = draw.integers(1, 100, (2, len(at)))


def started() -> Pipeline:
    """Give a pipeline whose feeds stand and whose books are synced."""
    config = PipelineConfig(indicators=INDICATORS, ask_trades=False)
    pipeline = Pipeline(markets(), config)
    pipeline.feed_up("x", BEGIN_NS)
    bids = tuple((MID_TICKS - 50_000 - step, 5) for step in range(100))
    asks = tuple((MID_TICKS + 50_000 + step, 5) for step in range(100))
    for index in range(MARKETS):
        snapshot = rows_of(BookSnapshot(index, 0, BEGIN_NS, 0, bids, asks))
        pipeline.advance(snapshot, 0, len(snapshot))
    return pipeline


def replay(rows: Rows) -> tuple[float, int]:
    """Give the seconds that one batch took, and how often strategies were to be asked."""
    pipeline, at, end, asks = started(), 0, len(rows), 0
    advance = pipeline.advance
    start_ns = perf_ns()
    while at < end:
        at = advance(rows, at, end)
        asks += pipeline.flags & SIGNIFICANT
    took_s = (perf_ns() - start_ns) / 1e9
    assert not any(pipeline.book(index).stale for index in range(MARKETS))
    return took_s, asks


def one_by_one(rows: Rows) -> tuple[float, int]:
    """Give the seconds that it took with one event per call, as a feed brings them."""
    pipeline, asks = started(), 0
    advance = pipeline.advance
    events = np.flatnonzero((rows[:, KIND] <= DELTA_ROW) & (rows[:, LOCAL_NS] >= BEGIN_NS)).tolist()
    batches = [rows[at : at + 1 + (rows[at, KIND] == DELTA_ROW)] for at in events]
    start_ns = perf_ns()
    for batch in batches:
        advance(batch, 0, len(batch))
        asks += pipeline.flags & SIGNIFICANT
    return (perf_ns() - start_ns) / 1e9, asks


def losses(rows: Rows) -> dict[str, float]:
    """Measure what the modes lose and save, with a decision by the move over the last 500 ticks."""
    config = PipelineConfig(indicators=INDICATORS)

    def decide(pipeline: Pipeline) -> int:
        past = pipeline.ring(pipeline.instrument).last(500)
        move = pipeline.bid_ticks - int(past["bid_ticks"][0])
        return (move > DECISION_TICKS) - (move < -DECISION_TICKS)

    found = {}
    for loss in measure(rows, markets(), config, decide)[1:]:
        name = loss.mode.name.lower()
        found[f"{name}_equal_frac"], found[f"{name}_cpu_frac"] = loss.equal_frac, loss.cpu_frac
    return found


class UsualWay:
    """One market in the usual way: dicts for the book, a deque for ticks, talipp for indicators."""

    def __init__(self) -> None:
        from talipp import indicators as ta

        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.ring: deque[tuple[int, ...]] = deque(maxlen=1_024)
        self.of_price: list[Any] = [
            ta.SMA(20),
            ta.EMA(20),
            ta.WMA(20),
            ta.RSI(14),
            ta.MACD(12, 26, 9),
            ta.BB(20, 2),
            ta.ZLEMA(20),
            ta.DEMA(20),
            ta.StdDev(20),
        ]
        self.figures = [0.0, 0.0]
        self.bar = [0, 0, 0, 0, 0]
        self.bars: deque[list[int]] = deque(maxlen=1_440)
        self.minute, self.sequence, self.asked_mid, self.asked_ns = 0, 0, 0, 0

    def tick(self, row: list[int]) -> bool:
        """Take a tick; tell whether a strategy is to be asked."""
        bid, bid_lots, ask, ask_lots = row[BID_TICKS : ASK_LOTS + 1]
        if bid <= 0 or ask <= bid or row[SEQUENCE] <= self.sequence:
            return False
        self.sequence = row[SEQUENCE]
        self.ring.append((row[EXCHANGE_NS], row[LOCAL_NS], bid, bid_lots, ask, ask_lots))
        middle = 0.5 * (bid + ask)
        for indicator in self.of_price:
            indicator.add(middle)
            indicator.purge_oldest(1) if len(indicator) > 64 else None
        lots = bid_lots + ask_lots
        self.figures = [(bid * ask_lots + ask * bid_lots) / lots, (bid_lots - ask_lots) / lots]
        moved = abs(bid + ask - self.asked_mid) * 10_000 >= 2 * self.asked_mid
        if moved or row[LOCAL_NS] - self.asked_ns >= 100_000_000:
            self.asked_mid, self.asked_ns = bid + ask, row[LOCAL_NS]
            return True
        return False

    def trade(self, row: list[int]) -> None:
        """Take a trade into its minute."""
        price, minute = row[PRICE_TICKS], row[EXCHANGE_NS] // 60_000_000_000
        if minute != self.minute:
            self.bars.append(self.bar)
            self.minute, self.bar = minute, [price, price, price, price, 0]
        bar = self.bar
        bar[1], bar[2], bar[3] = max(bar[1], price), min(bar[2], price), price
        bar[4] += row[SIZE_LOTS]

    def change(self, row: list[int], levels: list[int]) -> None:
        """Take a change of the book."""
        for place in range(row[BIDS] + row[ASKS]):
            side = self.sides[place >= row[BIDS]]
            price, size = levels[2 * place], levels[2 * place + 1]
            if size != 0:
                side[price] = size
            else:
                side.pop(price, None)


def usual_way(rows: Rows) -> float:
    """Give the seconds that the peer took."""
    kept, told, at = [UsualWay() for _ in range(MARKETS)], rows.tolist(), 0
    start_ns = perf_ns()
    while at < len(told):
        row = told[at]
        market = kept[row[INSTRUMENT]]
        at += 1
        if row[KIND] == TICK_ROW:
            market.tick(row)
        elif row[KIND] == TRADE_ROW:
            market.trade(row)
        else:
            market.change(row, told[at])
            at += 1
    return (perf_ns() - start_ns) / 1e9
