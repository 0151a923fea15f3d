"""Run the program of indicators for one symbol and one event of a clock; `indicator_layout` tells the words.

What is not there yet is NaN in `values`. Operations of class FEW see every event, but in batches of a few.
Deferred ones see batches too, and what they give is published a stated number of events after the batch was
whole: a thread may have worked it out in between, and if none did, it is done then. So what a strategy sees
depends on rows and on the classes alone, never on a thread.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel
from market.indicator_average_kernels import ema, macd, roc, rsi, sma, wma
from market.indicator_flow_kernels import imbalance, microprice, obv, order_flow, profile, vwap
from market.indicator_layout import (
    ADX,
    ATR,
    BAR_NUMBER,
    BARS_FOLDED,
    BASE,
    BATCH,
    BOLLINGER,
    BROKEN,
    CLOCK_WORDS,
    CLOCKS,
    CLOCKS_AT,
    CLOSE_IN,
    COLUMN,
    COUNT,
    DEFERRED_NS,
    DELAY,
    DONCHIAN,
    DONE,
    EMA,
    END_DEFERRED,
    END_EVERY,
    END_FEW,
    EVENT_WIDTH,
    EVERY_NS,
    EWMA,
    FEW_EVENTS,
    FEW_NS,
    FIRST,
    FIRST_OP,
    FOLD,
    HIGH_IN,
    IMBALANCE,
    INPUT,
    JOB,
    JOB_COUNT,
    JOB_NS,
    KELTNER,
    LEVELS_IN,
    LOG,
    LOG_LENGTH,
    LOW_IN,
    MACD,
    MARK,
    MARK_WIDTH,
    MICROPRICE,
    NO_JOB,
    NOTIONAL_IN,
    OBV,
    OP_WORDS,
    OPCODE,
    OPEN_IN,
    OPS_AT,
    ORDER_FLOW,
    PARTS,
    POSTED,
    PREVIOUS_CLOSE,
    PROFILE,
    QUEUE_AT,
    QUEUED,
    REALISED,
    RETURN_IN,
    RETURNS,
    ROC,
    RSI,
    SECOND,
    SMA,
    STAGED,
    STATE,
    STATE_WIDTH,
    STOCHASTIC,
    THIRD,
    VOLUME_IN,
    VWAP,
    WIDTH,
    WMA,
    ZSCORE,
)
from market.indicator_range_kernels import adx, atr, donchian, keltner, stochastic
from market.indicator_spread_kernels import bollinger, ewma, realised, zscore

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NAN = float("nan")


@kernel
def run_ops(
    program: Ints, start: int, end: int, s: Floats, base: int, i: int, values: Floats, n: int, last: bool
) -> None:
    """Run operations on the inputs at `i` of a symbol whose state begins at `base`.

    The loop is in here: to call for each operation took as long as most of them do.
    """
    for op in range(start, end, OP_WORDS):
        code, first, at = program[op + OPCODE], program[op + FIRST], base + program[op + STATE]
        column, x = program[op + STAGED], s[i + CLOSE_IN]
        if code == SMA:
            values[n, column] = sma(s, at, first, x)
        elif code == EMA:
            values[n, column] = ema(s, at, first, x)
        elif code == WMA:
            values[n, column] = wma(s, at, first, x)
        elif code == RSI:
            values[n, column] = rsi(s, at, first, x)
        elif code == MACD:
            macd(s, at, first, program[op + SECOND], program[op + THIRD], x, values, n, column)
        elif code == ROC:
            values[n, column] = roc(s, at, first, x)
        elif code == ATR:
            values[n, column] = atr(s, at, first, s[i + HIGH_IN], s[i + LOW_IN], x)
        elif code == ADX:
            adx(s, at, first, s[i + HIGH_IN], s[i + LOW_IN], x, values, n, column)
        elif code == KELTNER:
            keltner(s, at, first, program[op + SECOND], s[i + HIGH_IN], s[i + LOW_IN], x, values, n, column)
        elif code == DONCHIAN:
            donchian(s, at, first, s[i + HIGH_IN], s[i + LOW_IN], values, n, column)
        elif code == STOCHASTIC:
            smooth, signal = program[op + SECOND], program[op + THIRD]
            stochastic(s, at, first, smooth, signal, s[i + HIGH_IN], s[i + LOW_IN], x, values, n, column)
        elif code == BOLLINGER:
            bollinger(s, at, first, x, values, n, column)
        elif code == ZSCORE:
            values[n, column] = zscore(s, at, first, x)
        elif code == REALISED:
            values[n, column] = realised(s, at, first, s[i + RETURN_IN])
        elif code == EWMA:
            values[n, column] = ewma(s, at, first, s[i + RETURN_IN])
        elif code == VWAP:
            values[n, column] = vwap(s, at, first, s[i + VOLUME_IN], s[i + NOTIONAL_IN])
        elif code == OBV:
            values[n, column] = obv(s, at, x, s[i + VOLUME_IN])
        elif code == PROFILE:
            bins, trades = program[op + SECOND], program[op + THIRD]
            profile(s, at, first, bins, trades, x, s[i + VOLUME_IN], last, values, n, column)
        elif code == IMBALANCE:
            values[n, column] = imbalance(s, i + LEVELS_IN, first)
        elif code == MICROPRICE:
            values[n, column] = microprice(s, i + LEVELS_IN)
        elif code == ORDER_FLOW:
            values[n, column] = order_flow(s, at, first, program[op + SECOND], i + LEVELS_IN, s[i + BROKEN])


@kernel
def step(program: Ints, marks: Ints, s: Floats, values: Floats, n: int, clock: int, now_ns: int) -> None:
    """Take the event whose inputs lie in the clock's words of symbol `n`."""
    row = program[CLOCKS_AT] + clock * CLOCK_WORDS
    first, every = program[row + FIRST_OP], program[row + END_EVERY]
    deferred = program[row + END_DEFERRED]
    if first == deferred:
        return
    base, mark = n * program[STATE_WIDTH], n * program[MARK_WIDTH] + program[row + MARK]
    i = base + program[row + INPUT]
    marks[mark + COUNT] += 1
    marks[mark + EVERY_NS] = now_ns
    if program[row + RETURNS] != 0:
        close, before = s[i + CLOSE_IN], s[i + PREVIOUS_CLOSE]
        if close == before:
            s[i + RETURN_IN] = 0.0
        else:
            s[i + RETURN_IN] = math.log(close / before) if close > 0.0 and before > 0.0 else NAN
        s[i + PREVIOUS_CLOSE] = close
    ops = program[OPS_AT]
    run_ops(program, ops + first * OP_WORDS, ops + every * OP_WORDS, s, base, i, values, n, first >= 0)
    if every != deferred:
        _scheduled(program, row, marks, mark, s, base, i, values, n, clock, now_ns)
    s[i + BROKEN] = 0.0


