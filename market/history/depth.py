"""Binance's T_DEPTH files, one level a line, to whole book changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from domain.dtypes import DELTA_ROW, NO_CHECKSUM, SNAPSHOT_ROW
from market.history.arrow import Column
from market.history.part import Columns
from market.history.raw import BadInput

_SIDES = {"b": 0, "bid": 0, "a": 1, "ask": 1}
_TYPES = {"snap": SNAPSHOT_ROW, "set": DELTA_ROW}


class Depth:
    """Gather lines of the same update into one change; the last one waits for the next chunk."""

    def __init__(self) -> None:
        self._waiting: Column | None = None
        self._last = -1

    def convert(
        self,
        first_line: int,
        time_ns: Column,
        first: Column,
        last: Column,
        side: Any,
        kind: Any,
        price: Column,
        size: Column,
    ) -> Columns:
        """Give the changes that are complete."""
        kinds = _coded(kind, _TYPES, "update_type", first_line)
        sides = _coded(side, _SIDES, "side", first_line)
        lines = np.arange(first_line, first_line + len(price))
        flat = np.stack([kinds, time_ns, first, last, sides, price, size, lines], axis=1)
        if self._waiting is not None:
            flat = np.concatenate([self._waiting, flat])
        begins = np.flatnonzero(np.any(flat[1:, :4] != flat[:-1, :4], axis=1)) + 1
        cut = int(begins[-1]) if len(begins) else 0
        self._waiting = flat[cut:]
        return self._changes(flat[:cut], np.concatenate([[0], begins[:-1]]) if cut else begins)

    def rest(self) -> Columns | None:
        """Give the last change."""
        if self._waiting is None or len(self._waiting) == 0:
            return None
        waiting, self._waiting = self._waiting, None
        return self._changes(waiting, np.zeros(1, np.int64))

    def _changes(self, flat: Column, begins: Column) -> Columns:
        heads = flat[begins]
        self._check(heads)
        group = np.repeat(np.arange(len(begins)), np.diff(np.concatenate([begins, [len(flat)]])))
        bid = flat[:, 4] == 0
        # Bids before asks, each from the best on.
        order = np.lexsort((np.where(bid, -flat[:, 5], flat[:, 5]), flat[:, 4], group))
        bids = np.bincount(group[bid], minlength=len(begins))
        asks = np.bincount(group[~bid], minlength=len(begins))
        return Columns(
            {
                "kind": heads[:, 0].copy(),
                "exchange_ts_ns": heads[:, 1].copy(),
                "local_ts_ns": heads[:, 1].copy(),
                "first_sequence": np.where(heads[:, 0] == SNAPSHOT_ROW, heads[:, 3], heads[:, 2]),
                "last_sequence": heads[:, 3].copy(),
                "bids": bids,
                "asks": asks,
                "checksum": np.full(len(begins), NO_CHECKSUM),
            },
            np.ascontiguousarray(flat[order][:, 5:7]).reshape(-1),
            2 * (bids + asks),
        )

    def _check(self, heads: Column) -> None:
        if len(heads) == 0:
            return
        last = heads[:, 3]
        back = last < np.concatenate([[self._last], last[:-1]])
        wrong = back | (heads[:, 2] > last)
        if wrong.any():
            at = int(np.argmax(wrong))
            what = "last_update_id goes back" if back[at] else "first_update_id is above last_update_id"
            raise BadInput(what, int(heads[at, 7]))
        self._last = int(last[-1])


def _coded(array: Any, codes: dict[str, int], name: str, first_line: int) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    place = pc.index_in(pc.ascii_lower(array), pa.array(list(codes)))
    if place.null_count:
        at = int(np.argmax(np.asarray(place.is_null())))
        words = " or ".join(repr(word) for word in codes)
        raise BadInput(f"{name} is {array[at].as_py()!r}, not {words}", first_line + at)
    coded: Column = np.array(list(codes.values()))[np.asarray(place)]
    return coded
