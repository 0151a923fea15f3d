"""Which markets a batch of rows moved."""

from __future__ import annotations

from domain.dtypes import ASKS, BIDS, INSTRUMENT, KIND, TICK_ROW, TRADE_ROW, Rows, level_rows

HEAD = ASKS + 1


def touched(rows: Rows) -> tuple[int, ...]:
    """Give every market whose touch or book the rows tell of, once, in the order of mention."""
    count = len(rows)
    if count == 1:
        return (rows.item(INSTRUMENT),) if rows.item(KIND) != TRADE_ROW else ()
    found: dict[int, None] = {}
    at = 0
    while at < count:
        head = rows[at, :HEAD].tolist()
        kind = head[KIND]
        if kind != TRADE_ROW:
            found[head[INSTRUMENT]] = None
        at += 1 if kind in (TICK_ROW, TRADE_ROW) else 1 + level_rows(head[BIDS] + head[ASKS])
    return tuple(found)
