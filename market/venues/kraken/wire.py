"""Market-data frames of the WebSocket API v2 as rows. Nothing here waits, connects or reads a clock."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec
import numpy as np

from domain.dtypes import (
    DELTA_ROW,
    EXCHANGE_NS,
    ROW_WIDTH,
    SEQUENCE,
    SNAPSHOT_ROW,
    TICK_ROW,
    TRADE_ROW,
    Rows,
)
from domain.instrument import Instrument
from domain.order import Side
from market.venues.kraken import frame_kernels as k
from market.venues.kraken.market_frames import (
    ANSWER,
    BOOK,
    FRAME,
    LISTED,
    Answer,
    Best,
    Book,
    BookFrame,
    Flow,
    Print,
    StatusFrame,
    TickerFrame,
    TradeFrame,
)
from market.venues.kraken.names import wire_symbol
from market.venues.kraken.numbers import NO_TIME, Number, NumberReader, TimeReader, unix_ns
from market.venues.steps import BadFrame
from market.venues.views import Views

# A bad frame weighs as much as this many good ones; at the limit the connection is not believed any more.
BAD_WEIGHT, BAD_WEIGHT_MAX = 16, 128
# No market tells a frame in every microsecond, so a count from one stays behind the clock; and it fits a
# float, which nanoseconds would not.
US_NS = 1_000
_LEVELS_MAX = 4_096

Scan = Callable[[bytes, int, int, k.Cells, k.Cells], int]


_UPDATE_HEAD = b'{"channel":"book","type":"update","data":[{"symbol":"'
_SYMBOL_AT, SYMBOL_BYTES_MAX = len(_UPDATE_HEAD), 40
_BOOK_HEAD, _OTHER_HEADS = b'{"channel":"book"', (b'{"channel":"trade"', b'{"channel":"ticker"')


class TradeGap(msgspec.Struct, frozen=True):
    """Trades between two ids were not seen; the last one known was at `after_ns` of the venue's time."""

    instrument: int
    after: int
    before: int
    after_ns: int


