"""A pipeline's block holds every market by its index, its venue, its equals elsewhere and its units."""

from __future__ import annotations

import zlib

import pytest

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.market_events import BookSnapshot
from market.columns import PRICE_UNITS, SIZE_UNITS
from market.config import BookRules, PipelineConfig
from market.layout import checksum_units, grouped
from market.pipeline import SIGNIFICANT, SYNCED, TRADED, Pipeline
from market.rows import RowEvent
from market.schedule import Schedule
from tests.market.pipeline_rows import BEGIN, MS, instrument, pipeline, snapshot, step, tick, trade


def test_only_equal_pairs_of_different_venues_are_a_group() -> None:
    markets = (
        instrument(0, "a"),
        instrument(1, "b"),
        instrument(2, "c", quote="USDC"),
        instrument(3, "c", base="ETH"),
        instrument(4, "c", base="ETH"),
    )
    assert [[one.index for one in group] for group in grouped(markets)] == [[0, 1]]


def test_more_equal_markets_than_can_be_compared_are_refused() -> None:
    with pytest.raises(ConfigError, match="16 markets of one node"):
        pipeline(*[instrument(place, f"v{place}") for place in range(16)])


def test_a_checksum_is_taken_in_the_decimals_that_the_venue_states() -> None:
    one = Instrument.of(0, "x", "BTC", "USD", tick="0.5", lot="0.001")
    rules = BookRules(depth=10, checksum_decimals={"BTCUSD": (2, 4)})
    assert checksum_units(one, BookRules()) == (5, 1)
    assert checksum_units(one, rules) == (50, 10)
    made = Pipeline((one,), PipelineConfig(books={"x": rules}))
    base = made.columns.symbol(0)
    assert (made.columns.block[base + PRICE_UNITS], made.columns.block[base + SIZE_UNITS]) == (50, 10)
    made.feed_up("x", BEGIN)
    right = zlib.crc32(b"1005040995070")
    assert step(made, BookSnapshot(0, 0, BEGIN, 1, ((199, 7),), ((201, 4),), right)) == [
        (SYNCED | SIGNIFICANT, 0)
    ]


def test_decimals_that_cannot_hold_a_step_are_refused() -> None:
    for decimals in ((0, 3), (9, 3)):
        with pytest.raises(ConfigError, match="cannot be hashed"):
            checksum_units(instrument(), BookRules(checksum_decimals={"BTCUSDT": decimals}))


def test_believed_ticks_and_trades_reach_rings_bars_and_indicators_and_no_others() -> None:
    made = pipeline(indicators=("sma:2", "sma:2@1m", "imbalance:1@book", "ema:2@trade"))
    assert made.indicator(0, "sma:2") is None
    told: list[RowEvent] = [
        tick(1),
        tick(2, bid=10_001),
        tick(3, bid=10_001, ask=10_005),
        trade(1),
        trade(2, 9_990),
    ]
    assert [flags for flags, _ in step(made, *told)] == [SIGNIFICANT, SIGNIFICANT, TRADED, TRADED]
    assert made.indicator(0, "sma:2") == 10_001.5
    assert made.ring(0).last(9)["ask_ticks"].tolist() == [10_001, 10_005]
    assert len(made.bars(0)) == 0
    step(made, trade(3, 9_980, ms=61_000), trade(4, ms=121_000), snapshot(130_000))
    assert made.bars(0)[["open_ticks", "close_ticks", "volume_lots"]].tolist() == [
        (10_000, 9_990, 6),
        (9_980, 9_980, 3),
    ]
    assert made.indicator(0, "sma:2@1m") == 9_985.0
    assert made.indicator(0, "imbalance:1@book") == pytest.approx(1 / 9)
    assert len(made.bars(0, "1h")) == 0


def test_a_venue_without_a_clock_of_its_own_has_bars_in_our_time() -> None:
    made = pipeline(ask_trades=False)
    for number, ms in ((1, 0), (2, 61_000)):
        step(made, type(trade(1))(0, 0, BEGIN + ms * MS, number, 10_000, 1, 1))
    assert made.bars(0)["start_ns"].tolist() == [BEGIN // 60_000_000_000 * 60_000_000_000]


def test_what_runs_in_the_background_gives_the_same_figures() -> None:
    slow = Schedule({"sma:5": "deferred"}, {}, 2, 4, 2)
    both = [
        Pipeline((instrument(),), PipelineConfig(depth_max=10, indicators=("sma:5", "ema:3")), schedule)
        for schedule in (slow, slow, None)
    ]
    figures = []
    for number in range(1, 40):
        for made in both:
            step(made, tick(number, bid=9_900 + number))
        figures.append([made.indicator(0, "sma:5") for made in both])
    assert all(first == second for first, second, _ in figures)
    assert figures[-1][0] is not None and figures[-1][2] is not None
    for made in both:
        made.close()
