"""Rows go in; what strategies must be asked about, and nothing else, comes out."""

from __future__ import annotations

import numpy as np

from market.book import StaleReason
from market.config import BookRules
from market.pipeline import SIGNIFICANT, STALED, SYNCED, TRADED
from market.quality import Level, Reason
from tests.market.pipeline_rows import (
    BEGIN,
    MS,
    SECOND,
    advance,
    delta,
    instrument,
    pipeline,
    rows,
    snapshot,
    step,
    tick,
    trade,
)


def test_a_tick_is_seen_with_all_that_it_says() -> None:
    made = pipeline()
    assert step(made, tick(1)) == [(SIGNIFICANT, 0)]
    assert made.tick() == tick(1)
    assert made.touch(0) == (9_999, 5, 10_001, 7, 1, BEGIN + MS)
    assert made.ticks == 1


def test_a_trade_is_seen_unless_nobody_asks_for_trades() -> None:
    made = pipeline()
    assert step(made, trade(5)) == [(TRADED, 0)]
    assert made.trade() == trade(5)
    assert step(pipeline(ask_trades=False), trade(5)) == []


def test_a_batch_stops_after_each_row_that_matters() -> None:
    made = pipeline(instrument(0), instrument(3, base="ETH"))
    batch = rows(tick(1), tick(1), tick(2, index=3), trade(7, index=3))
    assert made.advance(batch, 0, len(batch)) == 1
    assert advance(made, batch[1:]) == [(SIGNIFICANT, 3), (TRADED, 3)]
    assert made.quality(0).counts == {Reason.DUPLICATE: 1}


def test_a_snapshot_syncs_and_its_touch_is_a_tick() -> None:
    made = pipeline()
    assert step(made, delta(9, bids=((9_999, 2),)), snapshot(8)) == [(SYNCED | SIGNIFICANT, 0)]
    assert made.book(0).sequence == 9 and not made.book(0).stale
    assert made.touch(0)[:5] == (9_999, 2, 10_002, 4, 9)


def test_a_book_that_moves_the_touch_makes_a_tick_and_one_below_it_does_not() -> None:
    made = pipeline()
    step(made, snapshot(8))
    assert step(made, delta(9, bids=((9_990, 2),))) == []
    assert step(made, delta(10, asks=((10_001, 2),))) == [(SIGNIFICANT, 0)]
    assert (made.ask_ticks, made.ask_lots, made.sequence) == (10_001, 2, 10)


def test_a_tick_older_than_the_book_does_not_overwrite_the_touch() -> None:
    made = pipeline()
    step(made, snapshot(8), delta(9, 12, bids=((9_999, 2),)))
    assert step(made, tick(11, bid=9_000)) == []
    assert made.touch(0)[0] == 9_999
    assert made.quality(0).counts == {Reason.OUT_OF_ORDER: 1}
    assert step(made, tick(13, bid=9_997)) == [(SIGNIFICANT, 0)]


def test_a_gap_is_told_and_the_book_is_empty_until_it_is_synced_again() -> None:
    made = pipeline()
    step(made, snapshot(8), delta(9))
    assert step(made, delta(11, bids=((9_999, 1),))) == [(STALED, 0)]
    book = made.book(0)
    assert book.stale and book.reason == StaleReason.GAP and len(book.bids) == 0
    assert made.wants_snapshot(0, BEGIN + SECOND)
    assert step(made, delta(12), snapshot(10)) == [(SYNCED | SIGNIFICANT, 0)]
    assert book.sequence == 12 and book.bid_ticks == 9_999
    assert made.quality(0).counts == {Reason.GAP: 1}


def test_a_snapshot_that_does_not_help_leaves_the_book_stale_and_says_so() -> None:
    made = pipeline()
    assert step(made, delta(20), snapshot(8)) == [(STALED, 0)]
    assert made.book(0).stale


def test_a_book_of_a_venue_that_truncates_is_kept_at_its_depth() -> None:
    made = pipeline(books={"x": BookRules(depth=2)})
    step(made, snapshot(8, bids=((9_998, 5), (9_997, 5)), asks=((10_002, 4), (10_003, 4))))
    step(made, delta(9, bids=((9_999, 1),)))
    assert made.book(0).bids.tolist() == [(9_999, 1), (9_998, 5)]
    # The venue tells a level again that comes back into scope; a horizon would refuse it.
    step(made, delta(10, bids=((9_999, 0), (9_997, 6))))
    assert made.book(0).bids.tolist() == [(9_998, 5), (9_997, 6)]


def test_a_lost_feed_and_a_new_one_begin_sequences_anew() -> None:
    made = pipeline()
    step(made, tick(100), snapshot(99))
    made.feed_lost("x", BEGIN)
    assert made.book(0).reason == StaleReason.FEED_LOST and not made.wants_snapshot(0, BEGIN + SECOND)
    made.feed_up("x", BEGIN)
    assert step(made, tick(3)) == [(SIGNIFICANT, 0)]


def test_a_book_that_hears_nothing_is_found_by_the_watch() -> None:
    made = pipeline(instrument(0), instrument(2, base="ETH"), age_s=1)
    step(made, snapshot(1), snapshot(500, index=2))
    assert made.watch(BEGIN + SECOND) == []
    assert made.watch(BEGIN + 1_200 * MS) == [0]
    assert made.watch(BEGIN + 1_300 * MS) == []
    assert made.book(0).reason == StaleReason.AGE and not made.book(2).stale


def test_rows_of_unknown_markets_and_kinds_are_counted_and_left_alone() -> None:
    made = pipeline(instrument(1))
    before = made.columns.block.copy()
    batch = rows(
        tick(1, index=0), tick(2, index=9), tick(3, index=-5), trade(1, index=1 << 60), tick(9, index=1)
    )
    batch[-1, 0] = 77
    assert advance(made, batch) == []
    assert made.unknown_rows == 5
    before[20] = 5
    assert (made.columns.block == before).all()


def test_read_only_rows_are_taken_too() -> None:
    made = pipeline()
    batch = np.frombuffer(rows(tick(1)).tobytes(), np.int64).reshape(-1, 10)
    assert advance(made, batch) == [(SIGNIFICANT, 0)]


def test_restarting_makes_every_book_stale() -> None:
    made = pipeline()
    step(made, snapshot(8))
    made.restarted()
    assert made.book(0).reason == StaleReason.RESTARTED
    assert made.quality(0).level == Level.OK


def test_rows_that_do_not_lie_as_the_kernel_reads_them_are_laid_out_anew() -> None:
    batch = rows(*(tick(n) for n in range(1, 7)))
    whole, spread = pipeline(), pipeline()
    assert advance(whole, batch[::2].copy()) == advance(spread, batch[::2]) == [(SIGNIFICANT, 0)] * 3
    assert whole.touch(0) == spread.touch(0) and spread.ticks == 3 and spread.sequence == 5
