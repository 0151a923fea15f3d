"""Frames as Kraken writes them, and the slow obvious book and checksum that adapters are held against."""

from __future__ import annotations

import json
import zlib
from typing import Any

from domain.dtypes import Rows
from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot
from market.rows import RowEvent, events_of

BTC = Instrument.of(0, "test-x", "BTC", "USDT", tick="0.1", lot="0.00000001")
ETH = Instrument.of(1, "test-x", "ETH", "USDT", tick="0.01", lot="0.0001")
TIME, TIME_NS = "2023-10-06T17:35:55.440295Z", 1_696_613_755_440_295_000

# The example of Kraken's own guide "Book checksum (WebSocket v2)"; its checksum is 3310070434.
GUIDE_BIDS = (
    ("45283.5", "0.10000000"), ("45283.4", "1.54582015"), ("45282.1", "0.10000000"),
    ("45281.0", "0.10000000"), ("45280.3", "1.54592586"), ("45279.0", "0.07990000"),
    ("45277.6", "0.03310103"), ("45277.5", "0.30000000"), ("45277.3", "1.54602737"),
    ("45276.6", "0.15445238"),
)  # fmt: skip
GUIDE_ASKS = (
    ("45285.2", "0.00100000"), ("45286.4", "1.54571953"), ("45286.6", "1.54571109"),
    ("45289.6", "1.54560911"), ("45290.2", "0.15890660"), ("45291.8", "1.54553491"),
    ("45294.7", "0.04454749"), ("45296.1", "0.35380000"), ("45297.5", "0.09945542"),
    ("45299.5", "0.18772827"),
)  # fmt: skip
GUIDE_CHECKSUM = 3310070434

Pairs = tuple[tuple[str, str], ...]


def checksum(bids: Pairs, asks: Pairs) -> int:
    """Sum ten levels a side, as the guide tells it: asks first, no dots, no leading zeros."""
    parts = [
        text.replace(".", "").lstrip("0") for side in (asks, bids) for level in side[:10] for text in level
    ]
    return zlib.crc32("".join(parts).encode())


def book(
    bids: Pairs = (), asks: Pairs = (), *, flow: str = "update", crc: int = 7, symbol: str = "BTC/USDT"
) -> bytes:
    """Write a book frame, numbers with their own digits."""
    sides = [",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in side) for side in (bids, asks)]
    stamp = f',"timestamp":"{TIME}"' if flow == "update" else ""
    text = (
        f'{{"channel":"book","type":"{flow}","data":[{{"symbol":"{symbol}","bids":[{sides[0]}],'
        f'"asks":[{sides[1]}],"checksum":{crc}{stamp}}}]}}'
    )
    return text.encode()


def guide_snapshot(crc: int = GUIDE_CHECKSUM) -> bytes:
    """Write the guide's snapshot."""
    return book(GUIDE_BIDS, GUIDE_ASKS, flow="snapshot", crc=crc)


def frame(channel: str, *data: Any, flow: str = "update") -> bytes:
    """Write any other frame."""
    return json.dumps({"channel": channel, "type": flow, "data": list(data)}, separators=(",", ":")).encode()


def trade(trade_id: int, symbol: str = "BTC/USDT", side: str = "buy", **more: Any) -> dict[str, Any]:
    """Describe a public trade."""
    return {"symbol": symbol, "side": side, "price": 45285.2, "qty": 0.001, "ord_type": "limit",
            "trade_id": trade_id, "timestamp": TIME, **more}  # fmt: skip


def best(symbol: str = "BTC/USDT", **more: Any) -> dict[str, Any]:
    """Describe best prices."""
    return {"symbol": symbol, "bid": 45283.5, "bid_qty": 0.1, "ask": 45285.2, "ask_qty": 0.001,
            "last": 45285.2, "volume": 1.5, "vwap": 45284.0, "change_pct": -1.25, **more}  # fmt: skip


def only(told: object) -> RowEvent:
    """Give the one event that rows tell."""
    (event,) = several(told)
    return event


def several(told: object) -> list[RowEvent]:
    """Give the events that rows tell."""
    assert hasattr(told, "shape"), told
    rows: Rows = told  # type: ignore[assignment]
    return events_of(rows)


class SlowBook:
    """A book in two dictionaries, cut to its depth after every change, that knows its own checksum."""

    def __init__(self, instrument: Instrument, depth: int) -> None:
        self.instrument, self.depth = instrument, depth
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def apply(self, event: RowEvent) -> None:
        """Take a snapshot or an update."""
        assert isinstance(event, BookSnapshot | BookDelta)
        if isinstance(event, BookSnapshot):
            self.bids, self.asks = {}, {}
        for side, levels in ((self.bids, event.bids), (self.asks, event.asks)):
            for price, size in levels:
                side[price] = size
                if size == 0:
                    del side[price]
        self.bids = {price: self.bids[price] for price in sorted(self.bids, reverse=True)[: self.depth]}
        self.asks = {price: self.asks[price] for price in sorted(self.asks)[: self.depth]}

    def texts(self, side: dict[int, int]) -> Pairs:
        """Write a side as the venue does."""
        tick, lot = self.instrument.tick, self.instrument.lot
        return tuple((tick.text(price), lot.text(size)) for price, size in side.items())

    def checksum(self) -> int:
        """Sum it."""
        return checksum(self.texts(self.bids), self.texts(self.asks))
