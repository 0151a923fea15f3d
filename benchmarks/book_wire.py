"""Frame bytes to updated book: the venue's depth frame in, every level of the book in its place."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from benchmarks.kraken_book import OursKraken, PeerKraken
from benchmarks.kraken_book import frames as kraken_frames
from benchmarks.result import Result
from domain.draws import stream
from domain.instrument import Instrument
from domain.market_events import BookSnapshot, MarketRows
from hw.clock import perf_ns
from hw.gc_policy import GcPolicy
from market.pipeline import Pipeline
from market.rows import rows_of
from market.venues.binance.wire import MarketWire

CASE = "book_wire"
BAR = {"p99_us": ("<=", 50.0)}
RATIO_MIN = 10.0
VENUE, SYMBOL = "bench-x", "BTC/USDT"
INSTRUMENT = Instrument.of(0, VENUE, "BTC", "USDT", tick="0.01", lot="0.00001", size_max="1000000")
MIDDLE, DEPTH, NEAR = 6_800_000, 1_000, 400
WARM, STRETCH = 500, 250
Frames = list[bytes]
Timed = Callable[[Sequence[bytes]], list[int]]


def snapshot() -> BookSnapshot:
    """Give a thousand levels a side, a tick or two apart."""
    bids = tuple((MIDDLE - 1 - 2 * place, 100_000 + place) for place in range(DEPTH))
    asks = tuple((MIDDLE + 1 + 2 * place, 100_000 + place) for place in range(DEPTH))
    return BookSnapshot(0, 0, 1, 100, bids, asks)


def side(draws: random.Random, sign: int, levels: int) -> list[list[str]]:
    """Change levels, most of them near the touch: a fifth goes, the others get a size or come."""
    places = {min(int(draws.expovariate(1 / 60)), NEAR) for _ in range(3 * levels)}
    chosen = sorted(places)[:levels] if len(places) >= levels else list(range(levels))
    told = []
    for place in chosen:
        size = 0 if place > 0 and draws.random() < 0.2 else draws.randrange(100, 500_000)
        told.append([f"{(MIDDLE + sign * (1 + place)) / 100:.8f}", f"{size / 100_000:.8f}"])
    return told


def frames(count: int, levels: int) -> Frames:
    """Write depth frames as the venue does: so many levels, half of them bids."""
    draws, made, last = stream(7, "book-wire", levels), [], 100
    for _ in range(count):
        first, last = last + 1, last + 1 + draws.randrange(20)
        data = {"e": "depthUpdate", "E": 1_750_000_000_000 + last, "s": "BTCUSDT", "U": first, "u": last}
        sides = {"b": side(draws, -1, levels // 2), "a": side(draws, 1, levels // 2)}
        frame = {"stream": "btcusdt@depth@100ms", "data": data | sides}
        made.append(json.dumps(frame, separators=(",", ":")).encode())
    return made


class Ours:
    """The adapter's reader and a node's pipeline, as they stand in production."""

    def __init__(self) -> None:
        self.wire, self.pipeline = MarketWire((INSTRUMENT,)), Pipeline((INSTRUMENT,))
        self.pipeline.feed_up(VENUE, 1)
        rows = rows_of(snapshot())
        at = 0
        while at < len(rows):
            at = self.pipeline.advance(rows, at, len(rows))
        self.now_ns = 1_750_000_000_000_000_000

    def timed(self, payloads: Sequence[bytes]) -> list[int]:
        """Take frames and time each."""
        decode, advance, times = self.wire.decode, self.pipeline.advance, []
        for payload in payloads:
            self.now_ns = now_ns = self.now_ns + 100_000_000
            began_ns = perf_ns()
            event = decode(payload, now_ns)
            rows = event.rows  # type: ignore[union-attr]
            end = len(rows)
            at = advance(rows, 0, end)
            while at < end:
                at = advance(rows, at, end)
            times.append(perf_ns() - began_ns)
            assert type(event) is MarketRows
        return times

    def levels(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Give the best levels as the peer shows them."""
        book = self.pipeline.book(0)
        assert not book.stale, book.reason
        return tuple(  # type: ignore[return-value]
            [(price / 100, size / 100_000) for price, size in levels[:200].tolist()]
            for levels in (book.bids, book.asks)
        )


