"""Find the records in packed rows, and the order in which records of many files came."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import ASKS, BIDS, DELTA_ROW, KIND, LEVELS_PER_ROW, SNAPSHOT_ROW, TICK_ROW, TRADE_ROW
from hw.kernel import kernel

Numbers = NDArray[np.int64]


@kernel("int64(int64[:, ::1], int64[::1])", nogil=True)
def find_records(rows: Numbers, starts: Numbers) -> int:
    """Write the place of every record's first row; -1 - place says that the row there is none."""
    at = count = 0
    end = len(rows)
    while at < end:
        kind = rows[at, KIND]
        length = 1
        if kind in (DELTA_ROW, SNAPSHOT_ROW):
            bids, asks = rows[at, BIDS], rows[at, ASKS]
            if bids < 0 or asks < 0 or bids > LEVELS_PER_ROW * end or asks > LEVELS_PER_ROW * end:
                return -1 - at
            length += (bids + asks + LEVELS_PER_ROW - 1) // LEVELS_PER_ROW
        elif kind not in (TICK_ROW, TRADE_ROW):
            return -1 - at
        if at + length > end:
            return -1 - at
        starts[count] = at
        count += 1
        at += length
    return count


@kernel(
    "int64(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])", nogil=True
)
def merge_records(
    local_ns: Numbers,
    arrival: Numbers,
    length: Numbers,
    head: Numbers,
    end: Numbers,
    heap: Numbers,
    place: Numbers,
) -> int:
    """Merge sorted lanes, which lie one after the other, by time and arrival.

    Lane k is `head[k]` up to `end[k]` and must not be empty; `head` is used up. `place` gets the row at which
    each record goes; what comes back is the number of rows in all. Equal keys keep the order of the lanes.
    """
    lanes = len(head)
    for lane in range(lanes):
        at = lane
        heap[at] = lane
        while at > 0:
            above = (at - 1) // 2
            one, other = head[heap[at]], head[heap[above]]
            if local_ns[one] > local_ns[other] or (
                local_ns[one] == local_ns[other]
                and (
                    arrival[one] > arrival[other]
                    or (arrival[one] == arrival[other] and heap[at] > heap[above])
                )
            ):
                break
            heap[at], heap[above] = heap[above], heap[at]
            at = above
    rows = 0
    while lanes > 0:
        lane = heap[0]
        record = head[lane]
        place[record] = rows
        rows += length[record]
        head[lane] = record + 1
        if head[lane] == end[lane]:
            lanes -= 1
            heap[0] = heap[lanes]
        at = 0
        while True:
            below = 2 * at + 1
            if below >= lanes:
                break
            if below + 1 < lanes:
                one, other = head[heap[below]], head[heap[below + 1]]
                if local_ns[other] < local_ns[one] or (
                    local_ns[other] == local_ns[one]
                    and (
                        arrival[other] < arrival[one]
                        or (arrival[other] == arrival[one] and heap[below + 1] < heap[below])
                    )
                ):
                    below += 1
            one, other = head[heap[at]], head[heap[below]]
            if local_ns[one] < local_ns[other] or (
                local_ns[one] == local_ns[other]
                and (
                    arrival[one] < arrival[other]
                    or (arrival[one] == arrival[other] and heap[at] < heap[below])
                )
            ):
                break
            heap[at], heap[below] = heap[below], heap[at]
            at = below
    return rows
