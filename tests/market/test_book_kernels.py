"""The kernels keep the same book as dicts that are sorted anew each time, and hash it as the venue does."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.market_events import BookDelta, BookSnapshot, Levels
from market.book import Book, BookChange, StaleReason
from market.checksum_kernels import book_checksum
from market.columns import PRICE_UNITS, SIZE_UNITS, Columns
from tests.market.pipeline_rows import examples
from tests.market.slow_book import SlowBook

# The example on https://docs.kraken.com/api/docs/guides/spot-ws-book-v2, in ticks of 0.1 and lots of 1e-8.
KRAKEN_BIDS: Levels = (
    (452835, 10000000),
    (452834, 154582015),
    (452821, 10000000),
    (452810, 10000000),
    (452803, 154592586),
    (452790, 7990000),
    (452776, 3310103),
    (452775, 30000000),
    (452773, 154602737),
    (452766, 15445238),
)
KRAKEN_ASKS: Levels = (
    (452852, 100000),
    (452864, 154571953),
    (452866, 154571109),
    (452896, 154560911),
    (452902, 15890660),
    (452918, 154553491),
    (452947, 4454749),
    (452961, 35380000),
    (452975, 9945542),
    (452995, 18772827),
)
KRAKEN_CHECKSUM = 3310070434


def book(depth: int, *, truncated: bool = False) -> Book:
    columns = Columns(1, 0, (), depth if not truncated else depth + 20)
    columns.allocate()
    columns.fit(0, depth, 30_000_000_000, truncated=truncated)
    made = Book(0, depth, columns=columns)
    made.feed_up(1)
    return made


def test_the_checksum_is_that_of_the_example_in_the_venues_documentation() -> None:
    made = book(10, truncated=True)
    told = BookSnapshot(0, 0, 1, 1, KRAKEN_BIDS, KRAKEN_ASKS, KRAKEN_CHECKSUM)
    assert made.apply(told) == BookChange.SYNCED
    wrong = BookDelta(0, 0, 1, 2, 2, ((452835, 9), (452836, 1)), (), KRAKEN_CHECKSUM)
    assert made.apply(wrong) == BookChange.STALE
    assert made.reason == StaleReason.CHECKSUM and len(made.bids) == 0


def test_a_snapshot_with_a_wrong_checksum_makes_no_book() -> None:
    made = book(10, truncated=True)
    told = BookSnapshot(0, 0, 1, 1, KRAKEN_BIDS, KRAKEN_ASKS, KRAKEN_CHECKSUM + 1)
    assert made.apply(told) == BookChange.STALE
    assert made.reason == StaleReason.CHECKSUM


@settings(max_examples=examples(100), deadline=None)
@given(
    st.dictionaries(st.integers(1, 1 << 53), st.integers(1, 1 << 53), max_size=14),
    st.sampled_from([1, 5, 10, 1000]),
    st.sampled_from([1, 7, 100]),
)
def test_any_digits_are_hashed_as_their_text(
    sizes: dict[int, int], price_units: int, size_units: int
) -> None:
    columns = Columns(1, 0, (), 20)
    columns.allocate()
    columns.fit(0, 20, 1)
    made, slow = Book(0, 20, columns=columns), SlowBook(20)
    levels = tuple(sorted(sizes.items()))
    half = len(levels) // 2
    told = BookSnapshot(0, 0, 1, 1, levels[:half], levels[half:])
    made.feed_up(1)
    slow.feed_up()
    made.apply(told)
    slow.apply(told)
    base = columns.symbol(0)
    columns.block[base + PRICE_UNITS], columns.block[base + SIZE_UNITS] = price_units, size_units
    assert book_checksum(columns.block, base) == slow.checksum(price_units, size_units)


LEVELS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), max_size=8)
CHANGE = st.tuples(
    st.sampled_from(
        ["next"] * 12 + ["gap", "again", "cross", "snapshot", "snapshot", "long snapshot", "wrong"]
    ),
    LEVELS,
    LEVELS,
    st.integers(0, 2),
)


def told_by(kind: str, bids: Any, asks: Any, more: int, slow: SlowBook) -> BookDelta | BookSnapshot:
    """Make an event for the book as it stands: the next change, or what goes wrong instead of it."""
    lower = tuple((100 - price, size) for price, size in bids)
    upper = tuple((100 + price, size) for price, size in asks)
    first = slow.sequence + 1
    if kind == "snapshot":
        return BookSnapshot(0, 1, 1, slow.sequence + more, lower, upper)
    if kind == "long snapshot":
        full = (
            tuple((99 - step, 1 + more) for step in range(40)),
            tuple((101 + step, 2) for step in range(40)),
        )
        return BookSnapshot(0, 1, 1, slow.sequence + more, *full)
    if kind == "cross":
        lower += ((130, 1),)
    first += {"gap": 2, "again": -1}.get(kind, 0)
    return BookDelta(0, 1, 1, first, first + more, lower, upper, 12345 if kind == "wrong" else -1)


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(CHANGE, max_size=50),
    st.sampled_from([(2, False), (8, False), (9, False), (5, True), (16, True)]),
)
def test_whatever_comes_the_book_is_that_of_the_slow_reference(
    changes: list[Any], shape: tuple[int, bool]
) -> None:
    depth, truncated = shape
    made, slow = book(depth, truncated=truncated), SlowBook(depth, truncated=truncated)
    slow.feed_up()
    for kind, bids, asks, more in [("long snapshot", [], [], 0), *changes]:
        event = told_by(kind, bids, asks, more, slow)
        assert made.apply(event) == slow.apply(event)
        assert (made.reason, made.sequence) == (slow.reason, slow.sequence)
        assert made.bids.tolist() == slow.bids.levels()
        assert made.asks.tolist() == slow.asks.levels()


def test_a_book_right_to_the_rim_of_its_area_keeps_every_level() -> None:
    made, slow = book(6), SlowBook(6)
    slow.feed_up()
    first = BookSnapshot(0, 1, 1, 0, tuple((50 - step, 1) for step in range(6)), ((900, 1),))
    made.apply(first)
    slow.apply(first)
    for number in range(1, 400):
        # Better and better bids, then worse ones, push the levels against both ends of the area.
        price = 50 + number if number < 200 else 450 - number
        told = BookDelta(0, 1, 1, number, number, ((price, number), (price - 9, 0)), ())
        assert made.apply(told) == slow.apply(told)
        assert made.bids.tolist() == slow.bids.levels()
