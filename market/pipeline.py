"""One value for all market data of a node: rows go in, and only what matters comes out to Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import ROW_WIDTH, Rows
from domain.instrument import Instrument
from domain.market_events import Tick, Trade
from hw.kernel import entry
from market import pipeline_kernels as k
from market import row_kernels as flag
from market.book import Book, BookChange
from market.columns import (
    ASK,
    ASK_LOTS_AT,
    ASKED_MID,
    ASKS,
    BEGAN,
    BID,
    BID_LOTS_AT,
    CLAIM_NS,
    COUNTS,
    DRIFT,
    FLAGS,
    FROZEN,
    HEARD_NS,
    JUMPS,
    KNOWN,
    LAST_TRADE,
    LAST_TRADE_NS,
    LEVEL,
    MODE,
    OFFSET_NS,
    RATE,
    RATE_NS,
    REASON,
    REASONS,
    SYMBOL_WORDS,
    TICKS,
    TIME_MAX,
    TOUCH_NS,
    TOUCH_SEQUENCE,
    TRADE_PRICE,
    UNKNOWN_ROWS,
    Block,
)
from market.config import PipelineConfig
from market.indicator_feed_kernels import forget_book
from market.layout import lay_out
from market.mode import Mode
from market.pipeline_state import restored, written
from market.quality import Level, Quality, Reason, VenueClock
from market.ring import TickRing
from market.schedule import Schedule

SIGNIFICANT, TRADED, STALED, SYNCED = flag.SIGNIFICANT, flag.TRADED, flag.STALED, flag.SYNCED
_SEEN, _TRADE = Struct("=9q"), Struct("=4q")
_TRADE_BYTES = TRADE_PRICE * 8
_LEVELS, _MODES = tuple(Level), {int(mode): mode for mode in Mode}

Resolution = Literal["1m", "1h"]
Touch = tuple[int, int, int, int, int, int]


class Pipeline:
    """Advance books, touches, rings, bars, indicators and questions over rows of all markets.

    `advance` comes back after a row with `flags`; the attributes then tell what was seen. Rows that nobody
    must look at cost no Python at all.
    """

    __slots__ = (
        "_block",
        "_books",
        "_call",
        "_cells",
        "_deferred",
        "_found",
        "_head",
        "_known",
        "_rings",
        "_seen",
        "_words",
        "aggressor",
        "ask_lots",
        "ask_ticks",
        "bid_lots",
        "bid_ticks",
        "columns",
        "config",
        "exchange_ts_ns",
        "flags",
        "instrument",
        "instruments",
        "local_ts_ns",
        "parts",
        "price_ticks",
        "sequence",
        "size_lots",
        "trade_id",
        "venue_places",
    )

    def __init__(
        self,
        instruments: Sequence[Instrument],
        config: PipelineConfig | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        self.config = config or PipelineConfig()
        self.instruments = {one.index: one for one in sorted(instruments, key=lambda one: one.index)}
        markets = tuple(self.instruments.values())
        self.columns, self.parts, self.venue_places = lay_out(markets, self.config, schedule)
        self._deferred = "deferred" in (schedule.classes.values() if schedule is not None else ())
        self._rings = {index: self.parts.rings.ring(index) for index in self.instruments}
        self._block = self.columns.block
        self._call: Callable[[Rows, int, int, Block], int] = entry(k.advance)
        self._known: object = self
        self._books = {
            index: Book(index, self.config.depth_max, columns=self.columns) for index in self.instruments
        }
        self._words = self._block.data
        symbols = self._block[self.columns.symbols_at : self.columns.venues_at]
        self._cells = symbols.reshape(-1, SYMBOL_WORDS)
        self._head = self._words.cast("B")
        self._found = np.zeros(self.columns.symbols, np.int64)
        self.flags = self.instrument = self.sequence = self.exchange_ts_ns = self.local_ts_ns = 0
        self.bid_ticks = self.bid_lots = self.ask_ticks = self.ask_lots = 0
        self.price_ticks = self.size_lots = self.aggressor = self.trade_id = 0

    def advance(self, rows: Rows, start: int, end: int) -> int:
        """Take rows until one must be looked at; give the place after it, or `end`."""
        if rows.base is not self._known or not rows.flags.carray:
            rows = self._checked(rows)
        if not self._deferred:
            return self._advance(rows, start, end)
        # What the background thread may still owe within these rows is waited for, and new work given.
        self.parts.indicators.settle(end - start)
        at = self._advance(rows, start, end)
        self.parts.indicators.dispatch()
        return at

    def _advance(self, rows: Rows, at: int, end: int) -> int:
        block, words = self._block, self._words
        while True:
            at = self._call(rows, at, end, block)
            flags = words[FLAGS]
            if flags == 0:
                self.flags = 0
                return at
            if flags > flag.SYNCED:
                self._heed(rows, at, flags)
                if words[FLAGS] == 0:
                    continue
            elif flags == flag.STALED and words[BEGAN] >= 0:
                self._books[words[1]].dropped(rows[words[BEGAN] : at])
            elif flags == flag.STALED:
                self._books[words[1]].forget()
            self._read()
            return at

    def _checked(self, rows: Rows) -> Rows:
        """Look closely at rows that do not lie where the last ones did: compiled code takes them on trust."""
        assert rows.dtype == np.int64 and rows.ndim == 2 and rows.shape[1] == ROW_WIDTH
        if not rows.flags.carray:
            return np.require(rows, np.int64, ["C", "W", "A"])
        self._known = self if rows.base is None else rows.base
        return rows

    def _heed(self, rows: Rows, at: int, flags: int) -> None:
        """Keep a change that must wait, or apply what waited for a snapshot."""
        words = self._words
        index = words[1]
        book = self._books[index]
        words[FLAGS] = 0
        if flags == flag.WAITING:
            book.wait(rows[words[BEGAN] : at])
        elif book.settle() == BookChange.SYNCED:
            self._call(rows, -1 - index, 0, self._block)
        else:
            words[FLAGS] = flag.STALED

    def _read(self) -> None:
        (
            self.flags,
            self.instrument,
            self.exchange_ts_ns,
            self.local_ts_ns,
            self.sequence,
            self.bid_ticks,
            self.bid_lots,
            self.ask_ticks,
            self.ask_lots,
        ) = _SEEN.unpack_from(self._head)
        if self.flags == flag.TRADED:
            self.price_ticks, self.size_lots, self.aggressor, self.trade_id = _TRADE.unpack_from(
                self._head, _TRADE_BYTES
            )

    def tick(self) -> Tick:
        """Give what was seen as a tick."""
        return Tick(
            self.instrument,
            self.exchange_ts_ns,
            self.local_ts_ns,
            self.bid_ticks,
            self.bid_lots,
            self.ask_ticks,
            self.ask_lots,
            self.sequence,
        )

    def trade(self) -> Trade:
        """Give what was seen as a trade."""
        return Trade(
            self.instrument,
            self.exchange_ts_ns,
            self.local_ts_ns,
            self.trade_id,
            self.price_ticks,
            self.size_lots,
            self.aggressor,
        )

    @property
    def ticks(self) -> int:
        """Count the ticks accepted over all markets."""
        return self._words[TICKS]

    @property
    def unknown_rows(self) -> int:
        """Count rows of no known kind or market."""
        return self._words[UNKNOWN_ROWS]

    def book(self, index: int) -> Book:
        """Give a market's book."""
        return self._books[index]

    def ring(self, index: int) -> TickRing:
        """Give a market's latest ticks."""
        return self._rings[index]

    def bars(self, index: int, resolution: Resolution = "1m") -> NDArray[np.void]:
        """Give a market's closed bars of a minute or an hour, oldest first, as a view."""
        return self.parts.bars.minutes(index) if resolution == "1m" else self.parts.bars.hours(index)

    def indicator(self, index: int, name: str) -> float | None:
        """Give an indicator of a market, `None` while it is not warm."""
        return self.parts.indicators.value(index, name)

    def touch(self, index: int) -> Touch:
        """Give a market's bid, its lots, ask, its lots, their sequence, and when they were last heard."""
        words, base = self._words, self.columns.symbol(index)
        return (
            words[base + BID],
            words[base + BID_LOTS_AT],
            words[base + ASK],
            words[base + ASK_LOTS_AT],
            words[base + TOUCH_SEQUENCE],
            words[base + TOUCH_NS],
        )

    def last_trade(self, index: int) -> tuple[int, int]:
        """Give the id and the venue's time of a market's latest trade, noughts before the first."""
        words, base = self._words, self.columns.symbol(index)
        return words[base + LAST_TRADE], words[base + LAST_TRADE_NS]

    def quality(self, index: int) -> Quality:
        """Give how far a market's data can be believed, and what was found wrong with it."""
        words, base = self._words, self.columns.symbol(index)
        counts = words[base + COUNTS : base + COUNTS + REASONS]
        return Quality(_LEVELS[words[base + LEVEL]], {one: counts[one] for one in Reason if counts[one] != 0})

    def clock(self, venue: str) -> VenueClock:
        """Give what a venue's clock was found to be."""
        words, place = self._words, self.venue_places[venue]
        drift = float(self._block.view(np.float64)[place + DRIFT])
        return VenueClock(words[place + KNOWN] == 2, words[place + OFFSET_NS], drift, words[place + JUMPS])

    def mode(self, index: int) -> Mode:
        """Give how a market's ticks are chosen now."""
        return _MODES[self._words[self.columns.symbol(index) + MODE]]

    def rate_per_s(self, index: int) -> float:
        """Give a market's ticks per second, as the mode sees them."""
        count = float(self._block.view(np.float64)[self.columns.symbol(index) + RATE])
        return max(0.0, count - 1.0) * 1e9 / self._words[RATE_NS]

    def asks(self, index: int) -> int:
        """Count how often strategies were to be asked about a market."""
        return self._words[self.columns.symbol(index) + ASKS]

    def feed_up(self, venue: str, now_ns: int) -> None:
        """Begin a new epoch of a venue's books: a connection stands."""
        for index in self._of(venue):
            self._books[index].feed_up(now_ns)
            self._begin_anew(index)

    def feed_lost(self, venue: str, now_ns: int) -> None:
        """Stop believing a venue: its connection broke."""
        for index in self._of(venue):
            self._books[index].feed_lost()
            self._begin_anew(index)

    def restarted(self) -> None:
        """Stop believing every book: the process began again."""
        for index, book in self._books.items():
            book.restarted()
            self._begin_anew(index)

    def watch(self, now_ns: int) -> list[int]:
        """Find feeds that stand still; give the markets whose books went stale of age."""
        found: list[int] = self._found[: k.watch_all(self._block, now_ns, self._found)].tolist()
        for index in found:
            self._books[index].watch(now_ns)
            self._words[self.columns.symbol(index) + ASKED_MID] = 0
            self._break_flow(index)
        return found

    def wants_snapshot(self, index: int, now_ns: int) -> bool:
        """Tell, once per retry interval, that a market's snapshot must be fetched."""
        return self._books[index].wants_snapshot(now_ns)

    def stale(self) -> list[int]:
        """Find the markets whose books must not be believed, by index."""
        return np.flatnonzero(self._cells[:, REASON]).tolist()

    def believed(self, index: int) -> bool:
        """Tell whether a market's book is fresh and what it last said was not found wrong."""
        words, base = self._words, self.columns.symbol(index)
        return words[base + REASON] == 0 and words[base + LEVEL] == 0

    def doubted(self) -> list[int]:
        """Find the markets of which anything was ever not believed, by index."""
        cells = self._cells
        wrong = cells[:, COUNTS : COUNTS + REASONS].any(axis=1) | (cells[:, REASON] != 0)
        return np.flatnonzero(wrong).tolist()

    def settle(self) -> None:
        """Wait for what works in the background."""
        self.parts.indicators.settle(TIME_MAX)

    def close(self) -> None:
        """End what works in the background."""
        self.parts.indicators.close()

    def state(self) -> bytes:
        """Give everything that a restart needs, as data; only what is used of rings and books."""
        return written(self)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave; markets that came or changed their steps since begin anew."""
        restored(self, state)

    def _of(self, venue: str) -> list[int]:
        return [index for index, one in self.instruments.items() if one.venue == venue]

    def _begin_anew(self, index: int) -> None:
        """Forget what only one connection's sequences and claims mean."""
        words, base = self._words, self.columns.symbol(index)
        words[base + TOUCH_SEQUENCE] = -1
        for word in (ASKED_MID, CLAIM_NS, HEARD_NS, FROZEN):
            words[base + word] = 0
        self._break_flow(index)

    def _break_flow(self, index: int) -> None:
        indicators = self.parts.indicators
        forget_book(indicators.program, indicators.state, index)
