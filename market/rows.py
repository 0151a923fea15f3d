"""Market events as rows and back: `domain.dtypes` tells what the columns mean."""

from __future__ import annotations

import numpy as np

from domain.dtypes import (
    AGGRESSOR,
    ASK_LOTS,
    ASK_TICKS,
    ASKS,
    BID_LOTS,
    BID_TICKS,
    BIDS,
    CHECKSUM,
    DELTA_ROW,
    EXCHANGE_NS,
    INSTRUMENT,
    KIND,
    LAST_SEQUENCE,
    LOCAL_NS,
    PRICE_TICKS,
    ROW_WIDTH,
    SEQUENCE,
    SIZE_LOTS,
    SNAPSHOT_ROW,
    TICK_ROW,
    TRADE_ROW,
    Rows,
    level_rows,
)
from domain.market_events import BookDelta, BookSnapshot, Levels, Tick, Trade

RowEvent = Tick | Trade | BookDelta | BookSnapshot


def rows_of(event: RowEvent) -> Rows:
    """Give an event's rows.

    >>> rows_of(Tick(3, 10, 20, 99, 1, 101, 2, 7)).tolist()
    [[1, 3, 10, 20, 7, 99, 1, 101, 2, 0]]
    """
    if type(event) is Tick:
        top = (event.bid_ticks, event.bid_lots, event.ask_ticks, event.ask_lots, 0)
        return _row(TICK_ROW, event, event.sequence, *top)
    if type(event) is Trade:
        return _row(
            TRADE_ROW, event, event.trade_id, event.price_ticks, event.size_lots, event.aggressor, 0, 0
        )
    assert isinstance(event, BookDelta | BookSnapshot)
    bids, asks = event.bids, event.asks
    rows = np.zeros((1 + level_rows(len(bids) + len(asks)), ROW_WIDTH), np.int64)
    counts = (len(bids), len(asks), event.checksum, 0)
    if type(event) is BookDelta:
        rows[0] = _row(DELTA_ROW, event, event.first_sequence, event.last_sequence, *counts)
    else:
        assert type(event) is BookSnapshot
        rows[0] = _row(SNAPSHOT_ROW, event, event.sequence, event.sequence, *counts)
    if bids or asks:
        rows[1:].reshape(-1)[: 2 * (len(bids) + len(asks))] = np.array(bids + asks, np.int64).reshape(-1)
    return rows


def _row(kind: int, event: RowEvent, *rest: int) -> Rows:
    first = (kind, event.instrument, event.exchange_ts_ns, event.local_ts_ns)
    return np.array([(*first, *rest)], np.int64)


def events_of(rows: Rows) -> list[RowEvent]:
    """Give what rows tell, for people, tests and slow paths.

    >>> events_of(rows_of(Trade(3, 10, 20, 7, 100, 5, -1)))[0].trade_id
    7
    """
    found: list[RowEvent] = []
    at = 0
    while at < len(rows):
        row = rows[at].tolist()
        levels = row[BIDS] + row[ASKS] if row[KIND] in (DELTA_ROW, SNAPSHOT_ROW) else 0
        end = at + 1 + level_rows(levels)
        found.append(_event(row, rows[at + 1 : end].reshape(-1).tolist()))
        at = end
    return found


def _event(row: list[int], flat: list[int]) -> RowEvent:
    key = row[INSTRUMENT], row[EXCHANGE_NS], row[LOCAL_NS]
    if row[KIND] == TICK_ROW:
        return Tick(*key, row[BID_TICKS], row[BID_LOTS], row[ASK_TICKS], row[ASK_LOTS], row[SEQUENCE])
    if row[KIND] == TRADE_ROW:
        return Trade(*key, row[SEQUENCE], row[PRICE_TICKS], row[SIZE_LOTS], row[AGGRESSOR])
    bids = _levels(flat, 0, row[BIDS])
    asks = _levels(flat, row[BIDS], row[ASKS])
    if row[KIND] == DELTA_ROW:
        return BookDelta(*key, row[SEQUENCE], row[LAST_SEQUENCE], bids, asks, row[CHECKSUM])
    assert row[KIND] == SNAPSHOT_ROW, f"a row of kind {row[KIND]}"
    return BookSnapshot(*key, row[SEQUENCE], bids, asks, row[CHECKSUM])


def _levels(flat: list[int], first: int, count: int) -> Levels:
    return tuple((flat[2 * place], flat[2 * place + 1]) for place in range(first, first + count))