class _Market:
    """One market as a connection tells it: its readers and its places in the flow.

    One count runs over book and ticker frames: a tick takes the next one, and a book change spans from the
    last book frame's to its own, so that "follows" and "is newer" can be told as with any other venue.
    Kraken numbers none of them itself.
    """

    __slots__ = ("_cells", "index", "price", "scanned", "seen_ns", "seen_trade", "size", "times")

    def __init__(self, instrument: Instrument, times: TimeReader) -> None:
        self.index, self.times = instrument.index, times
        self.price, self.size = NumberReader(instrument.tick), NumberReader(instrument.lot)
        # The counts live where the kernel moves them on; a memoryview gives Python's ints quickly.
        self.scanned = np.zeros(k.MARKET_WIDTH, np.int64)
        self._cells = self.scanned.data
        tick, lot = instrument.tick, instrument.lot
        self.scanned[:5] = instrument.index, tick.units, tick.decimals, lot.units, lot.decimals
        self.seen_trade, self.seen_ns = -1, 0

    @property
    def count(self) -> int:
        """Give the number of the last book or ticker frame."""
        return self._cells[k.COUNT]

    @count.setter
    def count(self, number: int) -> None:
        self._cells[k.COUNT] = number

    @property
    def booked(self) -> int:
        """Give the number of the last book frame."""
        return self._cells[k.BOOKED]

    @booked.setter
    def booked(self, number: int) -> None:
        self._cells[k.BOOKED] = number

    def begin(self, now_ns: int) -> None:
        """Count on from a new connection's time: above all that came before, by whatever process, and never
        next to it. What was recorded on several connections is then one flow with gaps; a count of its own
        for each would look old, or be there twice."""
        self.count = self.booked = max(now_ns // US_NS, self.count + 1)

    def gap(self) -> None:
        """Leave a hole where a book frame should have been: the book goes stale at the next one."""
        self.count += 1
        self.booked = self.count

    def book(self, frame: Book, flow: Flow, local_ts_ns: int) -> array[int]:
        """Read a book frame's rows."""
        bids, asks = frame.bids, frame.asks
        if len(bids) + len(asks) > _LEVELS_MAX:
            raise BadFrame("too many levels")
        price, size = self.price, self.size
        flat = [
            number
            for levels in (bids, asks)
            for level in levels
            for number in (price[level.price], size[level.qty])
        ]
        snapshot = flow == "snapshot"
        if 0 in flat[::2] or (snapshot and 0 in flat):
            raise BadFrame("a level without a price or a size")
        exchange_ns = self.times.ns(frame.timestamp)
        first, self.count = self.booked + 1, self.count + 1
        self.booked = self.count
        kind, first = (SNAPSHOT_ROW, self.count) if snapshot else (DELTA_ROW, first)
        head = (
            kind, self.index, exchange_ns, local_ts_ns, first, self.count,
            len(bids), len(asks), frame.checksum, 0,
        )  # fmt: skip
        rows = array("q", head)
        rows.extend(flat)
        rows.extend((0,) * (-len(flat) % ROW_WIDTH))
        return rows

    def best(self, frame: Best, local_ts_ns: int) -> array[int]:
        """Read a ticker's row; a side that has nothing is 0 with 0."""
        bid, bid_lots = self._side(frame.bid, frame.bid_qty)
        ask, ask_lots = self._side(frame.ask, frame.ask_qty)
        exchange_ns = self.times.ns(frame.timestamp)
        self.count += 1
        row = (TICK_ROW, self.index, exchange_ns, local_ts_ns, self.count, bid, bid_lots, ask, ask_lots, 0)
        return array("q", row)

    def _side(self, price: Number, size: Number) -> tuple[int, int]:
        if price is None or size is None:
            return 0, 0
        ticks, lots = self.price[price], self.size[size]
        return (ticks, lots) if ticks > 0 and lots > 0 else (0, 0)

    def print(self, trade: Print, exchange_ns: int, local_ts_ns: int) -> array[int]:
        """Read a trade's row."""
        side = int(Side.BUY if trade.side == "buy" else Side.SELL)
        price, size = self.price[trade.price], self.size[trade.qty]
        if price == 0 or size == 0:
            raise BadFrame("a trade without a price or a size")
        return array(
            "q", (TRADE_ROW, self.index, exchange_ns, local_ts_ns, trade.trade_id, price, size, side, 0, 0)
        )


class MarketWire:
    """Decode one connection's frames. One that cannot be read is counted, gives nothing and opens a gap."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        times = TimeReader()
        self.markets = {wire_symbol(one): _Market(one, times) for one in instruments}
        self._by_index = {market.index: market for market in self.markets.values()}
        self.frames, self.bad_frames, self.last_bad = 0, 0, ""
        self._weight = 0
        self.system = ""
        self.synced: list[int] = []
        self.gaps: list[TradeGap] = []
        self.printed = False
        self._named = {symbol.encode(): market for symbol, market in self.markets.items()}
        self._cells = np.zeros(k.ROWS_MAX * ROW_WIDTH, np.int64)
        self._views = Views(self._cells.reshape(-1, ROW_WIDTH))
        self._scan = _entry()

    @property
    def hopeless(self) -> bool:
        """Tell whether so many frames were bad that none is to be believed."""
        return self._weight >= BAD_WEIGHT_MAX

    def opened(self, now_ns: int) -> None:
        """Begin a new connection: nothing of it follows what the last one told."""
        self._weight = 0
        self.synced.clear()
        for market in self.markets.values():
            market.begin(now_ns)

    def decode(self, payload: bytes, local_ts_ns: int) -> Rows | Answer | None:
        """Give the frame's rows, or the answer that it is; `None` where there is nothing new or readable.

        The rows of an update lie in a buffer that the next one overwrites.
        """
        self.frames += 1
        if payload[:_SYMBOL_AT] == _UPDATE_HEAD:
            end = payload.find(b'"', _SYMBOL_AT, _SYMBOL_AT + SYMBOL_BYTES_MAX)
            market = self._named.get(payload[_SYMBOL_AT:end])
            if market is not None:
                count = self._scan(payload, end + 1, local_ts_ns, market.scanned, self._cells)
                if count > 0:
                    if self._weight > 0:
                        self._weight -= 1
                    return self._views[count]
        return self.read(payload, local_ts_ns)

    def read(self, payload: bytes, local_ts_ns: int) -> Rows | Answer | None:
        """Read a frame of any form, as `decode` does with what its kernel leaves."""
        try:
            told = self._told(payload, local_ts_ns)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            self._bad(payload, error)
            return None
        if self._weight > 0:
            self._weight -= 1
        if isinstance(told, Answer):
            return told
        return _rows(told) if told else None

    def _told(self, payload: bytes, local_ts_ns: int) -> array[int] | Answer | None:
        try:
            frame = BOOK.decode(payload) if payload[:17] == _BOOK_HEAD else FRAME.decode(payload)
        except msgspec.ValidationError:
            answer = ANSWER.decode(payload)
            if answer.method == "" or answer.channel != "":
                raise
            return answer
        if type(frame) is BookFrame:
            return self._books(frame, local_ts_ns)
        if type(frame) is TradeFrame:
            return self._trades(frame, local_ts_ns)
        if type(frame) is TickerFrame:
            return self._bests(frame, local_ts_ns)
        if type(frame) is StatusFrame and frame.data:
            self.system = frame.data[0].system
        return None

    def _market(self, symbol: str) -> _Market:
        market = self.markets.get(symbol)
        if market is None:
            raise BadFrame(f"a market that was not asked for: {symbol[:40]!r}")
        return market

    def _books(self, frame: BookFrame, local_ts_ns: int) -> array[int]:
        found = array("q")
        for told in frame.data:
            market = self._market(told.symbol)
            found.extend(market.book(told, frame.type, local_ts_ns))
            if frame.type == "snapshot":
                self.synced.append(market.index)
        return found

    def _bests(self, frame: TickerFrame, local_ts_ns: int) -> array[int]:
        found = array("q")
        for told in frame.data:
            found.extend(self._market(told.symbol).best(told, local_ts_ns))
        return found

    def _trades(self, frame: TradeFrame, local_ts_ns: int) -> array[int]:
        """Give trades that were not seen; a first snapshot's are the past, a later one's may fill a gap."""
        read = []
        for told in sorted(frame.data, key=_trade_id):
            market = self._market(told.symbol)
            read.append((market, market.print(told, market.times.ns(told.timestamp), local_ts_ns)))
        first = {market.index for market, _ in read if frame.type == "snapshot" and market.seen_trade < 0}
        found = array("q")
        for market, row in read:
            trade_id, seen = row[SEQUENCE], market.seen_trade
            if trade_id <= seen:
                continue
            if market.index not in first:
                if 0 <= seen < trade_id - 1:
                    self.gaps.append(TradeGap(market.index, seen, trade_id, market.seen_ns))
                found.extend(row)
            market.seen_trade, market.seen_ns = trade_id, row[EXCHANGE_NS]
        self.printed = len(found) > 0
        return found

    def newest(self, instrument: int) -> int:
        """Give the id of a market's newest trade that was heard of, -1 before the first."""
        return self._by_index[instrument].seen_trade

    def recent(self, gap: TradeGap, body: bytes, local_ts_ns: int) -> Rows | None:
        """Give the trades of a gap from REST's list of them, `None` where none can be read there."""
        market, found = self._by_index[gap.instrument], array("q")
        try:
            for trade, exchange_ns in _recent(body):
                if gap.after < trade.trade_id < gap.before:
                    found.extend(market.print(trade, exchange_ns, local_ts_ns))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            self.bad_frames += 1
            self.last_bad = f"Trades: {error}"[:200]
            return None
        return _rows(found) if found else None

    def _bad(self, payload: bytes, error: Exception) -> None:
        self.bad_frames += 1
        self.last_bad = f"{type(error).__name__}: {error}"[:200]
        self._weight += BAD_WEIGHT
        if payload.startswith(_OTHER_HEADS):
            return
        # Which book it was about cannot be told either.
        for market in self.markets.values():
            market.gap()


def _entry() -> Scan:
    """Give the compiled function itself: working out which of one signatures is meant takes 0.2 µs a call."""
    scan: Any = k.scan_update
    if not hasattr(scan, "overloads"):
        return k.scan_update
    if not scan.overloads:
        scan.compile(k.SCAN_SIGNATURE)
    (only,) = scan.overloads.values()
    entry: Scan = only.entry_point
    return entry


def _trade_id(trade: Print) -> int:
    return trade.trade_id


def _recent(body: bytes) -> list[tuple[Print, int]]:
    (listed,) = [found for name, found in LISTED.decode(body).items() if name != "last"]
    trades = []
    for price, qty, time, side, _, _, trade_id in listed:
        if type(trade_id) is not int or side not in ("b", "s"):
            raise BadFrame("not a trade")
        taker: Literal["buy", "sell"] = "buy" if side == "b" else "sell"
        trades.append((Print("", taker, price, qty, trade_id, NO_TIME), unix_ns(time)))
    return sorted(trades, key=lambda found: found[0].trade_id)


def _rows(cells: array[int]) -> Rows:
    return np.frombuffer(cells, np.int64).reshape(-1, ROW_WIDTH)
