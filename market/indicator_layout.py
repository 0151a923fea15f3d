"""Where the words of indicators lie: in the program, in a symbol's state and marks, in one event's inputs.

`program` holds a head, a row per clock and a row per operation, shared by all symbols. `state` and `marks`
hold one stretch per symbol; `values` one row per symbol, then columns where deferred results wait.
"""

from __future__ import annotations

# Words of the program's head.
OPS, STATE_WIDTH, VALUES, MARK_WIDTH, CLOCKS, CLOCKS_AT, OPS_AT, SYMBOLS = range(8)
LEVELS, FEW_EVENTS, BATCH, DELAY, QUEUE_AT = range(8, 13)
HEAD = 16

# What drives an operation. Clocks from `FOLDED` on are n minutes or n hours, folded from bars.
TICK_CLOCK, TRADE_CLOCK, BOOK_CLOCK, MINUTE_CLOCK, HOUR_CLOCK, FOLDED = range(6)

# Words of a clock's row. Operations lie sorted: those of every event, then of a few, then the deferred.
BASE, FOLD, FIRST_OP, END_EVERY, END_FEW, END_DEFERRED, INPUT, WIDTH, LOG, LOG_LENGTH, RETURNS, MARK = range(
    12
)
CLOCK_WORDS = 12

# Words of an operation's row. STAGED is the column for results, its own one unless it is deferred.
OPCODE, FIRST, SECOND, THIRD, STATE, COLUMN, PARTS, STAGED = range(8)
OP_WORDS = 8

# Words of one event's inputs; levels are (bid, bid lots, ask, ask lots), the best ones first.
BROKEN, OPEN_IN, HIGH_IN, LOW_IN, CLOSE_IN, VOLUME_IN, NOTIONAL_IN, RETURN_IN, LEVELS_IN = range(9)
LEVEL_WORDS = 4
EVENT_WIDTH = LEVELS_IN + LEVEL_WORDS
LEVELS_MAX = 10
# Words that lie before the inputs of a clock and are its own.
PREVIOUS_CLOSE, BAR_NUMBER, BARS_FOLDED = -1, -2, -3
CLOCK_STATE = 4
NO_ASK = float(1 << 53)

# Marks of a clock: events seen, the time of the newest event in the values of each class, and its job.
COUNT, EVERY_NS, FEW_NS, DEFERRED_NS, JOB, JOB_COUNT, JOB_NS, QUEUED = range(8)
MARKS = 8
NO_JOB, POSTED, TAKEN, DONE = range(4)

# Classes of the scheduler.
EVERY, FEW, DEFERRED = range(3)

(
    SMA,
    EMA,
    WMA,
    RSI,
    MACD,
    ROC,
    ATR,
    ADX,
    KELTNER,
    DONCHIAN,
    STOCHASTIC,
    BOLLINGER,
    ZSCORE,
    REALISED,
    EWMA,
    VWAP,
    OBV,
    PROFILE,
    IMBALANCE,
    MICROPRICE,
    ORDER_FLOW,
) = range(21)
