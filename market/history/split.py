"""Packed rows to columns by series, and columns back to packed rows."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from domain.dtypes import (
    ASKS,
    BIDS,
    DELTA_ROW,
    EXCHANGE_NS,
    INSTRUMENT,
    KIND,
    LEVELS_PER_ROW,
    LOCAL_NS,
    ROW_WIDTH,
    SEQUENCE,
    TICK_ROW,
    TRADE_ROW,
    Rows,
)
from market.history.arrow import Column, spread
from market.history.columns import COLUMNS
from market.history.layout import Kind
from market.history.part import Columns
from market.history.record_kernels import find_records

_CLASS = {Kind.TICKS: 0, Kind.TRADES: 1, Kind.BOOKS: 2}
_KINDS = (Kind.TICKS, Kind.TRADES, Kind.BOOKS)
# Where in a row each column lies; what is not named here follows in the order of the columns.
_PLACES = {
    kind: {
        "exchange_ts_ns": EXCHANGE_NS,
        "local_ts_ns": LOCAL_NS,
        "kind": KIND,
        **{name: SEQUENCE + place for place, name in enumerate(names)},
    }
    for kind, names in (
        (Kind.TICKS, COLUMNS[Kind.TICKS][3:]),
        (Kind.TRADES, COLUMNS[Kind.TRADES][3:]),
        (Kind.BOOKS, COLUMNS[Kind.BOOKS][4:]),
    )
}


class Block(msgspec.Struct, eq=False):
    """Records of one kind of one market as they came: their first rows, and for books their levels."""

    heads: Rows
    arrival: Column
    levels: Column | None = None
    level_counts: Column | None = None

    def __len__(self) -> int:
        return len(self.heads)

    @property
    def local_ns(self) -> Column:
        """Give the times."""
        return self.heads[:, LOCAL_NS]

    def pick(self, chosen: Column) -> Block:
        """Give some of the records, in the order in which they are named."""
        if self.levels is None or self.level_counts is None:
            return Block(self.heads[chosen], self.arrival[chosen])
        firsts = np.cumsum(self.level_counts) - self.level_counts
        counts = self.level_counts[chosen]
        levels = self.levels[spread(firsts[chosen], counts)]
        return Block(self.heads[chosen], self.arrival[chosen], levels, counts)


def joined(blocks: list[Block]) -> Block:
    """Put blocks one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    levels = [block.levels for block in blocks if block.levels is not None]
    counts = [block.level_counts for block in blocks if block.level_counts is not None]
    return Block(
        np.concatenate([block.heads for block in blocks]),
        np.concatenate([block.arrival for block in blocks]),
        np.concatenate(levels) if levels else None,
        np.concatenate(counts) if counts else None,
    )


def split(rows: Rows, arrival: int) -> Iterator[tuple[int, Kind, Block]]:
    """Take packed rows apart by instrument and kind; `arrival` is the number of the first record."""
    starts = np.empty(len(rows), np.int64)
    found = find_records(rows, starts)
    assert found >= 0, f"row {-1 - found} of {len(rows)} begins no record"
    starts = starts[:found]
    heads = rows if found == len(rows) else rows[starts]
    code = heads[:, INSTRUMENT] * 4 + np.minimum(heads[:, KIND], DELTA_ROW) - TICK_ROW
    order = np.argsort(code, kind="stable")
    edges = np.flatnonzero(np.diff(code[order])) + 1
    for chosen in np.split(order, edges):
        instrument, place = divmod(int(code[chosen[0]]), 4)
        block = Block(heads[chosen], arrival + chosen)
        if _KINDS[place] == Kind.BOOKS:
            block.level_counts = 2 * (block.heads[:, BIDS] + block.heads[:, ASKS])
            block.levels = rows.reshape(-1)[spread((starts[chosen] + 1) * ROW_WIDTH, block.level_counts)]
        yield instrument, _KINDS[place], block


def columns_of(kind: Kind, block: Block) -> Columns:
    """Give the columns of a file."""
    numbers: dict[str, Column] = {
        name: block.arrival
        if name == "arrival"
        else np.ascontiguousarray(block.heads[:, _PLACES[kind][name]])
        for name in COLUMNS[kind]
    }
    return Columns(numbers, block.levels, block.level_counts)


def record_lengths(kind: Kind, columns: Columns) -> Column:
    """Tell how many packed rows each record takes."""
    if kind != Kind.BOOKS:
        return np.ones(len(columns), np.int64)
    levels = columns.numbers["bids"] + columns.numbers["asks"]
    return 1 + (levels + LEVELS_PER_ROW - 1) // LEVELS_PER_ROW


def put(out: Rows, place: Column | slice, kind: Kind, instrument: int, columns: Columns) -> None:
    """Write records into packed rows that are all zero, each from its place on."""
    numbers = columns.numbers
    if kind != Kind.BOOKS:
        out[place, KIND] = TICK_ROW if kind == Kind.TICKS else TRADE_ROW
    out[place, INSTRUMENT] = instrument
    for name, column in _PLACES[kind].items():
        if name in numbers:
            out[place, column] = numbers[name]
    if kind == Kind.BOOKS:
        assert columns.levels is not None and columns.level_counts is not None
        assert isinstance(place, np.ndarray)
        out.reshape(-1)[spread((place + 1) * ROW_WIDTH, columns.level_counts)] = columns.levels
