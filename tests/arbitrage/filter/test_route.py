"""A cycle is held against all that is known of its markets, and refused for the first thing that is wrong."""

from __future__ import annotations

import math

import pytest

from arbitrage.filter.config import FilterConfig
from arbitrage.filter.rejection import RejectReason
from tests.arbitrage.markets import Feed, ticket

TWO = ("a:BTC/USDT", "b:BTC/USDT")
FIVE = tuple(f"{venue}:BTC/USDT" for venue in "abcde")
SPATIAL = ((0, 1), (1, -1))


def test_a_cycle_that_pays_more_than_markets_do_is_an_error() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    assert feed.reason(*SPATIAL, product=1.04) == "TOO_GOOD"
    assert feed.reason(*SPATIAL, product=math.nan) == "TOO_GOOD"
    rejection = feed.filter.check(ticket(*SPATIAL, in_atoms=0, detected_ns=feed.now_ns), feed.now_ns)
    assert rejection is not None
    assert rejection.reason is RejectReason.TOO_GOOD


def test_a_cycle_that_lives_for_seconds_is_refused_until_it_has_gone() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    seen = []
    for step in range(40):
        feed.wait(0.1)
        feed.quote_all(100 + 0.01 * (step % 2), 100)
        seen.append(feed.reason(*SPATIAL))
    assert set(seen[:30]) == {""}
    assert set(seen[32:]) == {"PERSISTENT"}
    assert feed.reason((1, -1), (0, 1)) == "PERSISTENT"  # the same route, entered elsewhere
    for step in range(15):
        feed.wait(0.1)
        feed.quote_all(100 + 0.01 * (step % 2), 100 + 0.01 * (step % 3))
    assert feed.reason(*SPATIAL) == ""


def test_what_nobody_looked_at_because_nothing_moved_goes_on() -> None:
    feed = Feed(*TWO, config=FilterConfig(age_ms=60_000, frozen_s=60))
    feed.settle(100, 100)
    assert feed.reason(*SPATIAL) == ""
    feed.wait(5)
    assert feed.reason(*SPATIAL) == "PERSISTENT"


@pytest.mark.parametrize(("lots", "product"), [(1, 1.001), (5_000, 1.0001)])
def test_what_is_too_small_to_matter_may_last(lots: int, product: float) -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    for step in range(50):
        feed.wait(0.1)
        feed.quote(0, 100 + 0.01 * (step % 2), lots=lots)
        feed.quote(1, 100, lots=lots)
        assert feed.reason(*SPATIAL, product=product) == ""


def test_a_ticket_lives_as_long_as_its_cycle() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    for step in range(40):
        feed.wait(0.1)
        feed.quote_all(100 + 0.01 * (step % 2), 100)
        feed.filter.check(ticket(*SPATIAL, in_atoms=10**13, detected_ns=feed.now_ns), feed.now_ns)
    assert feed.filter.counts[RejectReason.PERSISTENT] > 0


def test_two_markets_of_one_pair_on_one_venue_pay_nobody() -> None:
    feed = Feed("a:BTC/USDT", "a:BTC/USDT", "a:USDT/BTC", "b:BTC/USDT")
    feed.settle(100, 100, 0.01, 100)
    feed.filter.touched(2, 1, 5_000, 2, 5_000, feed.now_ns)
    assert feed.reason((0, 1), (1, -1)) == "TWO_CYCLE"
    assert feed.reason((0, 1), (3, -1)) == ""
    assert feed.filter._routes._returns(0, 1, 2, 1)  # to BTC by one, back to USDT by the other
    assert not feed.filter._routes._returns(0, 1, 2, -1)


def test_there_and_back_inside_a_longer_cycle_is_refused_where_it_pays() -> None:
    feed = Feed("a:BTC/USDT", "a:BTC/USDT", "b:ETH/USDT", "c:ETH/USDT")
    feed.settle(100, 101, 10, 10)
    legs = ((0, 1), (1, -1), (2, 1), (3, -1))
    assert feed.reason(*legs) == "TWO_CYCLE"
    feed.quote_all(100, 100, 10, 10)
    assert feed.reason(*legs) == ""
    assert feed.reason((0, 1), (2, 1), (0, -1), (3, -1)) == "TWO_CYCLE"  # one market twice


def test_coins_of_one_peg_are_not_taken_for_equal_while_they_are_not() -> None:
    feed = Feed("a:BTC/USDT", "b:BTC/USDC", "b:USDC/USDT", "a:ETH/USDT", "b:BTC/ETH")
    feed.settle(100, 100, 1.0, 10, 10)
    assert feed.reason((0, 1), (1, -1), (2, -1)) == ""
    feed.settle(100, 103, 0.97, 10, 10, rounds=8)
    assert feed.out() == []
    assert feed.reason((0, 1), (1, -1), (2, -1)) == "OFF_PEG"
    assert feed.reason((0, 1), (4, -1), (3, -1)) == ""  # only one of them is passed


def test_routes_that_are_remembered_are_bounded() -> None:
    feed = Feed(*FIVE, config=FilterConfig(routes=3))
    feed.settle(*[100.0] * 5)
    for first in range(5):
        for second in range(5):
            if first != second:
                feed.reason((first, 1), (second, -1))
    assert len(feed.filter._routes.episodes) == 3
