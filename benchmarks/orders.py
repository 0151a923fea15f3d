"""Orders through node, gate, order desk and matching engine, in one process on one core."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

import numpy as np
from sortedcontainers import SortedDict

from agents.config import RegionConfig
from agents.node import Node
from benchmarks.apart.environment import measured
from benchmarks.result import Result
from domain.actions import SendOrder
from domain.control_events import LeaseGranted, NodeStarted
from domain.desire import Desire, Quote, QuoteSet
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import BookSnapshot, FeedUp, Tick
from domain.order_events import AccountSnapshot, Fill, OrderAcked, OrderLinkUp
from domain.protocols import View
from hw.clock import perf_ns
from sim.exchange import engine_kernels as k
from sim.exchange.engine import Engine

CASE = "orders"
BAR = {"orders_per_s": (">=", 100_000.0)}
LADDER, STRETCHES = 16, 25
OURS, FLOW = 1, 2
VENUE, NS = "bench-x", 1_000_000_000
INSTRUMENT = Instrument.of(0, VENUE, "BTC", "USDT", tick="0.01", lot="0.00001", size_max="1000000000")


class Ladder:
    """Quote a ladder on both sides of every tick's touch."""

    config = None

    def step(self, view: View, event: Event) -> Desire | None:
        """Answer ticks."""
        if type(event) is not Tick:
            return None
        bid, ask = event.bid_ticks, event.ask_ticks
        quotes = []
        for away in range(LADDER // 2):
            quotes.append(Quote(1, bid - away, 10))
            quotes.append(Quote(-1, ask + away, 10))
        return QuoteSet(0, tuple(quotes))

    def state(self) -> bytes:
        """Keep nothing."""
        return b""

    def restore(self, state: bytes) -> None:
        """Need nothing."""


def region() -> RegionConfig:
    """Build a node with one agent and limits that only bound madness."""
    url = "127.0.0.1:1"
    venue = {
        "name": VENUE,
        "rest_url": f"http://{url}",
        "stream_url": f"ws://{url}",
        "api_url": f"ws://{url}",
    }
    venue |= {"account": "bench", "api_key_env": "K", "api_secret_env": "S", "symbols": ("BTCUSDT",)}  # type: ignore[dict-item]
    wide: dict[str, Any] = {"messages_per_s": 1_000_000, "messages_burst": 1_000_000}
    limits = {"order_notional_max": 1_000_000, "position_notional_max": 100_000_000, "in_flight_max": 1_000}
    agent = {"name": "ladder", "shard": 1, "strategy": "market_maker", "venue": VENUE, "symbol": "BTCUSDT"}
    return RegionConfig.model_validate(
        {
            "node": "bench-1",
            "market": {"mode": "full"},  # every tick asks
            "region": "bench",
            "coordinator": {"address": "inproc://none"},
            "venues": [venue],
            "agents": [{**agent, "warm_ticks": 0, "limits": {**wide, **limits, "collar_bps": 1000}}],
            "limits": {**wide, "gross_notional_max": 100_000_000, "in_flight_max": 1_000},
            "desk": {"ids_block": 65_536, "requote_ppm": 0},
        }
    )


def started_node(strategy: Any) -> Node:
    """Bring a node to where its agent is active."""
    node = Node(region(), (INSTRUMENT,))
    node.desk.agents[1].strategy = strategy
    balances = {"BTC": (10**17, 0), "USDT": (10**18, 0)}
    events: tuple[Event, ...] = (
        NodeStarted(1, "", ""),
        OrderLinkUp(VENUE, 1),
        AccountSnapshot(VENUE, 1, balances, (), ()),
        FeedUp(VENUE, 1),
        BookSnapshot(0, 1, 1, 1, ((6_800_000, 5),), ((6_800_002, 5),)),
        LeaseGranted(1, 1, 10**18, 10**18),
    )
    for event in events:
        node.step(event)
    return node


class Venue:
    """Carry the node's orders to a matching engine, and its word back to the node."""

    def __init__(self, node: Node, matched: Callable[[list[int]], Iterable[list[int]]]) -> None:
        self.node, self.matched = node, matched
        self.trade_id, self.taker = 0, 1 << 60

    def round(self, tick: Tick) -> int:
        """Take a tick through the node, its orders through the engine, and every answer back."""
        now_ns, bid = tick.local_ts_ns, tick.bid_ticks
        step, rested, trade = self.node.step, k.RESTED, k.TRADE
        ops: list[int] = []
        for action in step(tick):
            if type(action) is SendOrder:
                intent = action.approved.intent
                price, size = intent.price_ticks, intent.size_lots
                ops += (0, action.client_id, OURS, intent.side, intent.tif, price, size, 0)
        orders = len(ops) // k.OP_WORDS
        for side in (1, -1):
            self.taker += 1
            ops += (0, self.taker, FLOW, side, k.MARKET, 0, 10 * LADDER // 2, 0)
        first = trade_id = self.trade_id
        for kind, number, price, lots, _, _ in self.matched(ops):
            if kind == rested:
                step(OrderAcked(number, now_ns, number))
            elif kind == trade:
                trade_id += 1
                side, asset = (1, "BTC") if price <= bid else (-1, "USDT")
                step(Fill(number, now_ns, 0, trade_id, 7, side, price, lots, 0, asset, True, now_ns))
        assert trade_id - first == orders and not self.node.desk.working
        self.trade_id = trade_id
        if trade_id % 512 == 0:
            self.node.markets[0].trades.complete(trade_id)
        return orders


def engine() -> Callable[[list[int]], Iterable[list[int]]]:
    """Match a batch with the compiled engine."""
    book = Engine()

    def matched(ops: list[int]) -> Iterable[list[int]]:
        rows: list[list[int]] = []
        for piece in book.run(np.array(ops, np.int64).reshape(-1, k.OP_WORDS)):
            rows += piece.tolist()
        return rows

    return matched


class PlainBook:
    """A book as one would write it: sorted dictionaries of queues."""

    def __init__(self) -> None:
        self.sides: dict[int, Any] = {1: SortedDict(), -1: SortedDict()}

    def matched(self, ops: list[int]) -> Iterable[list[int]]:
        """Match a batch of post-only and market orders."""
        rows: list[list[int]] = []
        for at in range(0, len(ops), k.OP_WORDS):
            _, number, _, side, tif, price, size, _ = ops[at : at + k.OP_WORDS]
            if tif == k.MARKET:
                self._take(side, size, rows)
            else:
                self.sides[side].setdefault(price, deque()).append([number, size])
                rows.append([k.RESTED, number, size, 0, 0, 0])
        return rows

    def _take(self, side: int, size: int, rows: list[list[int]]) -> None:
        levels = self.sides[-side]
        while size > 0 and levels:
            price, queue = levels.peekitem(0 if side > 0 else -1)
            maker = queue[0]
            lots = min(size, maker[1])
            size -= lots
            maker[1] -= lots
            rows.append([k.TRADE, maker[0], price, lots, maker[1], OURS])
            if maker[1] == 0:
                queue.popleft()
                if not queue:
                    del levels[price]


class Stretches:
    """Orders per second of one venue, stretch by stretch."""

    def __init__(self, matched: Callable[[list[int]], Iterable[list[int]]], rounds: int) -> None:
        self.venue, self.rounds = Venue(started_node(Ladder()), matched), rounds
        self.number, self.rates = 0, list[float]()

    def run(self) -> None:
        """Run one stretch: every order is acknowledged and filled."""
        began_ns, orders = perf_ns(), 0
        for _ in range(self.rounds):
            self.number += 1
            bid = 6_800_000 + self.number % 7
            orders += self.venue.round(Tick(0, 0, self.number * 1_000_000, bid, 1, bid + 2, 1, self.number))
        assert orders == self.rounds * LADDER
        self.rates.append(orders / (perf_ns() - began_ns) * NS)


def measure(rounds: int) -> tuple[float, float]:
    """Give the medians of ours and the peer's, in turn, so that a slow moment meets both."""
    pair = Stretches(engine(), rounds), Stretches(PlainBook().matched, rounds)
    for each in pair:
        each.run()
        each.rates.clear()
    gc.collect()
    gc.freeze()
    gc.disable()
    for _ in range(STRETCHES):
        for each in pair:
            each.run()
    gc.enable()
    gc.unfreeze()
    return round(median(pair[0].rates)), round(median(pair[1].rates))


def run(quick: bool) -> Result:
    """Measure, with the same node on a plain Python book as the peer, and a whole other engine apart."""
    ours, peer = measure(20 if quick else 400)
    # Its quotes share one price a side and are filled by crossing quotes: an order of magnitude, no ratio.
    apart, said = measured("nautilus_orders", "nautilus_trader", "100")
    other = {"nautilus_orders_per_s": apart["orders_per_s"]} if apart else {}
    return Result(
        CASE,
        {"orders_per_s": ours},
        "orders_per_s >= 100,000",
        ours >= BAR["orders_per_s"][1],
        peer="the same node on a sortedcontainers book",
        peer_metrics={"orders_per_s": peer, **other},
        ratio=round(ours / peer, 2),
        note=f"ladders of {LADDER} quotes a tick, median of {STRETCHES} stretches; {said}",
    )
