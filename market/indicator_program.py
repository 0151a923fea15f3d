"""Compile names of indicators into the small program that the kernels run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market import indicator_layout as layout
from market.indicator_names import Named

_BASES = {"tick": 0, "trade": 1, "book": 2, "minute": 3, "hour": 4}


@dataclass(frozen=True)
class Program:
    """Hold the program's words, a symbol's state as it begins, and where each value will be.

    `columns` names the values in order; `clocks` and `classes` go by indicator, `owners` by value.
    """

    words: NDArray[np.int64]
    template: NDArray[np.float64]
    columns: tuple[str, ...]
    width: int
    marks: int
    owners: tuple[int, ...]
    clocks: tuple[int, ...]
    classes: tuple[int, ...]


def compile_program(
    named: tuple[Named, ...], classes: tuple[int, ...], symbols: int, few: int, batch: int, delay: int
) -> Program:
    """Lay everything out: operations sorted by clock and class, their states one after another."""
    assert len(named) == len(classes) and 1 <= delay < batch and 1 <= few <= batch
    clocks = _clocks(named)
    at_clock = tuple(clocks.index(_key(each)) for each in named)
    # Bars close once a minute: what runs on them is never worth putting off.
    classes = tuple(
        one if clock <= layout.BOOK_CLOCK else layout.EVERY
        for one, clock in zip(classes, at_clock, strict=True)
    )
    order = sorted(range(len(named)), key=lambda each: (at_clock[each], classes[each], each))
    columns = [column for each in named for column in each.columns]
    first_column = np.cumsum([0] + [len(each.columns) for each in named]).tolist()
    clocks_at = layout.HEAD
    ops_at = clocks_at + len(clocks) * layout.CLOCK_WORDS
    words = np.zeros(ops_at + len(named) * layout.OP_WORDS, np.int64)
    levels = _levels(named)
    constants: dict[int, float] = {}
    used, staged = 0, len(columns)
    for clock, (base, length) in enumerate(clocks):
        row = words[clocks_at + clock * layout.CLOCK_WORDS :]
        mine = [each for each in order if at_clock[each] == clock]
        used = _lay_clock(row, base, length, levels, used, batch, [classes[each] for each in mine])
        before = sum(other < clock for other in at_clock)
        for end in (layout.FIRST_OP, layout.END_EVERY, layout.END_FEW, layout.END_DEFERRED):
            row[end] += before
        row[layout.RETURNS] = any(named[each].kind.returns for each in mine)
        row[layout.MARK] = clock * layout.MARKS
    for place, each in enumerate(order):
        one, op = named[each], words[ops_at + place * layout.OP_WORDS :]
        op[layout.OPCODE], op[layout.STATE] = one.kind.opcode, used
        numbers = one.kind.numbers(one.arguments)
        op[layout.FIRST : layout.FIRST + min(len(numbers), 3)] = numbers[:3]
        op[layout.COLUMN], op[layout.PARTS] = first_column[each], len(one.columns)
        op[layout.STAGED] = first_column[each]
        if classes[each] == layout.DEFERRED:
            op[layout.STAGED], staged = staged, staged + len(one.columns)
        constants |= {used + at: value for at, value in one.kind.constants(one.arguments).items()}
        used += one.kind.words(one.arguments)
    # A multiple of eight words: no two symbols share a cache line.
    used = -(-used // 8) * 8
    template = np.zeros(used)
    for at, value in constants.items():
        template[at] = value
    mark_width = len(clocks) * layout.MARKS
    _lay_head(words, len(named), used, staged, mark_width, len(clocks), ops_at, symbols)
    words[layout.LEVELS], words[layout.FEW_EVENTS] = levels, few
    words[layout.BATCH], words[layout.DELAY] = batch, delay
    owners = tuple(at for at, each in enumerate(named) for _ in each.columns)
    marks = symbols * (mark_width + len(clocks)) + 1
    return Program(words, template, tuple(columns), staged, marks, owners, at_clock, classes)


def _key(one: Named) -> tuple[int, int]:
    return _BASES[one.clock], one.length


def _clocks(named: tuple[Named, ...]) -> list[tuple[int, int]]:
    """Give the five clocks that there always are, then those folded from bars."""
    return [(base, 1) for base in range(layout.FOLDED)] + sorted(
        {_key(one) for one in named if one.length > 1}
    )


def _levels(named: tuple[Named, ...]) -> int:
    asked = [1]
    on_book = [one for one in named if one.clock == "book"]
    for one in on_book:
        if one.kind.opcode != layout.MICROPRICE:
            asked.append(int(one.arguments[0]))
    return max(asked) if on_book else 0


def _lay_clock(
    row: NDArray[np.int64], base: int, length: int, levels: int, used: int, batch: int, classes: list[int]
) -> int:
    book = base == layout.BOOK_CLOCK
    width = layout.LEVELS_IN + layout.LEVEL_WORDS * (max(levels, 1) if book else 1)
    row[layout.BASE], row[layout.FOLD], row[layout.WIDTH] = base, length, width
    row[layout.INPUT] = used + layout.CLOCK_STATE
    used += layout.CLOCK_STATE + width
    row[layout.END_EVERY] = classes.count(layout.EVERY)
    row[layout.END_FEW] = row[layout.END_EVERY] + classes.count(layout.FEW)
    row[layout.END_DEFERRED] = len(classes)
    if row[layout.END_EVERY] != len(classes):
        row[layout.LOG], row[layout.LOG_LENGTH] = used, 2 * batch
        used += 2 * batch * width
    return used


def _lay_head(
    words: NDArray[np.int64],
    ops: int,
    state_width: int,
    values: int,
    mark_width: int,
    clocks: int,
    ops_at: int,
    symbols: int,
) -> None:
    words[layout.OPS], words[layout.STATE_WIDTH], words[layout.VALUES] = ops, state_width, values
    words[layout.MARK_WIDTH], words[layout.CLOCKS] = mark_width, clocks
    words[layout.CLOCKS_AT], words[layout.OPS_AT], words[layout.SYMBOLS] = layout.HEAD, ops_at, symbols
    words[layout.QUEUE_AT] = symbols * mark_width
