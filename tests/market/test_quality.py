"""What cannot be right is left out, what may be wrong is asked about by nobody, and each has its count."""

from __future__ import annotations

from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instrument import Instrument
from domain.market_events import Levels, Tick
from market.pipeline import SIGNIFICANT, STALED, SYNCED, Pipeline
from market.quality import Level, Reason
from tests.market.pipeline_rows import (
    BEGIN,
    MS,
    SECOND,
    delta,
    examples,
    instrument,
    pipeline,
    rows,
    snapshot,
    step,
    tick,
    trade,
)

ASKED = [(SIGNIFICANT, 0)]


def judged(made: Pipeline, index: int = 0) -> tuple[Level, dict[Reason, int]]:
    quality = made.quality(index)
    return quality.level, quality.counts


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (tick(2, bid=10_001), Reason.CROSSED),
        (tick(2, bid=10_002), Reason.CROSSED),
        (tick(2, bid=-1), Reason.ZERO),
        (tick(2, bid_lots=0), Reason.ZERO),
        (tick(2, ask=0), Reason.ZERO),
        (tick(2, ask_lots=-3), Reason.ZERO),
        (tick(2, ask=1 << 54), Reason.ZERO),
        (tick(1), Reason.DUPLICATE),
        (tick(0, bid=9_000, exchange_ns=BEGIN - SECOND), Reason.OUT_OF_ORDER),
    ],
)
def test_a_rejected_tick_changes_nothing_but_a_count(bad: Tick, reason: Reason) -> None:
    made = pipeline()
    assert step(made, tick(1)) == ASKED
    before = made.touch(0), len(made.ring(0)), made.ticks
    assert step(made, bad) == []
    assert (made.touch(0), len(made.ring(0)), made.ticks) == before
    assert made.quality(0).counts == {reason: 1}
    assert step(made, tick(3)) == ASKED and made.quality(0).level == Level.OK


def test_an_empty_side_is_shown_but_nobody_is_asked() -> None:
    made = pipeline()
    step(made, tick(1))
    assert step(made, tick(2, bid=0, bid_lots=0)) == []
    assert made.touch(0)[:4] == (0, 0, 10_001, 7) and len(made.ring(0)) == 1
    assert judged(made) == (Level.SUSPECT, {Reason.ZERO: 1})


@pytest.mark.parametrize("bad", [(0, 5), (-7, 5), (9_000, -1), (1 << 60, 5)])
def test_a_change_with_an_impossible_level_is_a_hole_in_the_book(bad: tuple[int, int]) -> None:
    made = pipeline()
    step(made, snapshot(8))
    assert step(made, delta(9, bids=((9_990, 1), bad))) == [(STALED, 0)]
    assert made.book(0).stale
    assert made.quality(0).counts == {Reason.ZERO: 1, Reason.GAP: 1}
    # It does not wait for the snapshot either.
    assert step(made, delta(10, bids=(bad,)), snapshot(9)) == [(SYNCED, 0)]


def test_doubled_old_and_missing_changes_are_told_apart() -> None:
    for told, reason in (
        (delta(10, 11), Reason.DUPLICATE),
        (delta(8, 9), Reason.OUT_OF_ORDER),
        (delta(13), Reason.GAP),
    ):
        made = pipeline()
        step(made, snapshot(8), delta(9), delta(10, 11))
        assert step(made, told) == [(STALED, 0)]
        assert made.quality(0).counts == {reason: 1}


def test_a_wrong_checksum_and_a_crossed_book_have_their_own_counts() -> None:
    made = pipeline()
    step(made, snapshot(8), delta(9, checksum=1))
    step(made, snapshot(20), delta(21, bids=((10_003, 1),)))
    assert made.quality(0).counts == {Reason.CHECKSUM: 1, Reason.CROSSED: 1}


def test_trades_come_once_and_in_order() -> None:
    made = pipeline(ask_trades=False)
    step(made, trade(5), trade(6), trade(6), trade(4), trade(7, price=0), trade(8, size=-1))
    counts = {Reason.DUPLICATE: 1, Reason.OUT_OF_ORDER: 1, Reason.ZERO: 2}
    assert made.quality(0).counts == counts
    # A venue that began anew may count anew, but a trade that was fetched again is no new one.
    made.feed_up("x", BEGIN)
    step(made, trade(3), trade(1, ms=900))
    assert made.quality(0).counts == {**counts, Reason.OUT_OF_ORDER: 2}


def test_what_is_not_sequenced_is_ordered_by_the_venues_time() -> None:
    made = pipeline()
    told = [tick(0, ms=5), tick(0, ms=5, bid=9_998), tick(0, ms=6, exchange_ns=BEGIN)]
    assert step(made, *told) == ASKED * 2
    assert made.quality(0).counts == {Reason.OUT_OF_ORDER: 1}


def venues(count: int, **config: Any) -> Pipeline:
    return pipeline(*[instrument(place, venue=f"v{place}") for place in range(count)], **config)


def at(index: int, number: int, mid: int) -> Tick:
    return tick(number, bid=mid - 1, ask=mid + 1, index=index)


def test_a_price_off_the_others_median_is_suspect_and_one_far_off_is_rejected() -> None:
    made = venues(3)
    step(made, at(0, 1, 10_000), at(1, 2, 10_010), at(2, 3, 9_990))
    assert step(made, at(0, 4, 10_150)) == []
    assert judged(made) == (Level.SUSPECT, {Reason.OFF_MEDIAN: 1})
    assert made.touch(0)[0] == 10_149 and len(made.ring(0)) == 1
    assert step(made, at(0, 5, 12_000)) == []
    assert judged(made) == (Level.REJECT, {Reason.OFF_MEDIAN: 2})
    assert made.touch(0)[0] == 10_149
    assert step(made, at(0, 6, 10_000)) == ASKED
    assert made.quality(0).level == Level.OK


