"""Tick to signed order bytes: the venue's frame in, the order's frame out, in process and warm."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from benchmarks.orders import INSTRUMENT, started_node
from benchmarks.result import Result
from domain.actions import SendOrder
from domain.desire import Desire, Quote, QuoteSet
from domain.events import Event
from domain.market_events import Tick
from domain.order_events import Fill, OrderAcked
from domain.protocols import View
from hw.clock import perf_ns
from hw.gc_policy import GcPolicy
from market.venues.binance.signing import OrderWire
from market.venues.binance.wire import MarketWire

CASE = "tick_to_order"
BAR = {"p50_us": ("<=", 25.0), "p99_us": ("<=", 100.0)}
KEY, SECRET = "k" * 64, "s" * 64
WARM = 2_000


class EveryTick:
    """Answer each tick with one quote at the touch, buying and selling in turn."""

    config = None

    def __init__(self) -> None:
        self.side = 1

    def step(self, view: View, event: Event) -> Desire | None:
        """Answer ticks."""
        if type(event) is not Tick:
            return None
        self.side = side = -self.side
        price = event.bid_ticks if side > 0 else event.ask_ticks
        return QuoteSet(0, (Quote(side, price, 10),))

    def state(self) -> bytes:
        """Keep nothing."""
        return b""

    def restore(self, state: bytes) -> None:
        """Need nothing."""


def frames(count: int) -> Iterator[bytes]:
    """Give book tickers as the venue writes them, with a price that wanders."""
    for number in range(count):
        bid = 6_800_000 + (number * 7919) % 5_000
        data = {
            "u": number + 10,
            "s": "BTCUSDT",
            "b": f"{bid / 100:.8f}",
            "B": "1.25000000",
            "a": f"{bid / 100 + 0.02:.8f}",
            "A": "0.75000000",
        }
        yield json.dumps({"stream": "btcusdt@bookTicker", "data": data}, separators=(",", ":")).encode()


def ours(count: int) -> list[int]:
    """Time frame → tick → node → signed frame; acknowledge and fill each order off the clock."""
    node = started_node(EveryTick())
    market, orders = MarketWire((INSTRUMENT,)), OrderWire((INSTRUMENT,), KEY, SECRET)
    policy, times = GcPolicy(), []
    payloads = list(frames(WARM + count))
    for number, payload in enumerate(payloads):
        if number == WARM:
            policy.freeze()
        now_ns = (number + 1) * 1_000_000
        signed = b""
        began_ns = perf_ns()
        tick = market.decode(payload, now_ns)
        assert tick is not None
        for action in node.step(tick):
            if type(action) is SendOrder:
                sent = action
                signed = orders.place(number, action.client_id, action.approved.intent, now_ns // 1_000_000)
        times.append(perf_ns() - began_ns)
        assert signed != b"" and SECRET.encode() not in signed
        intent, client_id = sent.approved.intent, sent.client_id
        side, price = intent.side, intent.price_ticks
        node.step(OrderAcked(client_id, now_ns, number))
        node.step(Fill(client_id, now_ns, 0, number + 1, 7, side, price, 10, 0, "BTC", True, now_ns))
        if number % 500 == 0:
            node.markets[0].trades.complete(number + 1)
            policy.collect_when_idle()
    policy.release()
    assert node.desk.fills == WARM + count
    return times[WARM:]


def plain(count: int) -> list[int]:
    """Time the same in the usual way: json, Decimal, a dictionary of limits, and ccxt's own signing."""
    import ccxt

    exchange: Any = ccxt.binance({"apiKey": KEY, "secret": SECRET})
    limits = {"size": Decimal("10"), "notional": Decimal("1000000"), "collar": Decimal("0.1")}
    open_orders: dict[str, dict[str, Any]] = {}
    policy, times, side = GcPolicy(), [], "SELL"
    for number, payload in enumerate(list(frames(WARM + count))):
        if number == WARM:
            policy.freeze()
        began_ns = perf_ns()
        data = json.loads(payload)["data"]
        bid, ask = Decimal(data["b"]), Decimal(data["a"])
        side = "BUY" if side == "SELL" else "SELL"
        price, size, mid = bid if side == "BUY" else ask, Decimal("0.0001"), (bid + ask) / 2
        assert size <= limits["size"] and price * size <= limits["notional"]
        assert abs(price - mid) / mid <= limits["collar"]
        order = {
            "symbol": data["s"],
            "side": side,
            "type": "LIMIT_MAKER",
            "price": str(price),
            "quantity": str(size),
            "newClientOrderId": uuid.uuid4().hex,
        }
        open_orders[order["newClientOrderId"]] = order
        signed = exchange.sign("order", ["private"], "POST", order)
        times.append(perf_ns() - began_ns)
        assert "signature=" in signed["body"]
        open_orders.clear()
        if number % 500 == 0:
            policy.collect_when_idle()
    policy.release()
    return times[WARM:]


def percentiles(measured: Callable[[int], list[int]], count: int) -> dict[str, float]:
    """Give median and 99th percentile in microseconds."""
    p50, p99 = np.percentile(np.array(measured(count)), (50, 99)) / 1_000
    return {"p50_us": round(float(p50), 2), "p99_us": round(float(p99), 2)}


def run(quick: bool) -> Result:
    """Measure both in this process."""
    count = 2_000 if quick else 100_000
    metrics, peer = percentiles(ours, count), percentiles(plain, count // 5)
    return Result(
        CASE,
        metrics,
        "p50_us <= 25, p99_us <= 100",
        all(metrics[name] <= bound for name, (_, bound) in BAR.items()),
        peer="json + Decimal + ccxt sign()",
        peer_metrics=peer,
        ratio=round(peer["p50_us"] / metrics["p50_us"], 2),
    )
