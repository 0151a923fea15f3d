"""The merged depth is every believed level of every venue, sorted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instrument import Instrument
from market.consolidated import ConsolidatedBook, consolidated
from market.quality import Level
from tests.market.pipeline_rows import BEGIN, examples, instrument, pipeline, snapshot, step, tick


def other(
    index: int, venue: str, tick_size: str = "0.1", lot: str = "0.01", quote: str = "USDT"
) -> Instrument:
    return Instrument.of(index, venue, "BTC", quote, tick=tick_size, lot=lot)


def shown(book: ConsolidatedBook) -> tuple[list[tuple[float, float, str]], ...]:
    sides = []
    for depth in (book.bids(), book.asks()):
        assert len(depth.prices) == len(depth.sizes) == len(depth.places)
        venues = [book.members[place].venue for place in depth.places]
        rounded = [round(price, 6) for price in depth.prices], [round(size, 6) for size in depth.sizes]
        sides.append(list(zip(*rounded, venues, strict=True)))
    return tuple(sides)


def test_levels_of_all_venues_come_best_first_in_one_unit() -> None:
    made = pipeline(instrument(0, "a"), other(1, "b"))
    step(made, snapshot(1, ((9_998, 5), (9_990, 1)), ((10_002, 4),)))
    step(made, snapshot(2, ((999, 7), (998, 2)), ((1_000, 3),), index=1))
    bids, asks = shown(consolidated(made)["BTC", "USDT"])
    assert bids == [(99.98, 0.005, "a"), (99.9, 0.001, "a"), (99.9, 0.07, "b"), (99.8, 0.02, "b")]
    assert asks == [(100.0, 0.03, "b"), (100.02, 0.004, "a")]


def test_a_stale_book_is_left_out_until_it_is_synced() -> None:
    made = pipeline(instrument(0, "a"), instrument(1, "b"))
    book = consolidated(made)["BTC", "USDT"]
    assert shown(book) == ([], [])
    step(made, snapshot(1), snapshot(2, index=1))
    assert len(shown(book)[0]) == 2
    made.feed_lost("a", BEGIN)
    assert [venue for _, _, venue in shown(book)[0]] == ["b"]


def test_a_book_whose_data_is_rejected_is_left_out() -> None:
    made = pipeline(instrument(0, "a"), instrument(1, "b"), instrument(2, "c"))
    step(made, *[snapshot(1, index=index) for index in range(3)])
    book = consolidated(made)["BTC", "USDT"]
    assert len(book.bids().prices) == 3
    step(made, tick(5, bid=20_000, ask=20_002))
    assert made.quality(0).level == Level.REJECT
    assert [venue for _, _, venue in shown(book)[0]] == ["b", "c"]


def test_other_quotes_are_other_books() -> None:
    made = pipeline(instrument(0, "a"), other(1, "b", quote="USDC"))
    step(made, snapshot(1), snapshot(2, ((999, 7),), ((1_000, 3),), index=1))
    books = consolidated(made)
    assert list(books) == [("BTC", "USDT"), ("BTC", "USDC")]
    assert [venue for _, _, venue in shown(books["BTC", "USDC"])[0]] == ["b"]


def test_depth_is_bounded() -> None:
    made = pipeline(instrument(0, "a"), instrument(1, "b"))
    step(made, snapshot(1, tuple((9_000 - step, 1) for step in range(20)), ()))
    assert len(ConsolidatedBook(made, "BTC", "USDT", 7).bids().prices) == 7
    with pytest.raises(AssertionError):
        ConsolidatedBook(made, "BTC", "USDT", 0)


SIDE = st.dictionaries(st.integers(1, 300), st.integers(1, 9), max_size=12)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(SIDE, SIDE, st.booleans()), min_size=1, max_size=4), st.integers(1, 30))
def test_it_is_what_sorting_everything_gives(drawn: list[Any], depth: int) -> None:
    steps = (("0.01", "0.001"), ("0.02", "0.01"), ("0.05", "0.1"), ("0.1", "1"))
    markets = [other(place, f"v{place}", *steps[place]) for place in range(len(drawn))]
    made = pipeline(*markets, suspect_bps=100_000, reject_bps=100_000)
    everything: tuple[list[Any], list[Any]] = ([], [])
    for place, (bids, asks, lost) in enumerate(drawn):
        # In units of 0.01 all bids are below 100_000 and all asks above it.
        ticks = markets[place].tick.units
        lower = {(100_000 - 10 * price) // ticks: size for price, size in bids.items()}
        upper = {(100_000 + 10 * price) // ticks: size for price, size in asks.items()}
        if markets[place].tick.decimals == 1:
            lower, upper = ({p // 10: s for p, s in side.items()} for side in (lower, upper))
        told = tuple(sorted(lower.items(), reverse=True)), tuple(sorted(upper.items()))
        if told[0] and told[1] and told[0][0][0] >= told[1][0][0]:
            continue
        step(made, snapshot(1, *told, index=place))
        if lost:
            made.feed_lost(f"v{place}", BEGIN)
            continue
        for side, levels in zip(everything, told, strict=True):
            for price, size in levels:
                one = markets[place]
                side.append((round(one.tick.value(price), 6), round(one.lot.value(size), 6), one.venue))
    book = ConsolidatedBook(made, "BTC", "USDT", depth)
    bids = sorted(everything[0], key=lambda level: (-level[0], level[2]))[:depth]
    asks = sorted(everything[1], key=lambda level: (level[0], level[2]))[:depth]
    assert shown(book) == (bids, asks)