def test_of_two_venues_that_differ_both_are_suspect_and_meet_again() -> None:
    made = venues(2)
    step(made, at(0, 1, 10_000), at(1, 2, 20_000))
    assert made.quality(1).level == Level.SUSPECT and made.touch(1)[0] == 19_999
    assert step(made, at(0, 3, 20_000)) == ASKED
    assert step(made, at(1, 4, 20_000)) == [(SIGNIFICANT, 1)]


def test_other_quotes_and_other_tick_sizes_are_not_mixed_up() -> None:
    finer = Instrument.of(1, "v1", "BTC", "USDT", tick="0.0001", lot="0.001")
    other = instrument(2, venue="v2", quote="USDC")
    made = pipeline(instrument(0, venue="v0"), finer, other)
    told = [at(0, 1, 10_000), at(1, 2, 1_000_000), at(2, 3, 99)]
    assert [flags for flags, _ in step(made, *told)] == [SIGNIFICANT] * 3


def test_a_claim_that_is_old_or_of_a_lost_feed_does_not_count() -> None:
    made = venues(2, claim_age_s=1)
    step(made, at(0, 1, 10_000))
    assert step(made, tick(2_000, bid=19_999, ask=20_001, index=1)) == [(SIGNIFICANT, 1)]
    made.feed_lost("v1", BEGIN)
    assert step(made, at(0, 2_001, 10_000)) == ASKED


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(9_000, 11_000)), min_size=1, max_size=40))
def test_levels_are_those_of_a_plain_median(told: list[tuple[int, int]]) -> None:
    # Bounds that no ratio of these prices meets exactly.
    made = venues(5, suspect_bps=150.03, reject_bps=500.07)
    claims: dict[int, int] = {}
    for number, (index, mid) in enumerate(told, start=1):
        step(made, at(index, number, mid))
        others = [claim for venue, claim in claims.items() if venue != index]
        claims[index] = mid
        level = Level.OK
        if others:
            off_bps = abs(mid - median(others)) * 10_000 / median(others)
            level = Level.SUSPECT if off_bps > 150.03 else Level.OK
            level = Level.REJECT if off_bps > 500.07 and len(others) > 1 else level
        assert made.quality(index).level == level


def test_a_feed_that_is_silent_is_suspect_until_it_speaks() -> None:
    made = pipeline(frozen_s=2)
    step(made, tick(1))
    made.watch(BEGIN + SECOND)
    assert made.quality(0).level == Level.OK
    made.watch(BEGIN + 3 * SECOND)
    made.watch(BEGIN + 4 * SECOND)
    assert judged(made) == (Level.SUSPECT, {Reason.FROZEN: 1})
    assert step(made, tick(4_001)) == ASKED
    assert made.quality(0).level == Level.OK


def test_a_feed_that_says_the_same_while_others_move_is_suspect_until_it_changes() -> None:
    made = venues(2, frozen_s=2, suspect_bps=1_000)
    step(made, at(0, 1, 10_000), at(1, 2, 10_000), at(0, 3, 10_001))
    for number in range(1_000, 4_000, 500):
        step(made, at(0, number, 10_001), at(1, number + 1, 10_000 + number // 50))
    made.watch(BEGIN + 4 * SECOND)
    assert made.quality(0).level == Level.SUSPECT and made.quality(1).level == Level.OK
    assert step(made, at(0, 4_001, 10_001)) == []
    assert made.quality(0).counts[Reason.FROZEN] == 2
    assert step(made, at(0, 4_002, 10_050)) == ASKED


def late(number: int, offset_ms: int, ms: int | None = None) -> Tick:
    """A tick whose venue's clock says `offset_ms` before ours."""
    ms = number if ms is None else ms
    return tick(number, ms=ms, exchange_ns=BEGIN + (ms - offset_ms) * MS)


def test_a_venues_clock_is_measured_by_its_least_offset() -> None:
    made = pipeline(skew_window_s=1)
    for number in range(1, 4_000):
        step(made, late(number, 30 + number % 50 + number // 1_000))
    clock = made.clock("x")
    assert clock.measured and clock.jumps == 0
    assert 30 * MS <= clock.offset_ns <= 34 * MS
    assert 0 < clock.drift_ppb < 1_000_000
    assert made.quality(0).counts == {}


@pytest.mark.parametrize("jump_ms", [-3_000, 3_000])
def test_a_clock_that_jumps_makes_rows_suspect_until_it_is_measured_again(jump_ms: int) -> None:
    made = pipeline(skew_window_s=1)
    for number in range(1, 1_200):
        step(made, late(number, 30))
    assert step(made, late(1_201, 30 + jump_ms)) == []
    assert judged(made) == (Level.SUSPECT, {Reason.CLOCK_SKEW: 1})
    assert made.touch(0)[4] == 1_201
    for number in range(1_202, 4_000):
        step(made, late(number, 30 + jump_ms))
    assert made.clock("x").jumps == 1 and made.clock("x").offset_ns == (30 + jump_ms) * MS
    assert step(made, late(4_001, 30 + jump_ms)) == ASKED


def test_a_row_without_a_time_of_ours_is_malformed() -> None:
    made = pipeline()
    batch = rows(tick(1), delta(3))
    batch[:, 3] = -5
    assert made.advance(batch, 0, len(batch)) == len(batch)
    assert made.quality(0).counts == {Reason.MALFORMED: 2}


def test_both_sides_of_a_book_may_be_empty() -> None:
    made = pipeline()
    none: Levels = ()
    assert step(made, snapshot(5, none, none)) == [(SYNCED, 0)]
    assert made.touch(0)[:4] == (0, 0, 0, 0)
