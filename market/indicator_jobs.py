"""Work out deferred indicators in one background thread, without letting its timing show."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from hw.kernel import entry
from market import indicator_layout as layout


class Jobs:
    """Take posted batches, at most one per symbol and clock, and hand their results back when due."""

    def __init__(
        self,
        program: NDArray[np.int64],
        marks: NDArray[np.int64],
        state: NDArray[np.float64],
        values: NDArray[np.float64],
        symbols: int,
    ) -> None:
        self._arrays = program, marks, state, values
        self._clocks = int(program[layout.CLOCKS])
        self._queue, self._symbols = int(program[layout.QUEUE_AT]), symbols
        self._running: dict[tuple[int, int], Future[None]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._run = _runner() if _defers(program) else None

    def dispatch(self) -> None:
        """Hand posted batches to the thread."""
        marks = self._arrays[1]
        waiting = int(marks[self._queue])
        if waiting == 0:
            return
        for place in range(1, waiting + 1):
            n, clock = divmod(int(marks[self._queue + place]), self._clocks)
            at = self._mark(n, clock)
            marks[at + layout.QUEUED] = 0
            if marks[at + layout.JOB] == layout.POSTED:
                marks[at + layout.JOB] = layout.TAKEN
                self._running[n, clock] = self._submit(n, clock)
        marks[self._queue] = 0

    def settle(self, events: int) -> None:
        """Wait for what could be due within so many events."""
        if not self._running:
            return
        marks, delay = self._arrays[1], int(self._arrays[0][layout.DELAY])
        for n, clock in list(self._running):
            at = self._mark(n, clock)
            if marks[at + layout.COUNT] + events >= marks[at + layout.JOB_COUNT] + delay:
                self._join(n, clock)

    def finish(self, n: int) -> None:
        """Have every batch of a symbol worked out, here if the thread has not taken it."""
        marks = self._arrays[1]
        for clock in range(self._clocks):
            at = self._mark(n, clock)
            if (n, clock) in self._running:
                self._join(n, clock)
            elif marks[at + layout.JOB] == layout.POSTED:
                assert self._run is not None
                self._run(*self._arrays, n, clock)
                marks[at + layout.JOB] = layout.DONE

    def close(self) -> None:
        """Finish what was taken and end the thread."""
        for n, clock in list(self._running):
            self._join(n, clock)
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _submit(self, n: int, clock: int) -> Future[None]:
        assert self._run is not None, "a batch was posted, and nothing is deferred"
        return self._thread().submit(self._run, *self._arrays, n, clock)

    def _join(self, n: int, clock: int) -> None:
        self._running.pop((n, clock)).result()
        self._arrays[1][self._mark(n, clock) + layout.JOB] = layout.DONE

    def _mark(self, n: int, clock: int) -> int:
        return n * int(self._arrays[0][layout.MARK_WIDTH]) + clock * layout.MARKS

    def _thread(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "indicators")
        return self._pool


def _defers(program: NDArray[np.int64]) -> bool:
    """Tell whether any clock has deferred operations."""
    first, words = int(program[layout.CLOCKS_AT]), layout.CLOCK_WORDS
    rows = (first + clock * words for clock in range(int(program[layout.CLOCKS])))
    return any(program[row + layout.END_DEFERRED] > program[row + layout.END_FEW] for row in rows)


def _runner() -> Callable[..., None]:
    """Load the kernel, and compile it before anything trades."""
    from market.indicator_job_kernels import run_job

    return entry(run_job)
