"""The depth that a ticket counts on: the book, under the newest touch."""

from __future__ import annotations

from agents.arbitrage.depths import LEVELS, depth_of, side_of
from domain.market_events import BookSnapshot, Tick
from market.pipeline import Pipeline
from market.rows import rows_of
from tests.agents.builders import VENUE, instrument


def pipeline(levels: int = 4) -> Pipeline:
    made = Pipeline((instrument(0),))
    made.feed_up(VENUE, 1)
    bids = tuple((100 - place, 10 + place) for place in range(levels))
    asks = tuple((102 + place, 20 + place) for place in range(levels))
    take(made, BookSnapshot(0, 2, 2, 5, bids, asks))
    return made


def take(made: Pipeline, event: BookSnapshot | Tick) -> None:
    rows, at = rows_of(event), 0
    while at < len(rows):
        at = made.advance(rows, at, len(rows))


def test_the_book_is_given_as_it_is_where_the_touch_is_its_own() -> None:
    depth = depth_of(pipeline(), 0)
    assert depth.bids.tolist() == [[100, 10], [99, 11], [98, 12], [97, 13]]
    assert depth.asks.tolist() == [[102, 20], [103, 21], [104, 22], [105, 23]]


def test_a_newer_touch_hides_what_the_book_has_before_it() -> None:
    made = pipeline()
    take(made, Tick(0, 3, 3, 98, 1, 101, 7, 6))
    assert side_of(made, 0, -1).tolist() == [[98, 1], [97, 13]]
    assert side_of(made, 0, 1).tolist() == [[101, 7], [102, 20], [103, 21], [104, 22], [105, 23]]


def test_a_touch_of_another_size_is_of_the_size_told_last() -> None:
    made = pipeline()
    take(made, Tick(0, 3, 3, 100, 4, 102, 20, 6))
    assert side_of(made, 0, -1).tolist()[0] == [100, 4] and len(side_of(made, 0, 1)) == 4


def test_a_deep_book_is_cut_and_one_that_is_not_believed_is_empty() -> None:
    made = pipeline(levels=60)
    assert len(side_of(made, 0, 1)) == LEVELS
    made.feed_lost(VENUE, 9)
    assert len(side_of(made, 0, 1)) == 0 == len(depth_of(made, 0).bids)