@kernel
def _scheduled(
    program: Ints,
    row: int,
    marks: Ints,
    mark: int,
    s: Floats,
    base: int,
    i: int,
    values: Floats,
    n: int,
    clock: int,
    now_ns: int,
) -> None:
    """Log the event, and do what is due: a few events at once, a deferred batch posted or published."""
    count, width = marks[mark + COUNT], program[row + WIDTH]
    to = base + program[row + LOG] + (count - 1) % program[row + LOG_LENGTH] * width
    for word in range(width):
        s[to + word] = s[i + word]
    few, batch = program[FEW_EVENTS], program[BATCH]
    if program[row + END_FEW] != program[row + END_EVERY] and count % few == 0:
        ends = program[row + END_FEW]
        _run_logged(program, row, s, base, values, n, program[row + END_EVERY], ends, count - few, count)
        marks[mark + FEW_NS] = now_ns
    if program[row + END_DEFERRED] == program[row + END_FEW]:
        return
    if marks[mark + JOB] != NO_JOB and count >= marks[mark + JOB_COUNT] + program[DELAY]:
        if marks[mark + JOB] == POSTED:
            run_job(program, marks, s, values, n, clock)
            marks[mark + JOB] = DONE
        if marks[mark + JOB] == DONE:
            _publish(program, row, values, n)
            marks[mark + DEFERRED_NS] = marks[mark + JOB_NS]
            marks[mark + JOB] = NO_JOB
    if count % batch == 0:
        assert marks[mark + JOB] == NO_JOB, "settle() was not called before the batch"
        marks[mark + JOB] = POSTED
        marks[mark + JOB_COUNT] = count
        marks[mark + JOB_NS] = now_ns
        if marks[mark + QUEUED] == 0:
            marks[mark + QUEUED] = 1
            queue = program[QUEUE_AT]
            marks[queue] += 1
            marks[queue + marks[queue]] = n * program[CLOCKS] + clock


