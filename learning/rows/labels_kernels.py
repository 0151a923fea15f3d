"""Follow a path of mids from each decision to the barrier that it touches first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Marks = NDArray[np.int8]

DOWN, FLAT, UP, UNKNOWN = 0, 1, 2, -1


@kernel(
    "void(int64[::1], float64[::1], int64[::1], int64[::1], float64[::1], float64[::1], float64[::1], int64,"
    " int64, int8[::1], int64[::1], float64[::1])"
)
def follow_path(
    path_ns: Ints,
    path_mids: Reals,
    begins: Ints,
    at_ns: Ints,
    mids: Reals,
    up_bps: Reals,
    down_bps: Reals,
    horizon_ns: int,
    until_ns: int,
    label: Marks,
    label_ns: Ints,
    gross_bps: Reals,
) -> None:
    """Label decisions; `begins` are their first places on the path, which is whole before `until_ns`.

    One whose horizon is not over, and which touched nothing yet, stays unknown.
    """
    for row in range(len(at_ns)):
        end_ns, mid = at_ns[row] + horizon_ns, mids[row]
        place, found, moved_bps, when_ns = begins[row], FLAT, 0.0, end_ns
        if place > 0:
            moved_bps = (path_mids[place - 1] / mid - 1.0) * 1e4
        while place < len(path_ns) and path_ns[place] <= end_ns:
            moved_bps = (path_mids[place] / mid - 1.0) * 1e4
            if moved_bps >= up_bps[row] or moved_bps <= -down_bps[row]:
                found, when_ns = (UP if moved_bps > 0.0 else DOWN), path_ns[place]
                break
            place += 1
        if found == FLAT and end_ns >= until_ns:
            found, when_ns = UNKNOWN, 0
        label[row], label_ns[row], gross_bps[row] = found, when_ns, moved_bps
