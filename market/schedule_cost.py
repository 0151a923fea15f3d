"""Measure what each indicator costs on this machine, and class it by that."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from market.indicator_layout import BOOK_CLOCK
from market.indicators import Indicators
from market.schedule import Schedule, ScheduleConfig, classed
from market.schedule_kernels import exercise

REPEATS = 5


def measure(names: Sequence[str], config: ScheduleConfig, clock: Callable[[], int]) -> Schedule:
    """Time each indicator alone on made-up events, `clock` telling nanoseconds, and class it.

    The least of several runs counts: what else the machine does only ever adds.
    """
    bare_ns = _event_ns("microprice", config, clock)
    costs_ns = {
        name: max(_event_ns(name, config, clock) - bare_ns, 0.0) if name != "microprice" else bare_ns
        for name in dict.fromkeys(names)
    }
    return classed(costs_ns, config)


def _event_ns(name: str, config: ScheduleConfig, clock: Callable[[], int]) -> float:
    indicators = Indicators((name,), 1)
    arrays = indicators.program, indicators.marks, indicators.state, indicators.values
    at_clock, events = indicators.clocks[0], config.measured_events
    levels = max(indicators.levels, 1) if at_clock == BOOK_CLOCK else 1
    exercise(*arrays, 0, at_clock, levels, 0, events)  # compiles, and fills windows
    taken = []
    for repeat in range(REPEATS):
        began_ns = clock()
        exercise(*arrays, 0, at_clock, levels, (1 + repeat) * events, (2 + repeat) * events)
        taken.append(clock() - began_ns)
    return min(taken) / events
