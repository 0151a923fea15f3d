"""Bring rows to rings, bars and indicators: what a pipeline calls for every row that it accepts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import (
    AGGRESSOR,
    ASK_LOTS,
    ASK_TICKS,
    BID_LOTS,
    BID_TICKS,
    EXCHANGE_NS,
    KIND,
    LOCAL_NS,
    PRICE_TICKS,
    SIZE_LOTS,
    TICK_ROW,
    TRADE_ROW,
)
from hw.kernel import kernel
from market.bar_kernels import (
    BAR_WIDTH,
    CLOSE,
    HEAD_WIDTH,
    HIGH,
    HOUR_CLOSED,
    HOUR_COUNT,
    HOURS,
    HOURS_AT,
    LOW,
    MINUTE_CLOSED,
    MINUTE_COUNT,
    MINUTE_NS,
    MINUTES,
    NOTIONAL,
    OPEN,
    ROWS,
    START_NS,
    VOLUME,
    close_minute,
    fold_trade,
    minute_over,
)
from market.indicator_kernels import set_bar, step, step_bar
from market.indicator_layout import (
    BOOK_CLOCK,
    BROKEN,
    CLOCK_WORDS,
    CLOCKS_AT,
    HOUR_CLOCK,
    INPUT,
    LEVEL_WORDS,
    LEVELS,
    LEVELS_IN,
    MINUTE_CLOCK,
    NO_ASK,
    STATE_WIDTH,
    TICK_CLOCK,
    TRADE_CLOCK,
    VALUES,
)
from market.ring_kernels import TICK_WIDTH, push

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def inputs_of(program: Ints, n: int, clock: int) -> int:
    """Give where the inputs of a symbol's clock lie in the state."""
    found: int = n * program[STATE_WIDTH] + program[program[CLOCKS_AT] + clock * CLOCK_WORDS + INPUT]
    return found


@kernel
def on_tick(
    ticks: Ints,
    tick_counts: Ints,
    bars: Ints,
    bar_heads: Ints,
    program: Ints,
    marks: Ints,
    state: Floats,
    values: Floats,
    n: int,
    rows: Ints,
    at: int,
) -> None:
    """Take the tick in row `at`: into the ring, then bars that it ends, then the tick clock."""
    bid, bid_lots, ask, ask_lots = (
        rows[at, BID_TICKS],
        rows[at, BID_LOTS],
        rows[at, ASK_TICKS],
        rows[at, ASK_LOTS],
    )
    now_ns = rows[at, LOCAL_NS]
    push(ticks, tick_counts, n, rows[at, EXCHANGE_NS], now_ns, bid, bid_lots, ask, ask_lots)
    if minute_over(bar_heads, n, rows[at, EXCHANGE_NS]):
        on_time(bars, bar_heads, program, marks, state, values, n, rows[at, EXCHANGE_NS], now_ns)
    step_touch(program, marks, state, values, n, now_ns, bid, bid_lots, ask, ask_lots)


@kernel
def step_touch(
    program: Ints,
    marks: Ints,
    state: Floats,
    values: Floats,
    n: int,
    now_ns: int,
    bid: int,
    bid_lots: int,
    ask: int,
    ask_lots: int,
) -> None:
    """Step the tick clock with a touch."""
    if bid <= 0 or ask <= 0:
        return
    clock = int(TICK_CLOCK)  # a constant as such would have numba compile `step` once more for it
    i, middle = inputs_of(program, n, clock), 0.5 * (bid + ask)
    set_bar(state, i, middle, middle, middle, middle, 0.0, 0.0)
    state[i + LEVELS_IN] = bid
    state[i + LEVELS_IN + 1] = bid_lots
    state[i + LEVELS_IN + 2] = ask
    state[i + LEVELS_IN + 3] = ask_lots
    step(program, marks, state, values, n, clock, now_ns)


@kernel
def on_trade(
    ticks: Ints,
    tick_counts: Ints,
    bars: Ints,
    bar_heads: Ints,
    program: Ints,
    marks: Ints,
    state: Floats,
    values: Floats,
    n: int,
    rows: Ints,
    at: int,
) -> None:
    """Take the trade in row `at`: bars that it ends, then the open minute, then the trade clock."""
    price, size, now_ns = rows[at, PRICE_TICKS], rows[at, SIZE_LOTS], rows[at, LOCAL_NS]
    on_time(bars, bar_heads, program, marks, state, values, n, rows[at, EXCHANGE_NS], now_ns)
    fold_trade(bar_heads, n, rows[at, EXCHANGE_NS], price, size, rows[at, AGGRESSOR])
    clock = int(TRADE_CLOCK)
    i, paid, lots = inputs_of(program, n, clock), float(price), float(size)
    set_bar(state, i, paid, paid, paid, paid, lots, paid * lots)
    step(program, marks, state, values, n, clock, now_ns)


