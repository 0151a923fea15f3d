"""Fields of a file to the columns of history, checked row by row: order, numbers, times, symbol."""

from __future__ import annotations

from typing import Any

import numpy as np

from domain.instrument import Instrument
from domain.units import Step
from market.history.arrow import Column
from market.history.chunk import Chunk
from market.history.columns import QUOTES
from market.history.depth import Depth
from market.history.exact import counts, decimals, integers, times_ns, unit_of
from market.history.field_map import FieldMap
from market.history.layout import Kind
from market.history.part import Columns
from market.history.raw import BadInput

_MONTH_NS = 28 * 86_400_000_000_000
_BUY, _SELL = ("buy", "b", "bid", "1"), ("sell", "s", "ask", "a", "-1")


class Shape:
    """Convert chunks of one file, remembering what must go on from one to the next."""

    def __init__(self, fields: FieldMap, instrument: Instrument) -> None:
        self.fields, self.instrument = fields, instrument
        self.unit = fields.unit
        self.rows = self._last_id = self._last_ns = self._interval_ns = 0
        self._depth = Depth() if fields.kind == Kind.BOOKS else None

    def convert(self, chunk: Chunk) -> Columns:
        """Give a chunk's rows; what is wrong with one of them is bad input."""
        self._check_symbol(chunk)
        made = {
            Kind.TRADES: self._trades,
            Kind.TICKS: self._ticks,
            Kind.BARS: self._bars,
            Kind.BOOKS: self._books,
        }[self.fields.kind](chunk)
        made.numbers = {**made.numbers, "arrival": np.arange(self.rows, self.rows + len_of(made))}
        self.rows += len_of(made)
        return made

    def rest(self) -> Columns | None:
        """Give what waited for more: the last book change."""
        if self._depth is None or (made := self._depth.rest()) is None:
            return None
        made.numbers = {**made.numbers, "arrival": np.array([self.rows])}
        self.rows += 1
        return made

    def _trades(self, chunk: Chunk) -> Columns:
        time_ns = self._time(chunk, "time")
        return Columns(
            {
                "exchange_ts_ns": time_ns,
                "local_ts_ns": self._local(chunk, time_ns),
                "trade_id": self._ids(chunk),
                "price_ticks": self._count(chunk, "price", self.instrument.tick, 1),
                "size_lots": self._count(chunk, "size", self.instrument.lot, 1),
                "aggressor": self._aggressor(chunk),
            }
        )

    def _ticks(self, chunk: Chunk) -> Columns:
        time_ns = self._time(chunk, "time")
        tick, lot = self.instrument.tick, self.instrument.lot
        return Columns(
            {
                "exchange_ts_ns": time_ns,
                "local_ts_ns": self._local(chunk, time_ns),
                "sequence": self._ids(chunk),
                "bid_ticks": self._count(chunk, "bid", tick, 0),
                "bid_lots": self._count(chunk, "bid_size", lot, 0),
                "ask_ticks": self._count(chunk, "ask", tick, 0),
                "ask_lots": self._count(chunk, "ask_size", lot, 0),
            }
        )

    def _bars(self, chunk: Chunk) -> Columns:
        opens = self._time(chunk, "time")
        self._rising(chunk, opens, self._last_ns, "the opening time")
        closes = self._closes(chunk, opens)
        tick = self.instrument.tick
        prices = {name: self._count(chunk, name, tick, 1) for name in ("open", "high", "low", "close")}
        top = np.maximum(prices["open"], prices["close"])
        bottom = np.minimum(prices["open"], prices["close"])
        self._refuse(
            chunk, (prices["high"] < top) | (prices["low"] > bottom), "high and low do not hold the bar"
        )
        self._last_ns = int(opens[-1])
        return Columns(
            {
                "open_ts_ns": opens,
                "close_ts_ns": closes,
                "interval_ns": closes - opens,
                **{f"{name}_ticks": price for name, price in prices.items()},
                "volume_lots": self._count(chunk, "volume", self.instrument.lot, 0),
                "taker_buy_lots": self._optional(chunk, "taker_volume"),
                "trades": self._optional(chunk, "trades"),
            },
            quotes=dict(
                zip(
                    QUOTES,
                    (self._quote(chunk, name) for name in ("quote_volume", "taker_quote_volume")),
                    strict=True,
                )
            ),
        )

    def _closes(self, chunk: Chunk, opens: Column) -> Column:
        if "end" not in self.fields.columns:
            if self._interval_ns == 0:
                if len(opens) < 2:
                    raise BadInput(
                        "one bar alone does not tell how long it is: map its end", chunk.first_line
                    )
                self._interval_ns = int(np.diff(opens).min())
            return opens + self._interval_ns
        unit_ns = {"s": 10**9, "ms": 10**6, "us": 1_000, "ns": 1, "iso": 1}[self.unit or "ns"]
        # A dump's bar ends one unit before the next begins; it is known from the moment it is over.
        lengths = self._time(chunk, "end") - opens
        lengths += np.where(lengths % 1_000_000_000 == 0, 0, unit_ns)
        self._refuse(chunk, lengths <= 0, "the bar ends before it begins")
        self._interval_ns = self._interval_ns or int(lengths[0])
        odd = (lengths != self._interval_ns) & ((lengths < _MONTH_NS) | (self._interval_ns < _MONTH_NS))
        self._refuse(chunk, odd, "the bar has another length than the first")
        return opens + lengths

    def _books(self, chunk: Chunk) -> Columns:
        assert self._depth is not None
        column = self._column
        return self._depth.convert(
            chunk.first_line,
            self._ordered(chunk, self._time(chunk, "time")),
            integers(column(chunk, "first"), "first", chunk.first_line),
            integers(column(chunk, "last"), "last", chunk.first_line),
            column(chunk, "side"),
            column(chunk, "type"),
            self._count(chunk, "price", self.instrument.tick, 1),
            self._count(chunk, "size", self.instrument.lot, 0),
        )

    def _column(self, chunk: Chunk, field: str) -> Any:
        return chunk.column(self.fields.columns[field])

    def _check_symbol(self, chunk: Chunk) -> None:
        import pyarrow.compute as pc

        if "symbol" not in self.fields.columns:
            return
        told = self._column(chunk, "symbol")
        wrong = np.asarray(pc.not_equal(told, self.instrument.symbol))
        if wrong.any():
            at = int(np.argmax(wrong))
            raise BadInput(
                f"the symbol is {told[at].as_py()!r}, not {self.instrument.symbol}", chunk.first_line + at
            )

    def _time(self, chunk: Chunk, field: str) -> Column:
        array = self._column(chunk, field)
        if self.unit is None:
            self.unit = _seen_unit(array, chunk.first_line)
        return times_ns(array, self.unit, field, chunk.first_line)

    def _local(self, chunk: Chunk, time_ns: Column) -> Column:
        local_ns = self._time(chunk, "local") if "local" in self.fields.columns else time_ns
        return self._ordered(chunk, local_ns)

    def _ordered(self, chunk: Chunk, times: Column) -> Column:
        before = np.concatenate([[self._last_ns], times[:-1]])
        self._refuse(chunk, times < before, "the time goes back")
        self._last_ns = int(times[-1])
        return times

    def _ids(self, chunk: Chunk) -> Column:
        if "id" not in self.fields.columns:
            return np.arange(self.rows + 1, self.rows + 1 + len(chunk))
        found = integers(self._column(chunk, "id"), "id", chunk.first_line)
        self._rising(chunk, found, self._last_id if self.rows else int(found[0]) - 1, "the id")
        self._last_id = int(found[-1])
        return found

    def _rising(self, chunk: Chunk, found: Column, last: int, what: str) -> None:
        before = np.concatenate([[last], found[:-1]])
        self._refuse(chunk, found == before, f"{what} is there twice")
        self._refuse(chunk, found < before, f"{what} goes back")

    def _count(self, chunk: Chunk, field: str, step: Step, least: int) -> Column:
        found = counts(self._column(chunk, field), step, field, chunk.first_line)
        self._refuse(chunk, found < least, f"{field} is {'negative' if least == 0 else 'not above zero'}")
        return found

    def _optional(self, chunk: Chunk, field: str) -> Column:
        if field not in self.fields.columns:
            return np.zeros(len(chunk), np.int64)
        if field == "trades":
            return integers(self._column(chunk, field), field, chunk.first_line)
        return self._count(chunk, field, self.instrument.lot, 0)

    def _quote(self, chunk: Chunk, field: str) -> Any:
        import pyarrow as pa

        if field in self.fields.columns:
            return decimals(self._column(chunk, field), field, chunk.first_line)
        return decimals(pa.repeat("0", len(chunk)), field, chunk.first_line)

    def _aggressor(self, chunk: Chunk) -> Column:
        if "maker" in self.fields.columns:
            # Where the buyer was the maker, the taker sold.
            return self._sides(chunk, "maker", ("false", "0"), ("true", "1"))
        if "side" in self.fields.columns:
            return self._sides(chunk, "side", _BUY, _SELL)
        return np.zeros(len(chunk), np.int64)

    def _sides(self, chunk: Chunk, field: str, buys: tuple[str, ...], sells: tuple[str, ...]) -> Column:
        import pyarrow as pa
        import pyarrow.compute as pc

        array = self._column(chunk, field)
        text = pc.ascii_lower(array if pa.types.is_string(array.type) else pc.cast(array, pa.string()))
        bought, sold = (np.asarray(pc.is_in(text, pa.array(words))) for words in (buys, sells))
        self._refuse(chunk, ~(bought | sold), f"{field} is neither {buys[0]} nor {sells[0]}")
        return np.where(bought, 1, -1)

    def _refuse(self, chunk: Chunk, wrong: Any, what: str) -> None:
        if wrong.any():
            raise BadInput(what, chunk.first_line + int(np.argmax(wrong)))


def _seen_unit(array: Any, line: int) -> str:
    import pyarrow as pa

    if pa.types.is_timestamp(array.type):
        return "iso"
    first = str(array[0].as_py())
    whole = first.partition(".")[0]
    if not whole.isascii() or not whole.isdigit():
        return "iso"
    return unit_of(int(whole), line)


def len_of(columns: Columns) -> int:
    """Count rows before they are numbered."""
    return len(next(iter(columns.numbers.values())))
