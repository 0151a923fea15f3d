"""The kernel for the thread of deferred indicators, apart: only who has some needs it compiled."""

from __future__ import annotations

from hw.kernel import kernel
from market.indicator_kernels import Floats, Ints
from market.indicator_kernels import run_job as work_out


@kernel("void(int64[::1], int64[::1], float64[::1], float64[:, ::1], int64, int64)", nogil=True)
def run_job(program: Ints, marks: Ints, s: Floats, values: Floats, n: int, clock: int) -> None:
    """Work out a posted batch without holding the interpreter."""
    work_out(program, marks, s, values, n, clock)
