"""Kraken's half of `book_wire`: a frame of book levels with its checksum in, every level in its place.

Our pipeline sums ten levels a side after every frame, as it does live; `ccxt.pro` has that switched off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nlargest, nsmallest
from typing import Any
from zlib import crc32

from domain.draws import stream
from domain.instrument import Instrument
from hw.clock import perf_ns
from market.config import BookRules, PipelineConfig
from market.pipeline import Pipeline
from market.venues.kraken.wire import MarketWire

VENUE, SYMBOL = "bench-k", "BTC/USDT"
INSTRUMENT = Instrument.of(0, VENUE, "BTC", "USDT", tick="0.1", lot="0.00000001", size_max="1000000")
# Fewer levels than the depth that is subscribed to, and so few changes that it is never reached.
MIDDLE, DEPTH, LEVELS, NEAR = 680_000, 1_000, 600, 200
BEGIN_NS = 1_696_613_755_440_295_000
_STAMP = '"timestamp":"2023-10-06T17:35:55.440295Z"'

Side = dict[int, int]


def _levels(changes: dict[int, int]) -> str:
    return ",".join(
        f'{{"price":{ticks // 10}.{ticks % 10},"qty":{lots / 1e8:.8f}}}' for ticks, lots in changes.items()
    )


def _frame(flow: str, bids: Side, asks: Side, book: tuple[Side, Side], stamp: str) -> bytes:
    """Write a frame with the checksum of what the book is after it: asks first, no dots."""
    best = nsmallest(10, book[1]), nlargest(10, book[0])
    text = "".join(
        f"{ticks}{side[ticks]}" for side, ten in zip(book[::-1], best, strict=True) for ticks in ten
    )
    told = f'"symbol":"{SYMBOL}","bids":[{_levels(bids)}],"asks":[{_levels(asks)}]'
    return (
        f'{{"channel":"book","type":"{flow}","data":[{{{told},"checksum":{crc32(text.encode())}{stamp}}}]}}'
    ).encode()


def frames(levels: int) -> Iterator[bytes]:
    """Write a snapshot, then updates without end: so many levels, half of them bids, a fifth of them go."""
    draws = stream(7, "book-wire-kraken", levels)
    bids, asks = (
        {MIDDLE + sign * (1 + 2 * place): 10**8 + place for place in range(LEVELS)} for sign in (-1, 1)
    )
    yield _frame("snapshot", bids, asks, (bids, asks), "")
    while True:
        changes: tuple[Side, Side] = {}, {}
        for sign, side, change in zip((-1, 1), (bids, asks), changes, strict=True):
            while len(change) < levels // 2:
                place = min(int(draws.expovariate(1 / 30)), NEAR)
                ticks = MIDDLE + sign * (1 + place)
                gone = place > 0 and ticks in side and draws.random() < 0.2
                change[ticks] = 0 if gone else draws.randrange(10**5, 5 * 10**8)
            for ticks, lots in change.items():
                side.pop(ticks, None)
                if lots > 0:
                    side[ticks] = lots
        yield _frame("update", *changes, (bids, asks), f",{_STAMP}")


class OursKraken:
    """The adapter's reader and a node's pipeline, as they stand in production."""

    def __init__(self, snapshot: bytes) -> None:
        self.wire = MarketWire((INSTRUMENT,))
        config = PipelineConfig(books={VENUE: BookRules(depth=DEPTH)})
        self.pipeline, self.now_ns = Pipeline((INSTRUMENT,), config), BEGIN_NS
        self.pipeline.feed_up(VENUE, BEGIN_NS)
        self.wire.opened(0)
        self.timed((snapshot,))

    def timed(self, payloads: Sequence[bytes]) -> list[int]:
        """Take frames and time each."""
        decode, advance, times = self.wire.decode, self.pipeline.advance, []
        for payload in payloads:
            self.now_ns = now_ns = self.now_ns + 100_000_000
            began_ns = perf_ns()
            rows: Any = decode(payload, now_ns)
            end = len(rows)
            at = advance(rows, 0, end)
            while at < end:
                at = advance(rows, at, end)
            times.append(perf_ns() - began_ns)
        return times

    def levels(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Give the best levels as the peer shows them."""
        book = self.pipeline.book(0)
        assert not book.stale, book.reason
        return tuple(  # type: ignore[return-value]
            [(price / 10, size / 1e8) for price, size in levels[:200].tolist()]
            for levels in (book.bids, book.asks)
        )


class PeerKraken:
    """`ccxt.pro`'s kraken class with one watched book; its own client takes each frame's text."""

    def __init__(self, snapshot: bytes) -> None:
        import ccxt.pro

        self.exchange: Any = ccxt.pro.kraken()
        market = self.exchange.safe_market_structure(
            {"id": "XBTUSDT", "symbol": SYMBOL, "base": "BTC", "quote": "USDT", "type": "spot", "spot": True}
        )
        self.exchange.set_markets([market])
        self.client: Any = self.exchange.client(self.exchange.urls["api"]["ws"]["publicV2"])
        about = self.exchange.get_message_hash("orderbook", None, SYMBOL)
        self.client.subscriptions[about] = {"limit": DEPTH}
        self.timed((snapshot,))

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
        book = self.exchange.orderbooks[SYMBOL]
        return tuple([tuple(level) for level in book[name][:200]] for name in ("bids", "asks"))  # type: ignore[return-value]