@kernel(
    "void(int64[:, :, ::1], int64[:, ::1], int64[::1], int64[::1], float64[::1], float64[:, ::1],"
    " int64, int64, int64)"
)
def on_time(
    bars: Ints,
    bar_heads: Ints,
    program: Ints,
    marks: Ints,
    state: Floats,
    values: Floats,
    n: int,
    exchange_ns: int,
    now_ns: int,
) -> None:
    """Close every bar that ended by `exchange_ns`, oldest first, and step the clocks of bars with each."""
    while minute_over(bar_heads, n, exchange_ns):
        closed = close_minute(bars, bar_heads, n, exchange_ns)
        for clock in (MINUTE_CLOCK, HOUR_CLOCK):
            if clock == MINUTE_CLOCK and closed & MINUTE_CLOSED:
                at, length_ns = (bar_heads[n, MINUTE_COUNT] - 1) % MINUTES, MINUTE_NS
            elif clock == HOUR_CLOCK and closed & HOUR_CLOSED:
                at, length_ns = HOURS_AT + (bar_heads[n, HOUR_COUNT] - 1) % HOURS, 60 * MINUTE_NS
            else:
                continue
            _on_bar(bars, at, program, marks, state, values, n, clock, length_ns, now_ns)


@kernel
def _on_bar(
    bars: Ints,
    at: int,
    program: Ints,
    marks: Ints,
    state: Floats,
    values: Floats,
    n: int,
    clock: int,
    length_ns: int,
    now_ns: int,
) -> None:
    set_bar(
        state,
        inputs_of(program, n, clock),
        float(bars[n, at, OPEN]),
        float(bars[n, at, HIGH]),
        float(bars[n, at, LOW]),
        float(bars[n, at, CLOSE]),
        float(bars[n, at, VOLUME]),
        float(bars[n, at, NOTIONAL]),
    )
    step_bar(program, marks, state, values, n, clock, bars[n, at, START_NS] // length_ns, now_ns)


@kernel
def wants_book(program: Ints) -> bool:
    """Tell whether any indicator follows the book's levels."""
    return bool(program[LEVELS] != 0)


@kernel
def on_book(
    program: Ints,
    marks: Ints,
    state: Floats,
    values: Floats,
    n: int,
    local_ns: int,
    sides: Ints,
    bids_at: int,
    bid_count: int,
    asks_at: int,
    ask_count: int,
) -> None:
    """Take a changed book: (price, size) pairs, best first, from `bids_at` and from `asks_at` on."""
    levels = program[LEVELS]
    if levels == 0 or bid_count == 0 or ask_count == 0:
        return
    clock = int(BOOK_CLOCK)
    i = inputs_of(program, n, clock)
    middle = 0.5 * (sides[bids_at] + sides[asks_at])
    set_bar(state, i, middle, middle, middle, middle, 0.0, 0.0)
    for level in range(levels):
        to = i + LEVELS_IN + LEVEL_WORDS * level
        here = level < bid_count
        state[to] = sides[bids_at + 2 * level] if here else 0.0
        state[to + 1] = sides[bids_at + 2 * level + 1] if here else 0.0
        here = level < ask_count
        state[to + 2] = sides[asks_at + 2 * level] if here else NO_ASK
        state[to + 3] = sides[asks_at + 2 * level + 1] if here else 0.0
    step(program, marks, state, values, n, clock, local_ns)


@kernel(called=True)
def forget_book(program: Ints, state: Floats, n: int) -> None:
    """Count no order flow between the levels as they were and those that come next."""
    for clock in (TICK_CLOCK, BOOK_CLOCK):
        state[inputs_of(program, n, clock) + BROKEN] = 1.0


# The first words of a feed's block say where its eight arrays begin in it, and where the last one ends.
SYMBOLS_AT, TICK_CAPACITY, ARRAYS_AT, BLOCK_HEAD = 0, 1, 2, 16


@kernel(called=True)
def on_rows(block: Ints, n: int, rows: Ints, start: int, end: int) -> None:
    """Take ticks and trades of symbol `n`, one row after the other; other rows pass by.

    All arrays lie in one block, because handing eight of them over costs more than the work itself.
    """
    symbols, at = block[SYMBOLS_AT], block[ARRAYS_AT : ARRAYS_AT + 9]
    ticks = block[at[0] : at[1]].reshape((symbols, 2 * block[TICK_CAPACITY], TICK_WIDTH))
    tick_counts = block[at[1] : at[2]]
    bars = block[at[2] : at[3]].reshape((symbols, ROWS, BAR_WIDTH))
    bar_heads = block[at[3] : at[4]].reshape((symbols, HEAD_WIDTH))
    program, marks = block[at[4] : at[5]], block[at[5] : at[6]]
    state = block[at[6] : at[7]].view(np.float64)
    values = block[at[7] : at[8]].view(np.float64).reshape((symbols, program[VALUES]))
    for row in range(start, end):
        if rows[row, KIND] == TICK_ROW:
            on_tick(ticks, tick_counts, bars, bar_heads, program, marks, state, values, n, rows, row)
        elif rows[row, KIND] == TRADE_ROW:
            on_trade(ticks, tick_counts, bars, bar_heads, program, marks, state, values, n, rows, row)


@kernel(called=True)
def on_levels(
    program: Ints,
    marks: Ints,
    state: Floats,
    values: Floats,
    n: int,
    local_ns: int,
    sides: Ints,
    bids_at: int,
    bid_count: int,
    asks_at: int,
    ask_count: int,
) -> None:
    """Take a changed book, called from Python."""
    on_book(program, marks, state, values, n, local_ns, sides, bids_at, bid_count, asks_at, ask_count)


@kernel(called=True)
def on_clock(
    bars: Ints,
    bar_heads: Ints,
    program: Ints,
    marks: Ints,
    state: Floats,
    values: Floats,
    n: int,
    exchange_ns: int,
    now_ns: int,
) -> None:
    """Close what time has ended, called from Python."""
    on_time(bars, bar_heads, program, marks, state, values, n, exchange_ns, now_ns)
