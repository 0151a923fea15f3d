"""Trades that history has already: some venues tell their latest ones again to each new process."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from domain.dtypes import EXCHANGE_NS, SEQUENCE
from domain.errors import SwarmError
from domain.instrument import Instrument
from market.history.arrow import numbers_of
from market.history.catalog import parts
from market.history.lane import opened
from market.history.layout import Kind
from market.history.split import Block


class Retold:
    """Hold back one market's trades up to the last one in history, until the first that is new."""

    def __init__(self, root: Path, instrument: Instrument) -> None:
        self._last = last_trade(root, instrument)

    def new(self, block: Block) -> Block:
        """Give the trades that history has not."""
        if self._last is None:
            return block
        trade_id, at_ns = self._last
        # A venue that began to count anew is later in time, though its numbers are lower.
        known = (block.heads[:, SEQUENCE] <= trade_id) & (block.heads[:, EXCHANGE_NS] <= at_ns)
        if not known.all():
            self._last = None
        return block.pick(np.flatnonzero(~known)) if known.any() else block


def last_trade(root: Path, instrument: Instrument) -> tuple[int, int] | None:
    """Give the highest id and venue's time at the end of a market's newest file of trades."""
    there = parts(root, venues=(instrument.venue,), symbols=(instrument.symbol,))
    newest = max((part for part in there if part.series.kind == Kind.TRADES), default=None)
    if newest is None:
        return None
    import pyarrow as pa

    try:
        with opened(newest.path(root)) as file:
            last = file.num_row_groups - 1
            (group,) = file.read_row_group(last, columns=["trade_id", "exchange_ts_ns"]).to_batches()
    except (SwarmError, pa.ArrowException, OSError, ValueError):
        return None  # `verify` tells what is damaged; a recording goes on without
    ids, times = (numbers_of(group.column(name)) for name in ("trade_id", "exchange_ts_ns"))
    return int(ids.max()), int(times.max())
