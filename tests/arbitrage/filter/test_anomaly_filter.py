"""What is not believed leaves the graph or is not sent, each time for a counted reason."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from arbitrage.filter.anomaly_filter import COUNT_MAX, AnomalyFilter
from arbitrage.filter.config import FilterConfig
from arbitrage.filter.rejection import RejectReason
from tests.arbitrage.markets import MS, Feed, cycle, ticket

TWO = ("a:BTC/USDT", "b:BTC/USDT")
FIVE = tuple(f"{venue}:BTC/USDT" for venue in "abcde")
SPATIAL = ((0, 1), (1, -1))


def counted(feed: Feed, reason: RejectReason) -> int:
    """Give how often a reason was counted."""
    return feed.filter.counts[reason]


# Bad input: no ticket, a counted reason


@pytest.mark.parametrize(
    ("quote", "reason"),
    [
        ([0, 5, 101, 5], RejectReason.NO_QUOTE),
        ([100, 0, 101, 5], RejectReason.NO_QUOTE),
        ([100, 5, 0, 0], RejectReason.NO_QUOTE),
        ([-100, 5, 101, 5], RejectReason.NEGATIVE),
        ([100, 5, 101, -5], RejectReason.NEGATIVE),
        ([math.nan, 5, 101, 5], RejectReason.NOT_A_NUMBER),
        ([100, 5, 101, math.nan], RejectReason.NOT_A_NUMBER),
        ([100, 5, math.inf, 5], RejectReason.NOT_A_NUMBER),
        ([100, 5, COUNT_MAX, 5], RejectReason.ABSURD),
        ([100, 5, 101, 10**30], RejectReason.ABSURD),
        ([101, 5, 101, 5], RejectReason.CROSSED),
        ([103, 5, 101, 5], RejectReason.CROSSED),
        ([100, 5, 101.5, 5], RejectReason.NOT_A_NUMBER),
        ([100, 5.0, 101, 5], RejectReason.NOT_A_NUMBER),
        ([1, 5, 101, 5], RejectReason.WIDE),
    ],
)
def test_a_quote_that_no_market_makes_takes_it_out(quote: list[Any], reason: RejectReason) -> None:
    feed = Feed(*TWO)
    feed.settle(1.0, 1.0)
    assert feed.reason(*SPATIAL) == ""
    assert not feed.filter.touched(0, quote[0], quote[1], quote[2], quote[3], feed.now_ns)
    assert counted(feed, reason) == 1
    assert feed.filter.why(0) is reason
    assert not feed.filter.usable(0)
    assert feed.reason(*SPATIAL) == reason.name
    assert counted(feed, reason) == 2
    assert feed.quote(0, 1.0)
    assert feed.reason(*SPATIAL) == ""


def test_a_market_that_was_never_heard_is_in_no_ticket() -> None:
    feed = Feed(*TWO)
    feed.quote(0, 100)
    assert feed.reason(*SPATIAL) == "QUIET"
    assert not feed.filter.usable(1)


def test_an_absurd_price_is_out_until_it_has_stood_for_a_while() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    feed.wait(0.1)
    assert not feed.quote(0, 150)
    assert counted(feed, RejectReason.JUMP) == 1
    feed.wait(1.0)
    assert feed.quote(0, 100)
    feed.wait(1.0)
    assert not feed.quote(0, 150)
    feed.wait(1.9)
    assert not feed.quote(0, 150)
    feed.wait(0.2)
    assert feed.quote(0, 150)
    assert feed.quote(0, 151)


def test_a_price_that_wanders_has_stood_nowhere() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    for mid in (50, 200, 30, 70, 500, 900):
        feed.wait(0.7)
        assert not feed.quote(0, mid)
    feed.wait(1.9)
    assert not feed.quote(0, 905)  # near enough to be the same place
    state = feed.filter.state()
    feed.filter.restore(state)
    assert feed.filter.state() == state
    feed.wait(0.2)
    assert feed.quote(0, 905)


@pytest.mark.parametrize("then", [50, 900])
def test_a_bad_tick_before_an_empty_book_is_no_place_to_have_stood_at(then: float) -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    feed.wait(0.1)
    assert not feed.quote(0, 50)
    feed.wait(1.0)
    assert not feed.filter.touched(0, 0, 0, 0, 0, feed.now_ns)
    feed.wait(60.0)
    assert not feed.quote(0, then)
    assert feed.filter.why(0) is RejectReason.JUMP
    feed.wait(2.0)
    assert feed.quote(0, then)


def test_a_venue_that_freezes_while_others_move_leaves_whole_and_comes_back_when_it_moves() -> None:
    feed = Feed("a:BTC/USDT", "a:ETH/USDT", "b:BTC/USDT", config=FilterConfig(frozen_moves=10, frozen_s=3))
    feed.settle(100, 10, 100)
    dropped: tuple[int, ...] = ()
    for step in range(40):
        feed.wait(0.1)
        feed.quote(2, 100 + 0.01 * step)
        feed.filter.touched(0, 9_999, 5_000, 10_001, 5_000, feed.now_ns)  # heard, but it stands still
        dropped += feed.filter.sweep(feed.now_ns).dropped
    assert dropped == (0, 1)
    assert feed.out() == [0, 1]
    assert feed.filter.why(1) is RejectReason.FROZEN_VENUE
    assert counted(feed, RejectReason.FROZEN_VENUE) == 2
    assert feed.reason((0, 1), (2, -1)) == "FROZEN_VENUE"
    returned: tuple[int, ...] = ()
    for step in range(60):
        feed.wait(0.1)
        for market in (0, 2):
            feed.quote(market, 100 + 0.01 * (step % 7))
        returned += feed.filter.sweep(feed.now_ns).returned
    assert returned == (0, 1)
    assert feed.quote(0, 100)


def test_a_frozen_venue_is_refused_before_any_sweep_has_seen_it() -> None:
    feed = Feed(*TWO, config=FilterConfig(frozen_moves=5, frozen_s=3, age_ms=10_000, age_spread_ms=10_000))
    feed.settle(100, 100)
    for step in range(40):
        feed.wait(0.1)
        feed.quote(1, 100 + 0.01 * (step % 5))
    assert feed.reason(*SPATIAL) == "FROZEN_VENUE"


def test_a_market_that_stands_still_while_its_asset_moves_is_frozen() -> None:
    named = (*FIVE, "e:ETH/USDT")
    feed = Feed(*named, config=FilterConfig(frozen_s=3))
    feed.settle(*[100.0] * 5, 10.0)
    price = 100.0
    for step in range(50):
        feed.wait(0.1)
        price *= 1.0002
        for market in range(4):
            feed.quote(market, price)
        feed.quote(4, 100.0)
        feed.quote(5, 10 + 0.01 * (step % 3))  # the venue lives
        feed.filter.sweep(feed.now_ns)
    assert feed.filter.why(4) is RejectReason.FROZEN
    assert feed.out() == [4]
    for _ in range(60):
        feed.wait(0.1)
        price *= 1.0001
        feed.quote_all(*[price] * 5, 10)
        feed.filter.sweep(feed.now_ns)
    assert feed.out() == []


def test_a_market_off_all_others_is_out_after_a_while_and_back_after_a_longer_one() -> None:
    feed = Feed(*FIVE)
    feed.settle(*[100.0] * 5)
    feed.wait(0.1)
    feed.quote_all(100, 100, 100, 100, 103)
    assert feed.reason((0, 1), (4, -1)) == "DEVIATION"  # at once
    assert feed.out() == []
    feed.settle(100, 100, 100, 100, 103, rounds=5)
    assert feed.out() == [4]  # for good
    assert not feed.quote(4, 103)
    feed.settle(100, 100, 100, 100, 101.5, rounds=400)  # between leaving and entering: it stays out
    assert feed.out() == [4]
    feed.settle(100, 100, 100, 100, 100.5, rounds=40)
    assert feed.out() == [4]
    feed.settle(100, 100, 100, 100, 100.5, rounds=20)
    assert feed.out() == []
    feed.settle(100, 100, 100, 100, 101.5, rounds=100)  # between again: it stays in
    assert feed.out() == []
    assert counted(feed, RejectReason.DEVIATION) == 2


def test_markets_that_differ_much_are_given_more_room() -> None:
    feed = Feed(*FIVE)
    feed.settle(100, 101, 102, 103, 104)
    assert feed.filter.deviation_limit_bps(0) > 800
    assert feed.out() == []


def test_another_asset_under_the_name_stays_out_for_long() -> None:
    feed = Feed(*FIVE)
    feed.settle(100, 100, 100, 100, 7, rounds=80)
    assert feed.out() == [4]
    assert not feed.filter.usable(4)
    feed.settle(100, 100, 100, 100, 100, rounds=600)
    assert feed.out() == [4]  # it would be back were it only off
    assert feed.filter.why(4) is RejectReason.OTHER_ASSET
    assert feed.reason((0, 1), (4, -1)) == "OTHER_ASSET"


def test_a_new_fee_makes_tickets_of_before_wrong_and_is_waited_out() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    sent = ticket(*SPATIAL, detected_ns=feed.now_ns)
    assert feed.filter.check(sent, feed.now_ns) is None
    assert feed.filter.fee(1, 1_000, feed.now_ns)
    assert not feed.filter.fee(1, 2_500, feed.now_ns)
    rejection = feed.filter.check(sent, feed.now_ns)
    assert rejection is not None
    assert (rejection.reason, rejection.market) == (RejectReason.FEE_CHANGED, 1)
    assert (rejection.figure, rejection.limit) == (2_500, 1_000)
    assert feed.out() == [1]
    assert feed.filter.why(1) is RejectReason.FEE_CHANGED
    feed.settle(100, 100, rounds=60)
    assert feed.out() == []
    assert feed.reason(*SPATIAL) == ""
    assert feed.filter.check(sent, feed.now_ns) is not None  # it was reckoned with the old fee


def test_a_fill_that_was_charged_otherwise_tells_of_a_new_fee() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    assert feed.filter.charged(0, 1_000_000, 1_000, feed.now_ns)
    assert feed.filter.charged(0, 999, 1, feed.now_ns)  # an atom is the least that can be charged
    assert not feed.filter.charged(0, 1_000_000, 2_000, feed.now_ns)
    assert feed.filter.fees.ppm[0] == 2_000
    assert counted(feed, RejectReason.FEE_CHANGED) == 1


@pytest.mark.parametrize("fee_ppm", [math.nan, math.inf, -5_000, 900_000])
def test_a_fee_that_nobody_pays_takes_the_market_out_until_a_sane_one_is_told(fee_ppm: float) -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    assert not feed.filter.fee(0, fee_ppm, feed.now_ns)
    feed.settle(100, 100, rounds=200)
    assert feed.out() == [0]
    assert feed.reason(*SPATIAL) == "BAD_FEE"
    assert not feed.filter.fee(0, 1_000, feed.now_ns)
    feed.settle(100, 100, rounds=60)
    assert feed.out() == []
    assert counted(feed, RejectReason.BAD_FEE) == 2


# Quotes that cannot be relied on


def test_an_old_quote_is_not_traded_on() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    feed.wait(2.5)
    assert feed.reason(*SPATIAL) == "STALE"


def test_quotes_of_different_ages_are_not_one_picture() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    feed.wait(1.5)
    feed.quote(1, 100)
    rejection = feed.filter.check(cycle(*SPATIAL), feed.now_ns)
    assert rejection is not None
    assert (rejection.reason, rejection.figure, rejection.market) == (RejectReason.AGE_SPREAD, 1_500 * MS, 0)


def test_a_size_that_comes_and_goes_is_not_counted_on_until_it_rests() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    for step in range(20):
        feed.wait(0.01)
        feed.filter.touched(0, 9_999, 5_000 if step % 2 else 50, 10_001, 5_000, feed.now_ns)
    feed.quote(1, 100)
    assert feed.reason(*SPATIAL) == "FLICKER"
    feed.wait(0.8)
    feed.quote(1, 100)
    assert feed.reason(*SPATIAL) == ""


def test_a_size_that_shrinks_as_it_is_traded_does_not_flicker() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    for size in (5_000, 1_000, 200, 40, 8, 1):
        feed.filter.touched(0, 9_999, size, 10_001, size, feed.now_ns)
    assert feed.filter.flicker.reversals(0, feed.now_ns) <= 1
    assert feed.reason(*SPATIAL) == ""


# State, and use


def test_the_same_quotes_give_the_same_verdicts_across_a_restart() -> None:
    named = ("a:BTC/USDT", "b:BTC/USDT", "c:BTC/USDT", "a:ETH/USDT", "b:ETH/BTC", "c:ETH/USDC", "c:USDC/USDT")
    feed = Feed(*named, config=FilterConfig(frozen_moves=20))
    draws = random.Random(5)
    mids = [100.0, 100.0, 100.0, 10.0, 0.1, 10.0, 1.0]
    other: AnomalyFilter | None = None
    for step in range(900):
        feed.wait(draws.random() * 0.05)
        market = draws.randrange(len(named))
        if draws.random() < 0.02:
            mids[market] *= draws.choice([0.7, 1.04, 0.97, 1.3, 1.0])
        bid = max(round(mids[market] * 100), 0) - draws.randrange(3)
        quote = (market, bid, draws.randrange(5_000), bid + draws.randrange(4), draws.randrange(5_000))
        hops = cycle((draws.randrange(7), 1), (draws.randrange(7), -1))
        found = feed.filter.touched(*quote, feed.now_ns), feed.filter.check(hops, feed.now_ns)
        swept = feed.filter.sweep(feed.now_ns) if step % 7 == 0 else None
        if step == 400:
            feed.filter.fee(2, 1_500, feed.now_ns)
        if other is not None:
            assert found == (other.touched(*quote, feed.now_ns), other.check(hops, feed.now_ns))
            assert swept == (other.sweep(feed.now_ns) if step % 7 == 0 else None)
        if step == 500:
            other = AnomalyFilter(feed.filter.config, feed.instruments)
            other.restore(feed.filter.state())
    assert other is not None
    assert other.state() == feed.filter.state()
    assert sum(count > 0 for count in feed.filter.counts) >= 6


def test_worths_are_told_by_name() -> None:
    feed = Feed(*TWO)
    assert feed.filter.worth("BTC") == 0
    feed.settle(100, 100)
    assert feed.filter.worth("BTC") == pytest.approx(100)
    assert feed.filter.worth("USDT") == 1


def test_why_is_nothing_for_a_sound_market() -> None:
    feed = Feed(*TWO)
    feed.settle(100, 100)
    assert feed.filter.why(0) is None


def test_a_config_out_of_order_is_refused() -> None:
    with pytest.raises(ValidationError, match="deviation_leave_bps < deviation_enter_bps"):
        FilterConfig(deviation_leave_bps=300)
    with pytest.raises(ValidationError, match="one peg only"):
        FilterConfig(pegs={"USD": ("USDT",), "TETHER": ("USDT",)})


ANYTHING = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(1, 400), st.floats(), st.integers(0, 2**62).map(np.int64)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), ANYTHING, ANYTHING, ANYTHING, ANYTHING), max_size=12))
def test_whatever_is_quoted_is_judged_and_the_state_can_be_told(
    quotes: list[tuple[int, Any, Any, Any, Any]],
) -> None:
    feed = Feed(*TWO)
    for market, bid, bid_lots, ask, ask_lots in quotes:
        feed.wait(0.05)
        believed = feed.filter.touched(market, bid, bid_lots, ask, ask_lots, feed.now_ns)
        assert believed == (feed.filter.why(market) is None)
        assert not believed or (0 < bid < ask and bid_lots > 0 and ask_lots > 0)
        feed.filter.sweep(feed.now_ns)
        feed.reason(*SPATIAL)
    other = AnomalyFilter(feed.filter.config, feed.instruments)
    other.restore(feed.filter.state())
    assert other.state() == feed.filter.state()
