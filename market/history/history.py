"""Replay: recorded rows of any markets as the pipeline takes them, in the order in which they came.

What is copied, honestly: Parquet pages are decoded into Arrow buffers, which numpy views as they are; from
there one pass writes each value to its place in a packed [n, 10] array. Files hold columns, since those take
a third of the room of packed rows and are five times faster to read, and a merge of markets has to move rows
anyway. The pipeline takes the array itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from domain.dtypes import ROW_WIDTH, Rows
from domain.errors import ConfigError
from domain.instrument import Instrument
from market.history.arrow import Column
from market.history.catalog import parts
from market.history.columns import TIME, instrument_of
from market.history.lane import FOREVER_NS, Lane, apart, metadata, opened, sorted_columns
from market.history.layout import ROW_KINDS, Kind, Part, day_of
from market.history.part import Columns
from market.history.record_kernels import merge_records
from market.history.split import put, record_lengths

BATCH_ROWS = 1 << 16
LANE_ROWS_MIN = 256


class History:
    """Read what was recorded or imported under one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def parts(self, venue: str, symbols: Sequence[str], start_ns: int, end_ns: int) -> list[Part]:
        """Give the files that touch a stretch of time."""
        found = parts(
            self.root,
            venues=(venue,),
            symbols=tuple(symbols),
            first=None if start_ns <= 0 else day_of(start_ns),
            last=None if end_ns >= FOREVER_NS else day_of(max(end_ns - 1, 0)),
        )
        return [part for part in found if part.last_ns >= start_ns and part.first_ns < end_ns]

    def instrument(self, venue: str, symbol: str, index: int = 0) -> Instrument:
        """Give a market as its newest file describes it."""
        newest = max(parts(self.root, venues=(venue,), symbols=(symbol,)), default=None)
        if newest is None:
            raise ConfigError(
                f"there is no history of {symbol} at {venue}",
                where=str(self.root),
                mend="record or import some: see `swarm data ls`",
            )
        return instrument_of(metadata(opened(newest.path(self.root))), index)

    def rows(
        self,
        venue: str,
        symbols: Sequence[str],
        start_ns: int = 0,
        end_ns: int = FOREVER_NS,
        *,
        instruments: Mapping[str, Instrument] | None = None,
        kinds: Sequence[Kind] = ROW_KINDS,
        batch_rows: int = BATCH_ROWS,
    ) -> Iterator[Rows]:
        """Give packed rows with start <= local time < end, in batches of about `batch_rows`.

        A row's instrument is that of `instruments`, and files with other steps than its are refused; where
        none are given it is the symbol's place in `symbols`.
        """
        lanes = self._lanes(venue, symbols, start_ns, end_ns, instruments, kinds, batch_rows)
        while lanes:
            lanes = [lane for lane in lanes if not lane.ended]
            bound_ns = min((lane.bound_ns for lane in lanes), default=FOREVER_NS)
            taken = [(lane, columns) for lane in lanes if (columns := lane.take(bound_ns)) is not None]
            if taken:
                yield merged(taken)
            # A quarter of the lanes at once: with thousands of them one at a time would take for ever.
            limits = sorted(lane.bound_ns for lane in lanes if lane.bound_ns != FOREVER_NS)
            for lane in lanes:
                if limits and lane.bound_ns <= limits[len(limits) // 4]:
                    lane.load()

    def bars(
        self, venue: str, symbol: str, start_ns: int = 0, end_ns: int = FOREVER_NS
    ) -> Iterator[Mapping[str, Column]]:
        """Give imported bars that open in a stretch of time, as columns, oldest first.

        Bars of several lengths lie side by side: `interval_ns` tells them apart.
        """
        found = [
            part for part in self.parts(venue, (symbol,), start_ns, end_ns) if part.series.kind == Kind.BARS
        ]
        for columns in sorted_columns(self.root, Kind.BARS, found, start_ns, end_ns):
            yield columns.numbers

    def _lanes(
        self,
        venue: str,
        symbols: Sequence[str],
        start_ns: int,
        end_ns: int,
        instruments: Mapping[str, Instrument] | None,
        kinds: Sequence[Kind],
        batch_rows: int,
    ) -> list[Lane]:
        assert all(kind in ROW_KINDS for kind in kinds), "bars are no rows"
        found = self.parts(venue, symbols, start_ns, end_ns)
        runs: list[tuple[int, Kind, list[Part]]] = []
        for place, symbol in enumerate(symbols):
            own = [part for part in found if part.series.symbol == symbol]
            index = place if instruments is None else instruments[symbol].index
            if instruments is not None:
                self._check_steps(own, instruments[symbol])
            for kind in kinds:
                chosen = sorted(
                    (p for p in own if p.series.kind == kind), key=lambda p: (p.first_ns, p.last_ns)
                )
                runs += [(index, kind, run) for run in apart(chosen)]
        each = max(LANE_ROWS_MIN, batch_rows // max(1, len(runs)))
        lanes = []
        for index, kind, run in runs:
            lane = Lane(self.root, kind, run, start_ns, end_ns, each)
            lane.instrument = index
            lanes.append(lane)
        return lanes

    def _check_steps(self, found: Sequence[Part], wanted: Instrument) -> None:
        for part in found:
            told = instrument_of(metadata(opened(part.path(self.root))))
            if (told.tick, told.lot) != (wanted.tick, wanted.lot):
                raise ConfigError(
                    f"{part.name} has tick {told.tick.text(1)} and lot {told.lot.text(1)}, "
                    f"the market now {wanted.tick.text(1)} and {wanted.lot.text(1)}",
                    where=str(part.path(self.root).parent),
                    mend="replay the days before the change apart",
                )


def merged(taken: Sequence[tuple[Lane, Columns]]) -> Rows:
    """Write the records of some lanes into one packed array."""
    lengths = [record_lengths(lane.kind, columns) for lane, columns in taken]
    if len(taken) == 1:
        ends = np.cumsum(lengths[0])
        total, places = int(ends[-1]), [ends - lengths[0]]
    else:
        end = np.cumsum([len(one) for one in lengths])
        place = np.empty(int(end[-1]), np.int64)
        total = merge_records(
            np.concatenate([columns.numbers[TIME[lane.kind]] for lane, columns in taken]),
            np.concatenate([columns.numbers["arrival"] for _, columns in taken]),
            np.concatenate(lengths),
            end - np.array([len(one) for one in lengths]),
            end,
            np.empty(len(taken), np.int64),
            place,
        )
        places = np.split(place, end[:-1])
    out = np.zeros((total, ROW_WIDTH), np.int64)
    for (lane, columns), where in zip(taken, places, strict=True):
        plain = len(taken) == 1 and lane.kind != Kind.BOOKS
        put(out, slice(None) if plain else where, lane.kind, lane.instrument, columns)
    return out