class Peer:
    """`ccxt.pro`'s binance class with one watched, synchronised book; its own client takes each frame's text.

    No task waits for the book, and JSON is parsed by what ccxt finds (orjson where it is installed): both are
    to its advantage.
    """

    def __init__(self) -> None:
        import ccxt.pro

        self.exchange: Any = ccxt.pro.binance()
        market = self.exchange.safe_market_structure(
            {"id": "BTCUSDT", "symbol": SYMBOL, "base": "BTC", "quote": "USDT", "type": "spot", "spot": True}
        )
        self.exchange.set_markets([market])
        told = snapshot()
        book = self.exchange.orderbooks[SYMBOL] = self.exchange.order_book({}, DEPTH)
        book.reset(
            {
                "bids": [[price / 100, size / 100_000] for price, size in told.bids],
                "asks": [[price / 100, size / 100_000] for price, size in told.asks],
                "nonce": told.sequence,
            }
        )
        self.book = book
        self.client: Any = self.exchange.client(self.exchange.urls["api"]["ws"]["spot"] + "/0")

    def timed(self, payloads: Sequence[bytes]) -> list[int]:
        """Take frames and time each."""
        take, times = self.client.handle_text_or_binary_message, []
        for payload in payloads:
            text = payload.decode()
            began_ns = perf_ns()
            take(text)
            times.append(perf_ns() - began_ns)
        return times

    def levels(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Give the best levels."""
        return tuple([tuple(level) for level in self.book[name][:200]] for name in ("bids", "asks"))  # type: ignore[return-value]


async def measured(
    ours: Ours | OursKraken, peer: Peer | PeerKraken, payloads: Frames
) -> tuple[list[int], list[int]]:
    """Time both on the same frames, in turn, so that a slow moment meets both."""
    policy = GcPolicy()
    ours.timed(payloads[:WARM])
    peer.timed(payloads[:WARM])
    policy.freeze()
    mine: list[int] = []
    theirs: list[int] = []
    for begin in range(WARM, len(payloads), STRETCH):
        mine += ours.timed(payloads[begin : begin + STRETCH])
        theirs += peer.timed(payloads[begin : begin + STRETCH])
        policy.collect_when_idle()
    policy.release()
    assert ours.levels() == peer.levels(), "the two books differ"
    await peer.exchange.close()
    return mine, theirs


async def binance(count: int, levels: int) -> tuple[list[int], list[int]]:
    """Time both on Binance's frames."""
    return await measured(Ours(), Peer(), frames(WARM + count, levels))


async def kraken(count: int) -> tuple[list[int], list[int]]:
    """Time both on Kraken's frames."""
    snapshot, *updates = islice(kraken_frames(20), 1 + WARM + count)
    return await measured(OursKraken(snapshot), PeerKraken(snapshot), updates)


def figures(times: list[int], name: str = "") -> dict[str, float]:
    """Give median and 99th percentile in microseconds."""
    p50, p99 = np.percentile(np.array(times), (50, 99)) / 1_000
    return {f"p50{name}_us": round(float(p50), 2), f"p99{name}_us": round(float(p99), 2)}


def run(quick: bool) -> Result:
    """Measure both in this process: 10 bids and 10 asks a frame; 20 and 20, and Kraken's, beside them."""
    count = 1_000 if quick else 20_000
    mine, theirs = asyncio.run(binance(count, 20))
    mine_40, theirs_40 = asyncio.run(binance(count // 2, 40))
    mine_kraken, theirs_kraken = asyncio.run(kraken(count // 2))
    metrics, peer = figures(mine), figures(theirs)
    ratio = round(peer["p50_us"] / metrics["p50_us"], 2)
    metrics |= figures(mine_40, "_40_levels")
    peer |= figures(theirs_40, "_40_levels")
    metrics |= figures(mine_kraken, "_kraken")
    peer |= figures(theirs_kraken, "_kraken")
    return Result(
        CASE,
        metrics,
        "ratio >= 10 at p50, p99_us <= 50",
        ratio >= RATIO_MIN and metrics["p99_us"] <= BAR["p99_us"][1],
        peer="ccxt.pro binance and kraken",
        peer_metrics=peer,
        ratio=ratio,
        note="frames of 10 bids and 10 asks; `_40_levels` are 20 and 20; books are compared at the end",
    )