@kernel
def _run_logged(
    program: Ints,
    row: int,
    s: Floats,
    base: int,
    values: Floats,
    n: int,
    first: int,
    end: int,
    since: int,
    until: int,
) -> None:
    log, length, width = base + program[row + LOG], program[row + LOG_LENGTH], program[row + WIDTH]
    for op in range(program[OPS_AT] + first * OP_WORDS, program[OPS_AT] + end * OP_WORDS, OP_WORDS):
        for event in range(since, until):
            inputs, last = log + event % length * width, event == until - 1
            run_ops(program, op, op + OP_WORDS, s, base, inputs, values, n, last)


@kernel
def _publish(program: Ints, row: int, values: Floats, n: int) -> None:
    for each in range(program[row + END_FEW], program[row + END_DEFERRED]):
        op = program[OPS_AT] + each * OP_WORDS
        for part in range(program[op + PARTS]):
            values[n, program[op + COLUMN] + part] = values[n, program[op + STAGED] + part]


@kernel
def run_job(program: Ints, marks: Ints, s: Floats, values: Floats, n: int, clock: int) -> None:
    """Work out a posted batch of deferred operations; only these touch their state and staged columns."""
    row = program[CLOCKS_AT] + clock * CLOCK_WORDS
    base, mark = n * program[STATE_WIDTH], n * program[MARK_WIDTH] + program[row + MARK]
    count = marks[mark + JOB_COUNT]
    first, end = program[row + END_FEW], program[row + END_DEFERRED]
    _run_logged(program, row, s, base, values, n, first, end, count - program[BATCH], count)


@kernel
def set_bar(
    s: Floats,
    i: int,
    open_: float,
    high: float,
    low: float,
    close: float,
    volume: float,
    notional: float,
) -> None:
    """Write one bar, or one price in all four, into the inputs at `i`."""
    s[i + OPEN_IN] = open_
    s[i + HIGH_IN] = high
    s[i + LOW_IN] = low
    s[i + CLOSE_IN] = close
    s[i + VOLUME_IN] = volume
    s[i + NOTIONAL_IN] = notional


@kernel
def step_bar(
    program: Ints, marks: Ints, s: Floats, values: Floats, n: int, clock: int, number: int, now_ns: int
) -> None:
    """Take the bar in the inputs of the minute or hour clock, and fold it into the longer ones."""
    base = n * program[STATE_WIDTH]
    bar = base + program[program[CLOCKS_AT] + clock * CLOCK_WORDS + INPUT]
    for each in range(program[CLOCKS]):
        row = program[CLOCKS_AT] + each * CLOCK_WORDS
        to, length = base + program[row + INPUT], program[row + FOLD]
        ready = each == clock
        if program[row + BASE] == clock and length > 1:
            ready = _fold(s, bar, to, number, length)
        if ready:
            step(program, marks, s, values, n, each, now_ns)


@kernel
def _fold(s: Floats, bar: int, to: int, number: int, length: int) -> bool:
    """Fold a bar into one of `length`, made of all of its parts or not at all; tell whether it is whole."""
    place = number % length
    if place == 0:
        for word in range(EVENT_WIDTH):
            s[to + word] = s[bar + word]
        s[to + BARS_FOLDED] = 1.0
    elif s[to + BARS_FOLDED] == place and s[to + BAR_NUMBER] == number - 1:
        s[to + HIGH_IN] = max(s[to + HIGH_IN], s[bar + HIGH_IN])
        s[to + LOW_IN] = min(s[to + LOW_IN], s[bar + LOW_IN])
        s[to + CLOSE_IN] = s[bar + CLOSE_IN]
        s[to + VOLUME_IN] += s[bar + VOLUME_IN]
        s[to + NOTIONAL_IN] += s[bar + NOTIONAL_IN]
        s[to + BARS_FOLDED] += 1.0
    else:
        s[to + BARS_FOLDED] = 0.0
    s[to + BAR_NUMBER] = number
    return bool(s[to + BARS_FOLDED] == length)
