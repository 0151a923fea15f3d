"""Lay out the block of a pipeline: its symbols, venues, groups of equal pairs, and settings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from domain.errors import ConfigError
from domain.instrument import Instrument
from market.columns import (
    ASK_TRADES,
    CLAIM_NS_MAX,
    FORCED_MODE,
    FROZEN_BPS,
    FROZEN_NS,
    GROUP,
    GROUP_MEMBERS_MAX,
    LATCH_DOWN,
    LATCH_NS,
    LATCH_UP,
    MOVE_BPS,
    PRICE_UNITS,
    QUIET_NS,
    RATE_NS,
    REJECT_BPS,
    SIZE_UNITS,
    SKEW_NS,
    SKEW_WINDOW_NS,
    SMART_DOWN,
    SMART_UP,
    SUSPECT_BPS,
    TICK_VALUE,
    VENUE,
    Columns,
)
from market.config import BookRules, PipelineConfig
from market.parts import Parts, allocated
from market.schedule import Schedule

UNITS_MAX = 1_000
_MODES = {"auto": 0, "full": 1, "smart": 2, "latch": 3}
_PLAIN = BookRules()


class Layout(NamedTuple):
    """A block, what lies in it beside the books, and where each venue's words begin."""

    columns: Columns
    parts: Parts
    venues: dict[str, int]


def lay_out(
    instruments: tuple[Instrument, ...], config: PipelineConfig, schedule: Schedule | None = None
) -> Layout:
    """Make the block of a pipeline."""
    assert instruments, "a pipeline of no market"
    venues = list(dict.fromkeys(one.venue for one in instruments))
    groups = grouped(instruments)
    symbols = max((one.index for one in instruments), default=-1) + 1
    deepest = max([config.depth_max, *(rules.depth or 0 for rules in config.books.values())])
    columns = Columns(symbols, len(venues), [len(group) for group in groups], deepest)
    parts = allocated(columns, config, schedule)
    block = columns.block
    reals = block.view(np.float64)
    places = {venue: columns.venue(place) for place, venue in enumerate(venues)}
    for one in instruments:
        rules = config.books.get(one.venue, _PLAIN)
        depth = config.depth_max if rules.depth is None else rules.depth
        columns.fit(one.index, depth, round(config.age_s * 1e9), truncated=rules.depth is not None)
        base = columns.symbol(one.index)
        block[base + VENUE] = places[one.venue]
        reals[base + TICK_VALUE] = 0.5 * one.tick.value(1)
        price_units, size_units = checksum_units(one, rules)
        block[base + PRICE_UNITS], block[base + SIZE_UNITS] = price_units, size_units
    for place, group in enumerate(groups):
        at = columns.group(place)
        block[at] = len(group)
        for member, one in enumerate(group):
            block[at + 1 + member] = columns.symbol(one.index)
            block[columns.symbol(one.index) + GROUP] = at
    _settle(columns, config)
    return Layout(columns, parts, places)


def grouped(instruments: tuple[Instrument, ...]) -> list[list[Instrument]]:
    """Group the markets that trade the same base for the same quote at more than one venue."""
    groups: dict[tuple[str, str], list[Instrument]] = {}
    for one in instruments:
        groups.setdefault((one.base, one.quote), []).append(one)
    found = [group for group in groups.values() if len({one.venue for one in group}) > 1]
    for group in found:
        if len(group) > GROUP_MEMBERS_MAX:
            raise ConfigError(
                f"{group[0].base}/{group[0].quote} is traded at {len(group)} markets of one node",
                where=group[-1].key,
                mend=f"name at most {GROUP_MEMBERS_MAX} in one node",
            )
    return found


def checksum_units(one: Instrument, rules: BookRules) -> tuple[int, int]:
    """Give what a tick and a lot are in units of the decimals that the venue states."""
    stated = rules.checksum_decimals.get(one.symbol, (one.tick.decimals, one.lot.decimals))
    units = []
    for step, decimals in zip((one.tick, one.lot), stated, strict=True):
        count = step.units * 10 ** max(0, decimals - step.decimals)
        if decimals < step.decimals or count > UNITS_MAX:
            raise ConfigError(
                f"a step of {step.text(1)} cannot be hashed with {decimals} decimals",
                where=one.key,
                mend="mend checksum_decimals of the venue's book rules",
            )
        units.append(count)
    return units[0], units[1]


def _settle(columns: Columns, config: PipelineConfig) -> None:
    block = columns.block
    reals = block.view(np.float64)
    block[FORCED_MODE], block[ASK_TRADES] = _MODES[config.mode], config.ask_trades
    for word, milliseconds in (
        (QUIET_NS, config.quiet_ms),
        (LATCH_NS, config.latch_ms),
        (RATE_NS, config.rate_window_ms),
        (SKEW_NS, config.skew_ms),
        (CLAIM_NS_MAX, config.claim_age_s * 1e3),
        (FROZEN_NS, config.frozen_s * 1e3),
        (SKEW_WINDOW_NS, config.skew_window_s * 1e3),
    ):
        block[word] = round(milliseconds * 1e6)
    for real, figure in (
        (MOVE_BPS, config.move_bps),
        (SMART_UP, config.smart_up_per_s),
        (SMART_DOWN, config.smart_down_per_s),
        (LATCH_UP, config.latch_up_per_s),
        (LATCH_DOWN, config.latch_down_per_s),
        (SUSPECT_BPS, config.suspect_bps),
        (REJECT_BPS, config.reject_bps),
        (FROZEN_BPS, config.frozen_bps),
    ):
        reals[real] = figure
