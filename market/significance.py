"""What it costs to ask strategies about fewer ticks: measured on a stream, not assumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from domain.dtypes import LOCAL_NS, Rows
from domain.instrument import Instrument
from hw.clock import perf_ns
from market.config import PipelineConfig
from market.mode import Mode
from market.pipeline import SIGNIFICANT, Pipeline

Decide = Callable[[Pipeline], object]
_Asked = list[tuple[int, int, object]]


class ModeLoss(msgspec.Struct, frozen=True):
    """What one mode did with a stream.

    `equal_frac` is the share of ticks at which the decision that stood was the one that FULL took there;
    `cpu_frac` is the time spent, pipeline and decisions, as a share of FULL's.
    """

    mode: Mode
    ticks: int
    asks: int
    equal_frac: float
    cpu_s: float
    cpu_frac: float


def measure(
    rows: Rows, instruments: Sequence[Instrument], config: PipelineConfig, decide: Decide, rounds: int = 1
) -> list[ModeLoss]:
    """Run one stream in FULL, SMART and LATCH and compare what was decided; the best round's time counts.

    `decide` answers as a strategy would, from what the pipeline shows at a tick.
    """
    found: list[ModeLoss] = []
    full: _Asked = []
    for mode in Mode:
        forced = config.model_copy(update={"mode": mode.name.lower(), "ask_trades": False})
        runs = [_run(rows, instruments, forced, decide) for _ in range(rounds)]
        asked, cpu_s = runs[0][0], min(took_s for _, took_s in runs)
        full = asked if mode == Mode.FULL else full
        base_s = found[0].cpu_s if found else cpu_s
        equal = _equal(full, asked)
        share = equal / len(full) if full else 1.0
        found.append(ModeLoss(mode, len(full), len(asked), share, cpu_s, cpu_s / base_s))
    return found


def _run(
    rows: Rows, instruments: Sequence[Instrument], config: PipelineConfig, decide: Decide
) -> tuple[_Asked, float]:
    """Give (row, market, decision) of every question, and the seconds that it took."""
    pipeline = Pipeline(instruments, config)
    for venue in dict.fromkeys(one.venue for one in instruments):
        pipeline.feed_up(venue, int(rows[0, LOCAL_NS]) if len(rows) else 0)
    asked: _Asked = []
    at, end, advance = 0, len(rows), pipeline.advance
    start_ns = perf_ns()
    while at < end:
        at = advance(rows, at, end)
        if pipeline.flags & SIGNIFICANT:
            asked.append((at, pipeline.instrument, decide(pipeline)))
    return asked, (perf_ns() - start_ns) / 1e9


def _equal(full: _Asked, asked: _Asked) -> int:
    """Count the ticks at which what stood is what FULL decided."""
    fresh = {at: decision for at, _, decision in asked}
    standing: dict[int, object] = {}
    equal = 0
    for at, market, decision in full:
        if at in fresh:
            standing[market] = fresh[at]
        equal += standing.get(market) == decision
    return equal
