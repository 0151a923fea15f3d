"""The naive bot: what it sees, what it sends at once, and what it does about what is missing."""

from __future__ import annotations

import pytest

from domain.order import Side, TimeInForce
from sim.study.naive import Naive, NaiveOrder
from sim.study.naive_routes import ends_of, routes_of
from tests.sim.study.builders import BTC_A, BTC_B, CROSS_A, ETH_A, btc, instruments, naive, tick_of

BUY, SELL = int(Side.BUY), int(Side.SELL)


def wide(bot: Naive, lots: int = 1_000) -> list[NaiveOrder]:
    """Let venue b pay 40 dollars more than venue a asks."""
    return bot.seen(btc(BTC_B, 50_050, 50_070, lots, now_ns=7))


def test_routes_are_the_same_market_elsewhere_and_both_ways_around_a_triangle() -> None:
    routes = routes_of(instruments())
    spatial = [route for route in routes if len(route) == 2]
    assert sorted(spatial) == [((BTC_A, BUY), (BTC_B, SELL)), ((BTC_B, BUY), (BTC_A, SELL))]
    triangles = [route for route in routes if len(route) == 3]
    assert len(triangles) == 2 and all(BTC_B not in {market for market, _ in one} for one in triangles)
    for route in routes:
        ends = [ends_of(hop, instruments()) for hop in route]
        assert [got for _, got in ends] == [given for given, _ in (*ends[1:], ends[0])]


def test_both_legs_go_at_once_at_the_touch_that_it_saw() -> None:
    bot = naive()
    buy, sell = wide(bot)
    assert (buy.instrument, buy.side, buy.price_ticks) == (BTC_A, BUY, 5_001_000)
    assert (sell.instrument, sell.side, sell.price_ticks) == (BTC_B, SELL, 5_005_000)
    assert buy.tif == sell.tif == TimeInForce.IOC and (buy.order, sell.order) == (1, 2)
    (attempt,) = bot.attempts
    assert attempt.begun_ns == 7 and bot.detected == 1 and not attempt.over
    rate = 50_050 / 50_010 * (1 - 1e-4) ** 2
    assert attempt.expected_usdt == pytest.approx((rate - 1) * attempt.in_usdt)


def test_a_leg_is_no_larger_than_the_touch_and_no_dearer_than_its_bound() -> None:
    assert wide(naive())[0].size_lots == 998  # of 5,000 USDT
    assert wide(naive(order_usdt_max=100_000), lots=500)[0].size_lots == 500
    assert wide(naive(order_usdt_max=1_000))[1].size_lots <= 200


def test_less_than_the_margin_after_fees_is_left_alone() -> None:
    bot = naive()
    assert bot.seen(btc(BTC_B, 50_024, 50_050)) == [] and bot.detected == 0
    assert naive(margin_bps=10).seen(btc(BTC_B, 50_050, 50_070)) == []


def test_a_triangle_goes_as_three_legs() -> None:
    bot = naive()
    orders = bot.seen(tick_of(CROSS_A, 5_050, 5_052, 200_000))
    assert [(one.instrument, one.side) for one in orders] in (
        [(ETH_A, BUY), (CROSS_A, SELL), (BTC_A, SELL)],
        [(CROSS_A, SELL), (BTC_A, SELL), (ETH_A, BUY)],
        [(BTC_A, SELL), (ETH_A, BUY), (CROSS_A, SELL)],
    )


def test_what_is_too_small_for_the_venue_is_not_sent() -> None:
    assert wide(naive(order_usdt_max=4)) == []
    assert wide(naive(order_usdt_max=0.001)) == []


def test_an_empty_side_pays_nothing() -> None:
    bot = naive()
    bot.seen(btc(BTC_A, 49_990, 0, 0))
    assert wide(bot) == []


def test_markets_of_an_attempt_that_is_out_are_left_alone_until_it_is_over() -> None:
    bot = naive()
    buy, sell = wide(bot)
    assert bot.seen(btc(BTC_B, 50_060, 50_080)) == [] and bot.detected == 1
    for order in (buy, sell):
        assert bot.filled(order.order, order.size_lots) == []
    assert bot.attempts[0].whole and bot.attempts[0].over and bot.attempts[0].retries == 0
    assert len(bot.seen(btc(BTC_B, 50_061, 50_080))) == 2


def test_what_is_missing_is_sent_again_at_market() -> None:
    bot = naive()
    buy, sell = wide(bot)
    assert bot.filled(buy.order, buy.size_lots) == []
    assert bot.filled(sell.order, 400) == []
    (again,) = bot.ended(sell.order)
    assert again.tif == TimeInForce.MARKET and again.price_ticks == 0
    assert (again.instrument, again.side, again.size_lots) == (BTC_B, SELL, sell.size_lots - 400)
    assert bot.filled(again.order, again.size_lots) == []
    (attempt,) = bot.attempts
    assert attempt.whole and attempt.over and attempt.orders == [1, 2, 3]


def test_where_nothing_filled_nothing_is_sent_again() -> None:
    bot = naive()
    for order in wide(bot):
        assert bot.ended(order.order) == []
    assert bot.attempts[0].over and not bot.attempts[0].begun


def test_it_gives_up_after_its_retries_and_leaves_what_it_has() -> None:
    bot = naive(retries_max=2)
    buy, sell = wide(bot)
    bot.filled(buy.order, buy.size_lots)
    orders, sent = bot.ended(sell.order), 0
    while orders:
        sent, orders = sent + 1, bot.ended(orders[0].order)
    assert sent == 2 and bot.attempts[0].over and not bot.attempts[0].whole
    assert bot.ended(99) == []
