"""Files and FIX messages that are spoiled: named line, nothing half-imported, no wrong book."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import SwarmError
from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot
from market.book import Book
from market.fix import FixFeed
from market.history.file_job import FileJob
from market.history.importer import Importer
from market.history.steps import Steps
from tests.fuzz.mutations import mutated
from tests.market.history import dumps
from tests.market.test_fix import change, entry, full

HEADS = {
    "trades": (dumps.TRADES_HEAD, dumps.trades()),
    "aggTrades": (dumps.AGG_HEAD, dumps.agg_trades()),
    "klines-1m": (dumps.KLINES_HEAD, dumps.klines()),
    "bookTicker": (dumps.TICKER_HEAD, dumps.tickers()),
}
NAMES = {
    "trades": "BTCUSDT-trades-2025-01-01.csv",
    "aggTrades": "BTCUSDT-aggTrades-2025-01-01.csv",
    "klines-1m": "BTCUSDT-1m-2025-01-01.csv",
    "bookTicker": "BTCUSDT-bookTicker-2025-01-01.csv",
}
FILES = 25


def kept(root: Path) -> list[str]:
    """Name what an import left in the history, but for its locks and empty folders."""
    found = (path for path in root.rglob("*") if path.is_file() and not path.name.endswith("lock"))
    return sorted(str(path.relative_to(root)) for path in found)


@pytest.mark.parametrize("kind", list(HEADS))
def test_a_spoiled_file_is_taken_whole_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    head, lines = HEADS[kind]
    corpus = ["\n".join([head, *lines, ""]).encode()]
    whole, refused = 0, 0
    for at, body in enumerate(mutated(1, corpus, FILES)):
        root, path = tmp_path / f"history{at}", tmp_path / f"{at}" / NAMES[kind]
        path.parent.mkdir()
        path.write_bytes(body)
        try:
            Importer(root).run([FileJob(path, "binance", steps=Steps())])
            whole += 1
        except SwarmError as error:
            refused += "\n" not in str(error) and str(path) in str(error) and kept(root) == []
    assert whole + refused == FILES and whole > 0 and refused > 3


def test_spoiled_fix_messages_never_raise_and_never_show_a_crossed_book() -> None:
    market = Instrument.of(0, "fix", "BTC", "USD", tick="0.01", lot="0.001", symbol="BTC/USD")
    corpus = [
        full(1, ("0", "100.00", "1.000"), ("1", "100.05", "2.000")),
        change(2, entry("1", "0", "100.00", "3.000"), entry("0", "1", "100.04", "1.000")),
        change(3, entry("2", "1", "100.04"), entry("0", "2", "100.02", "0.500")),
    ]
    feed, book, events = FixFeed([market]), Book(0), 0
    book.feed_up(0)
    for message in mutated(1, corpus, 3_000):
        for event in feed.feed(message, 1):
            events += 1
            if isinstance(event, BookDelta | BookSnapshot):
                book.apply(event)
                if not book.stale:
                    bids, asks = book.bids.tolist(), book.asks.tolist()
                    assert not bids or not asks or bids[0][0] < asks[0][0]
                    assert all(price > 0 and lots > 0 for price, lots in bids + asks)
    feed.finish(1)
    counts = feed.frames.counts
    assert events > 300 and counts.bad_checksum > 100 and feed.frames.held_bytes < 1 << 21
