"""History, then live, as one stream: nothing missing, nothing twice, and a hole is told.

The live feed is buffered from the start (`buffer`) while history is taken (`warm`). What both hold is taken
from the live side, since its order is whole; so history ends for each market and kind where the buffer
begins. `holes` tells where the two do not meet; `fill` takes rows that were fetched for them; `join` gives
the buffer; `live` is for everything after it.

Trades meet by their ids, book changes by their sequences (a snapshot mends any hole before it). A tick's
sequence may skip numbers, so ticks meet only where both sides hold one of them; otherwise that is `unproven`.
A venue without sequences (all zero) is joined by its own time, and is unproven as well.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.dtypes import (
    DELTA_ROW,
    EXCHANGE_NS,
    INSTRUMENT,
    KIND,
    LAST_SEQUENCE,
    NO_ROWS,
    SEQUENCE,
    SNAPSHOT_ROW,
    TICK_ROW,
    TRADE_ROW,
    Rows,
)
from market.history.arrow import Column
from market.history.record_kernels import find_records

Mask = NDArray[np.bool_]


class Hole(msgspec.Struct, frozen=True):
    """Where history and live do not meet: what is missing lies between the two sequences.

    `missing` is absent where the sequences cannot tell, and whether anything is missing at all.
    """

    instrument: int
    row_kind: int
    after: int
    before: int
    missing: int | None


class _Records(msgspec.Struct, eq=False):
    """Where the records of packed rows begin, and by what each is known."""

    starts: Column
    key: Column
    first: Column
    last: Column
    exchange_ns: Column


class _Side(msgspec.Struct):
    """How far one side is, of one market and kind."""

    first: int
    last: int
    exchange_ns: int


class Seam:
    """Join one history and one live feed."""

    def __init__(self) -> None:
        self.dropped_rows = 0
        self._buffered: list[Rows] = []
        self._live: dict[int, _Side] = {}
        self._seen: dict[int, _Side] = {}
        self._passed: dict[int, _Side] = {}
        self._filled: dict[int, dict[int, int]] = {}
        self._joined = False

    def buffer(self, rows: Rows) -> None:
        """Hold live rows back; they are copied."""
        own = rows.copy()
        self._buffered.append(own)
        self.heard(own)

    def heard(self, rows: Rows) -> None:
        """Take note of live rows that somebody else holds back, and will give to `live` after `join`."""
        assert not self._joined, "the seam is closed: give live rows to `live`"
        records = _records(rows)
        for key, places in _by_key(records):
            side = _reached(records, places)
            before = self._live.get(key)
            self._live[key] = side if before is None else _Side(before.first, side.last, side.exchange_ns)

    def warm(self, rows: Rows) -> Rows:
        """Give the rows of history that the live side does not hold."""
        records = _records(rows)
        keep = np.ones(len(records.starts), bool)
        for key, places in _by_key(records):
            _widen(self._seen, key, _reached(records, places))
            live = self._live.get(key)
            if live is not None:
                keep[places] = records.last[places] < live.first
            kept = places[keep[places]]
            if len(kept):
                _widen(self._passed, key, _reached(records, kept))
        return self._kept(rows, records, keep)

    def holes(self) -> tuple[Hole, ...]:
        """Tell where history and the buffer do not meet, as far as is known now."""
        found = []
        for key, live in self._live.items():
            hole = self._hole(key, live)
            if hole is not None:
                found.append(hole)
        return tuple(found)

    def fill(self, rows: Rows) -> Rows:
        """Give those of some fetched rows that lie in a hole; they come before what `join` gives."""
        records = _records(rows)
        keep = np.zeros(len(records.starts), bool)
        holes = {_key(hole.instrument, hole.row_kind): hole for hole in self.holes()}
        for key, places in _by_key(records):
            hole = holes.get(key)
            if hole is None:
                continue
            filled = self._filled.setdefault(key, {})
            for place in places.tolist():
                first, last = int(records.first[place]), int(records.last[place])
                if last > hole.after and first < hole.before and last not in filled:
                    filled[last] = first
                    keep[place] = True
            if keep[places].any():
                _widen(self._passed, key, _reached(records, places[keep[places]]))
        return self._kept(rows, records, keep)

    def join(self) -> Rows:
        """Give the buffered rows, but for those that history gave already; from now on use `live`."""
        assert not self._joined, "a seam is joined once"
        self._joined = True
        given = [self.live(rows) for rows in self._buffered]
        self._buffered = []
        return np.concatenate(given) if given else NO_ROWS

    def live(self, rows: Rows) -> Rows:
        """Give live rows, but for those that history gave already."""
        if not self._passed:
            return rows
        records = _records(rows)
        keep = np.ones(len(records.starts), bool)
        for key, places in _by_key(records):
            passed = self._passed.get(key)
            if passed is None:
                continue
            # A venue that began to count anew is later in time, though its numbers are lower.
            known = (records.last[places] <= passed.last) & (
                records.exchange_ns[places] <= passed.exchange_ns
            )
            keep[places] = ~known
            if not known.all():
                del self._passed[key]
        return self._kept(rows, records, keep)

    @property
    def met(self) -> bool:
        """Tell whether live went past all that history gave: every row passes from now on."""
        return self._joined and not self._passed

    def _hole(self, key: int, live: _Side) -> Hole | None:
        instrument, row_kind = divmod(key, 8)
        seen = self._seen.get(key)
        if row_kind == SNAPSHOT_ROW or seen is None or seen.last >= live.first:
            return None
        if row_kind == TICK_ROW or seen.last <= 0:
            return Hole(instrument, row_kind, seen.last, live.first, None)
        after = seen.last
        if row_kind == DELTA_ROW:
            if self._mended(instrument, live):
                return None
            book = self._seen.get(_key(instrument, SNAPSHOT_ROW))
            after = after if book is None else max(after, book.last)
        after, missing = self._missing(key, after, live.first)
        return Hole(instrument, row_kind, after, live.first, missing) if missing > 0 else None

    def _missing(self, key: int, after: int, before: int) -> tuple[int, int]:
        """Tell from where on something is missing, and how much, with what was filled in."""
        reach, missing, begins = after, 0, after
        for last, first in sorted(self._filled.get(key, {}).items()):
            if first > reach + 1:
                missing += first - reach - 1
            elif missing == 0:
                begins = max(reach, last)
            reach = max(reach, last)
        return begins, missing + max(0, before - reach - 1)

    def _mended(self, instrument: int, live: _Side) -> bool:
        """Tell whether the buffer holds a whole book from which its changes go on."""
        snapshot = self._live.get(_key(instrument, SNAPSHOT_ROW))
        return snapshot is not None and live.first <= snapshot.last + 1

    def _kept(self, rows: Rows, records: _Records, keep: Mask) -> Rows:
        if keep.all():
            return rows
        ends = np.concatenate([records.starts[1:], [len(rows)]])
        kept = rows[np.repeat(keep, ends - records.starts)]
        self.dropped_rows += len(rows) - len(kept)
        return kept


def _key(instrument: int, row_kind: int) -> int:
    return instrument * 8 + row_kind


def _records(rows: Rows) -> _Records:
    starts = np.empty(len(rows), np.int64)
    found = find_records(np.ascontiguousarray(rows), starts)
    assert found >= 0, f"row {-1 - found} of {len(rows)} begins no record"
    starts = starts[:found]
    heads = rows[starts]
    kind, first = heads[:, KIND], heads[:, SEQUENCE]
    last = np.where((kind == TICK_ROW) | (kind == TRADE_ROW), first, heads[:, LAST_SEQUENCE])
    # Without sequences the venue's own time is the next best.
    silent = last == 0
    exchange_ns = heads[:, EXCHANGE_NS]
    return _Records(
        starts,
        heads[:, INSTRUMENT] * 8 + kind,
        np.where(silent, exchange_ns, first),
        np.where(silent, exchange_ns, last),
        exchange_ns,
    )


def _by_key(records: _Records) -> list[tuple[int, Column]]:
    if len(records.key) == 0:
        return []
    order = np.argsort(records.key, kind="stable")
    edges = np.flatnonzero(np.diff(records.key[order])) + 1
    return [(int(records.key[places[0]]), places) for places in np.split(order, edges)]


def _reached(records: _Records, places: Column) -> _Side:
    return _Side(
        int(records.first[places].min()),
        int(records.last[places].max()),
        int(records.exchange_ns[places].max()),
    )


def _widen(sides: dict[int, _Side], key: int, side: _Side) -> None:
    before = sides.get(key)
    if before is not None:
        side = _Side(
            min(before.first, side.first),
            max(before.last, side.last),
            max(before.exchange_ns, side.exchange_ns),
        )
    sides[key] = side
