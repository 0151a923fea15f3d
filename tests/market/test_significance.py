"""Few ticks are all asked about, many only where they matter, and a flood at intervals."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.dtypes import (
    ASK_LOTS,
    ASK_TICKS,
    BID_LOTS,
    BID_TICKS,
    EXCHANGE_NS,
    KIND,
    LOCAL_NS,
    ROW_WIDTH,
    SEQUENCE,
    TICK_ROW,
    Rows,
)
from market.config import PipelineConfig
from market.mode import Mode
from market.pipeline import Pipeline
from market.significance import measure
from tests.market.pipeline_rows import BEGIN, MS, SECOND, examples, instrument, pipeline, rows, step, tick


def feed(made: Pipeline, times_ms: Iterable[float], mids: Iterable[int] | None = None) -> list[bool]:
    """Give for each tick whether it was asked about."""
    asked, sequence = [], max(0, made.touch(0)[4])
    prices = iter(mids) if mids is not None else None
    for ms in times_ms:
        sequence += 1
        mid = 10_000 if prices is None else next(prices)
        told = rows(tick(sequence, bid=mid - 1, ask=mid + 1))
        told[:, 2:4] = BEGIN + round(ms * MS)
        made.advance(told, 0, 1)
        asked.append(made.flags != 0)
    return asked


def test_every_tick_is_asked_about_while_there_are_few() -> None:
    made = pipeline()
    assert all(feed(made, range(0, 5_000, 12)))
    assert made.mode(0) == Mode.FULL
    assert made.rate_per_s(0) == pytest.approx(1_000 / 12, rel=0.02)
    assert made.asks(0) == made.ticks


def test_more_ticks_are_asked_about_by_move_or_after_a_pause() -> None:
    made = pipeline()
    asked = feed(made, range(0, 10_000, 5))
    assert made.mode(0) == Mode.SMART
    late = [place for place, one in enumerate(asked[1_000:]) if one]
    assert {later - earlier for earlier, later in pairwise(late)} == {20}
    moved = feed(made, range(10_001, 10_031, 5), [10_001, 10_003, 10_003, 10_006, 10_002, 10_002])
    assert moved == [False, True, False, True, True, False]


def test_a_flood_is_conflated_to_at_most_one_question_per_interval() -> None:
    made = pipeline()
    times = [at / 2 for at in range(20_000)]
    asked = feed(made, times, [10_000 + 10 * (at % 7) for at in range(20_000)])
    assert made.mode(0) == Mode.LATCH
    when = [ms for ms, one in zip(times, asked, strict=True) if one and ms > 3_000]
    assert min(later - earlier for earlier, later in pairwise(when)) >= 10
    assert len(when) == pytest.approx(700, abs=5)
    # The newest stands: what is asked about is what the touch is then.
    assert made.touch(0)[4] == 20_000


def test_a_mode_is_left_only_under_a_lower_threshold() -> None:
    made = pipeline(rate_window_ms=500)
    modes = []
    for gap_ms in (12, 9, 11, 13, 1, 2.2, 2.6, 5, 13):
        last = (made.touch(0)[5] - BEGIN) / MS
        feed(made, [last + gap_ms * (1 + place) for place in range(800)])
        modes.append(made.mode(0).name)
    assert modes == ["FULL", "SMART", "SMART", "FULL", "LATCH", "LATCH", "SMART", "SMART", "FULL"]


@pytest.mark.parametrize("mode", ["full", "smart", "latch"])
def test_a_mode_can_be_forced(mode: Any) -> None:
    made = pipeline(mode=mode)
    asked = feed(made, range(0, 3_000, 30))
    assert made.mode(0).name == mode.upper()
    assert all(asked) == (mode == "full") and any(asked)


def test_a_clock_that_goes_back_does_not_silence_a_market() -> None:
    made = pipeline(mode="smart")
    assert feed(made, [100_000, 50_000, 50_001]) == [True, True, False]


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(-4, 4)), min_size=1, max_size=120),
    st.sampled_from(["auto", "smart", "latch"]),
)
def test_questions_are_those_of_a_plain_reference(told: list[tuple[int, int]], mode: Any) -> None:
    config: dict[str, Any] = {
        "smart_up_per_s": 60,
        "smart_down_per_s": 50,
        "latch_up_per_s": 90,
        "latch_down_per_s": 80,
    }
    made = pipeline(mode=mode, **config)
    at_ms, mid, mids, times = 0, 10_000, [], []
    for gap_ms, move in told:
        at_ms, mid = at_ms + gap_ms, mid + move
        times.append(at_ms)
        mids.append(mid)
    assert feed(made, times, mids) == reference(times, mids, mode)


def reference(times: list[int], mids: list[int], forced: str) -> list[bool]:
    """Count ticks that fade, step between modes, and ask by the book."""
    mode, count, before_ms = "full", 0.0, 0
    asked: list[bool] = []
    last_mid, last_ms = 0, -1_000_000
    for place, (at_ms, mid) in enumerate(zip(times, mids, strict=True)):
        gap_s = (at_ms - before_ms) / 1_000 if place > 0 else 1e9
        count, before_ms = count / (1 + gap_s) + 1, at_ms
        rate = count - 1
        if rate >= 90.0007 or (mode == "latch" and rate > 80.0007):
            mode = "latch"
        elif rate >= 60.0007 or (mode != "full" and rate > 50.0007):
            mode = "smart"
        else:
            mode = "full"
        used = mode if forced == "auto" else forced
        moved = last_mid == 0 or abs(mid - last_mid) * 10_000 >= 2 * last_mid
        ask = used == "full" or moved or at_ms - last_ms >= 100
        if used == "latch" and at_ms - last_ms < 10:
            ask = False
        asked.append(ask)
        if ask:
            last_mid, last_ms = mid, at_ms
    return asked


def test_thresholds_out_of_order_are_refused() -> None:
    for wrong in (
        {"smart_up_per_s": 10.0},
        {"latch_down_per_s": 600.0},
        {"latch_down_per_s": 50.0},
        {"suspect_bps": 2_000.0},
    ):
        with pytest.raises(ValidationError, match="must hold"):
            PipelineConfig(**wrong)


def test_the_first_tick_after_a_break_is_asked_about() -> None:
    made = pipeline(mode="smart")
    step(made, tick(5))
    assert step(made, tick(6)) == []
    made.feed_up("x", BEGIN + SECOND)
    assert step(made, tick(7)) != []


def wandering(count: int, gap_ms: float) -> Rows:
    draw = np.random.default_rng(3)
    mids = 10_000 + np.cumsum(draw.integers(-1, 2, count))
    told = np.zeros((count, ROW_WIDTH), np.int64)
    told[:, KIND] = TICK_ROW
    told[:, EXCHANGE_NS] = told[:, LOCAL_NS] = BEGIN + (np.arange(count) * gap_ms * MS).astype(np.int64)
    told[:, SEQUENCE] = np.arange(1, count + 1)
    told[:, BID_TICKS], told[:, ASK_TICKS] = mids - 1, mids + 1
    told[:, BID_LOTS], told[:, ASK_LOTS] = draw.integers(1, 9, (2, count))
    return told


def test_the_loss_of_each_mode_is_measured_against_full() -> None:
    told, market = wandering(5_000, 1.0), (instrument(),)
    losses = {loss.mode: loss for loss in measure(told, market, PipelineConfig(), lambda p: p.bid_ticks // 5)}
    full, smart, latch = losses[Mode.FULL], losses[Mode.SMART], losses[Mode.LATCH]
    assert full.ticks == full.asks == smart.ticks == 5_000
    assert full.equal_frac == full.cpu_frac == 1.0
    assert 5_000 > smart.asks >= latch.asks > 40
    assert 1.0 > smart.equal_frac >= latch.equal_frac > 0.5
    assert all(loss.cpu_s > 0 for loss in losses.values())


def test_a_decision_that_never_changes_loses_nothing() -> None:
    losses = measure(wandering(1_000, 2.0), (instrument(),), PipelineConfig(), lambda _: "hold", rounds=2)
    assert [loss.equal_frac for loss in losses] == [1.0, 1.0, 1.0]
    assert measure(wandering(0, 1.0), (instrument(),), PipelineConfig(), lambda _: 0)[1].ticks == 0
