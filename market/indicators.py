"""Indicators of all symbols: names in, values out; the kernels in between are O(1) per event."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigError
from market import indicator_layout as layout
from market.indicator_jobs import Jobs
from market.indicator_names import parse
from market.indicator_program import compile_program
from market.ring import Zeros, framed, unframed
from market.schedule import Schedule

_AGES = (layout.EVERY_NS, layout.FEW_NS, layout.DEFERRED_NS)


class Indicators:
    """Hold the state and the values of named indicators for every symbol, in four arrays.

    `value` gives one of them or None while it is not warm. Kernels in `indicator_feed_kernels` (or
    `indicator_feed.IndicatorFeed`) bring the events. Without a schedule all run at every event.

    >>> indicators = Indicators(["ema:3", "macd:12,26,9@1h"], symbols=2)
    >>> indicators.columns
    ('ema:3', 'macd:12,26,9@1h', 'macd:12,26,9@1h.signal', 'macd:12,26,9@1h.histogram')
    >>> indicators.value(0, "ema:3") is None
    True
    """

    def __init__(
        self,
        names: Sequence[str],
        symbols: int,
        schedule: Schedule | None = None,
        zeros: Zeros = np.zeros,
        where: str = "indicators",
    ) -> None:
        assert symbols > 0
        self.names, self.symbols = tuple(dict.fromkeys(names)), symbols
        self.schedule = Schedule({}, {}) if schedule is None else schedule
        named = tuple(parse(name, where) for name in self.names)
        plan, classes = self.schedule, tuple(self.schedule.of(name) for name in self.names)
        made = compile_program(named, classes, symbols, plan.few, plan.batch, plan.delay)
        self.columns, self.clocks, self.classes = made.columns, made.clocks, made.classes
        self._owners, self._deferred = made.owners, layout.DEFERRED in made.classes
        self._places = {name: at for at, name in enumerate(self.columns)}
        self.levels = int(made.words[layout.LEVELS])
        self.program: NDArray[np.int64] = zeros((len(made.words),), np.int64)
        self.marks: NDArray[np.int64] = zeros((made.marks,), np.int64)
        self.state: NDArray[np.float64] = zeros((symbols * len(made.template),), np.float64)
        self.values: NDArray[np.float64] = zeros((symbols, made.width), np.float64)
        self.program[:] = made.words
        self.state.reshape(symbols, -1)[:] = made.template
        self.values[:] = np.nan
        self._template = made.template
        self._digest = _digest(made.words, self.columns)
        self._jobs = Jobs(self.program, self.marks, self.state, self.values, symbols)

    def column(self, name: str) -> int:
        """Give the place of a value in a row, or say which there are."""
        place = self._places.get(name)
        if place is None:
            known = ", ".join(self.columns) or "none"
            raise ConfigError(
                f"indicator {name!r} is not computed", where="indicators", mend=f"one of {known}"
            )
        return place

    def value(self, n: int, name: str) -> float | None:
        """Give a value of symbol `n`, None while it is not warm."""
        found = float(self.values[n, self.column(name)])
        return None if math.isnan(found) else found

    def row(self, n: int) -> NDArray[np.float64]:
        """Give all values of symbol `n` without copying, NaN where absent, in the order of `columns`."""
        view = self.values[n, : len(self.columns)]
        view.flags.writeable = False
        return view

    def updated_ns(self, n: int, name: str) -> int | None:
        """Tell the local time of the newest event in a value, None while it has no value."""
        if self.value(n, name) is None:
            return None
        owner = self._owners[self.column(name)]
        mark = n * self._mark_width + self.clocks[owner] * layout.MARKS
        return int(self.marks[mark + _AGES[self.classes[owner]]])

    def age_ns(self, n: int, name: str, now_ns: int) -> int | None:
        """Tell how old a value is, None while it has none."""
        updated_ns = self.updated_ns(n, name)
        return None if updated_ns is None else now_ns - updated_ns

    @property
    def _mark_width(self) -> int:
        return int(self.program[layout.MARK_WIDTH])

    def settle(self, events: int) -> None:
        """Wait for background results that the next `events` events could publish; call before them."""
        if self._deferred:
            self._jobs.settle(events)

    def dispatch(self) -> None:
        """Give batches that have become whole to the background thread; call after events."""
        if self._deferred:
            self._jobs.dispatch()

    def close(self) -> None:
        """End the background thread, its work done."""
        self._jobs.close()

    def bytes_per_symbol(self) -> int:
        """Tell how much memory one symbol takes."""
        marks = (self._mark_width + int(self.program[layout.CLOCKS])) * 8
        return len(self._template) * 8 + int(self.values[0].nbytes) + marks

    def state_of(self, n: int) -> bytes:
        """Give everything of symbol `n` that a restart needs, as data."""
        self._jobs.finish(n)
        marks = self._marks_of(n).copy()
        marks[layout.QUEUED :: layout.MARKS] = 0  # which queue it waits in is no part of the state
        parts = marks, self.state.reshape(self.symbols, -1)[n], self.values[n]
        return framed([self._digest, *(part.tobytes() for part in parts)])

    def restore_to(self, n: int, state: bytes) -> bool:
        """Take back what `state_of` gave; False, and a cold start, where it was of other indicators."""
        self.reset(n)
        digest, marks, words, values = unframed(state)
        if digest != self._digest:
            return False
        self._marks_of(n)[:] = np.frombuffer(marks, np.int64)
        self.state.reshape(self.symbols, -1)[n] = np.frombuffer(words, np.float64)
        self.values[n] = np.frombuffer(values, np.float64)
        return True

    def reset(self, n: int) -> None:
        """Begin symbol `n` anew."""
        self._jobs.finish(n)
        self._marks_of(n)[:] = 0
        self.state.reshape(self.symbols, -1)[n] = self._template
        self.values[n] = np.nan

    def _marks_of(self, n: int) -> NDArray[np.int64]:
        width = self._mark_width
        return self.marks[n * width : (n + 1) * width]

    def state_all(self) -> bytes:
        """Give everything that a restart needs, as data."""
        return framed([self.state_of(n) for n in range(self.symbols)])

    def restore(self, state: bytes) -> bool:
        """Take back what `state_all` gave; False where it was of other indicators."""
        parts = unframed(state)
        assert len(parts) == self.symbols, f"{len(parts)} symbols cannot fill {self.symbols}"
        return min(self.restore_to(n, part) for n, part in enumerate(parts))


def _digest(words: NDArray[np.int64], columns: tuple[str, ...]) -> bytes:
    shared = words.copy()
    shared[[layout.SYMBOLS, layout.QUEUE_AT]] = 0
    return hashlib.blake2b(shared.tobytes() + repr(columns).encode(), digest_size=16).digest()
