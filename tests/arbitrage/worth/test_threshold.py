"""A route is asked for what it may lose: every summand for its own reason."""

from __future__ import annotations

import random
from math import sqrt

import pytest

from arbitrage.filter.quotes import Quotes
from arbitrage.stock.inventory import Inventory, InventoryConfig
from arbitrage.worth.shadow import ShadowRow
from arbitrage.worth.shortfall import HOUR_NS, Shortfalls
from arbitrage.worth.threshold import Parts, Threshold, ThresholdConfig
from domain.units import ATOMS_PER_UNIT
from tests.arbitrage.markets import MS, SECOND, START, markets

NAMED = ("a:BTC/USDT", "b:BTC/USDT", "a:ETH/USDT", "b:ETH/USDT")
SPATIAL = ((0, 1), (1, -1))
FAST = {"a": 0, "b": 0}


def shadow(least: float, most: float, waited_ms: int = 100) -> ShadowRow:
    """Give a shadow that paid 4 of 10 bps where it was whole."""
    return ShadowRow(1, SPATIAL, START - waited_ms * MS, START, 10.0, 0.0, 0.0, least, most, 4.0)


class Desk:
    """Hold a threshold with its quotes and inventory."""

    def __init__(self, **config: float) -> None:
        instruments = markets(*NAMED)
        self.quotes = Quotes(instruments, 60 * SECOND)
        self.quotes.heard_ns[:] = [START] * 4
        self.inventory = Inventory(InventoryConfig(), instruments)
        self.threshold = Threshold(
            ThresholdConfig.model_validate(config), instruments, self.quotes, self.inventory
        )

    def parts(self, now_ns: int = START, **latency_ms: float) -> Parts:
        """Ask for the spatial route."""
        latency_ns = {venue: round(value * MS) for venue, value in latency_ms.items()}
        return self.threshold.bps(SPATIAL, now_ns, latency_ns or FAST)


def test_latency_asks_for_what_the_mids_move_meanwhile() -> None:
    desk = Desk()
    desk.quotes.variance[:] = [9.0, 16.0, 0, 0]
    assert desk.parts().latency_bps == 0
    assert desk.parts(a=1_000, b=1_000).latency_bps == pytest.approx(5.0)
    assert desk.parts(a=250, b=250).latency_bps == pytest.approx(2.5)
    assert desk.parts(a=1_000, b=0).latency_bps == pytest.approx(3.0)


def test_a_venue_or_a_market_that_was_never_measured_is_not_taken_for_still() -> None:
    desk = Desk(latency_ms=500, volatility_bps=4)
    assert desk.threshold.bps(SPATIAL, START, {}).latency_bps == pytest.approx(4.0)


def test_a_dead_calm_market_is_asked_for_the_least() -> None:
    desk = Desk(volatility_bps_min=2)
    desk.quotes.variance[:] = [1e-9] * 4
    assert desk.parts(a=1_000, b=1_000).latency_bps == pytest.approx(2 * sqrt(2))


def test_old_quotes_are_asked_for_more() -> None:
    desk = Desk(staleness_factor=1)
    desk.quotes.variance[:] = [9.0, 16.0, 0, 0]
    assert desk.parts().staleness_bps == 0
    assert desk.parts(START + SECOND).staleness_bps == pytest.approx(5.0)
    desk.quotes.heard_ns[1] = START + SECOND
    assert desk.parts(START + SECOND).staleness_bps == pytest.approx(3.0)


def test_fees_are_shown_and_not_asked_twice() -> None:
    desk = Desk(prior_bps=0, floor_bps=1.5)
    assert desk.parts().fee_bps == pytest.approx(20)
    assert desk.parts().total_bps == 1.5
    desk.threshold.fee(0, 2_500)
    assert desk.parts().fee_bps == pytest.approx(35)


def test_every_summand_is_in_the_total() -> None:
    parts = Parts(20.0, 1.0, 2.0, 3.0, -0.5, 0.5)
    assert parts.total_bps == pytest.approx(5.5)
    assert parts.modelled_bps == pytest.approx(3.0)
    assert Parts(20.0, 1.0, 0.0, 0.0, -9.0, 0.5).total_bps == 0.5


def test_the_prior_stands_until_there_is_enough_to_learn_from() -> None:
    desk = Desk(prior_bps=2, samples=10, quantile_frac=0.5)
    for _ in range(9):
        desk.threshold.learned(SPATIAL, 10, 4, START)
    assert desk.parts().learned_bps == 2
    desk.threshold.learned(SPATIAL, 10, 4, START)
    assert desk.parts().learned_bps == pytest.approx(6)


def test_the_learned_quantile_is_that_of_the_latest_shortfalls() -> None:
    desk = Desk(samples=5, window=50, quantile_frac=0.75)
    for step in range(101):
        desk.threshold.learned(SPATIAL, 10, 10 - step / 10, START)
    assert desk.parts().learned_bps == pytest.approx(5.1 + 0.75 * 4.9)


def test_what_the_model_asked_for_already_is_not_learnt_again() -> None:
    desk = Desk(samples=1)
    desk.threshold.learned(SPATIAL, 10, 4, START, modelled_bps=5)
    assert desk.parts().learned_bps == pytest.approx(1)


def test_a_route_that_is_new_leans_on_others_of_its_venues_and_an_hour_on_other_hours() -> None:
    desk = Desk(samples=3, prior_bps=2)
    for _ in range(3):
        desk.threshold.learned(((2, 1), (3, -1)), 10, 3, START)
    assert desk.parts().learned_bps == pytest.approx(7)  # the same two venues
    assert desk.threshold.bps(((0, 1), (2, -1)), START, FAST).learned_bps == pytest.approx(7)  # all there is
    for _ in range(3):
        desk.threshold.learned(((1, 1), (3, -1)), 10, 9, START)  # on venue b alone
    assert desk.parts().learned_bps == pytest.approx(7)
    assert desk.threshold.bps(((0, 1), (2, -1)), START, FAST).learned_bps == pytest.approx(7)  # 0.75 of six
    for _ in range(3):
        desk.threshold.learned(SPATIAL, 10, 8, START + HOUR_NS)
    assert desk.parts(START + HOUR_NS).learned_bps == pytest.approx(2)
    assert desk.parts(START + 5 * HOUR_NS).learned_bps == pytest.approx(2)  # its own, of another hour
    for _ in range(3):
        desk.threshold.learned(SPATIAL, 10, 1, START + 2 * HOUR_NS)
    assert desk.parts(START + HOUR_NS).learned_bps == pytest.approx(2)
    assert desk.parts(START + 2 * HOUR_NS).learned_bps == pytest.approx(9)


def test_one_disaster_is_bounded() -> None:
    desk = Desk(samples=1, learned_bps_max=50)
    desk.threshold.learned(SPATIAL, 10, -9_000, START)
    assert desk.parts().learned_bps == 50


def test_what_would_not_have_filled_at_all_teaches_nothing() -> None:
    desk = Desk(samples=1, prior_bps=2)
    before = desk.threshold.state()
    desk.threshold.learn(shadow(0.0, 0.0))
    assert desk.threshold.state() == before


def test_what_is_left_of_a_shadow_teaches_prices_and_what_is_gone_teaches_how_long_it_lasts() -> None:
    desk = Desk(samples=1, prior_bps=2)
    desk.threshold.learn(shadow(0.0, 1.0))  # a leg was gone: no price of a whole cycle was seen
    assert desk.parts().learned_bps == 2
    assert desk.parts(a=100, b=100).miss_bps > Desk().parts(a=100, b=100).miss_bps
    desk.threshold.learn(shadow(0.5, 0.5))
    assert desk.parts().learned_bps == pytest.approx(6)


def test_the_farther_the_slowest_leg_the_more_must_be_gained_for_those_that_are_gone() -> None:
    desk = Desk(half_life_ms=100)
    desk.quotes.bid_ticks[:2], desk.quotes.ask_ticks[:2] = [9_997, 9_999], [10_003, 10_001]
    assert desk.parts().miss_bps == 0
    # Of two legs the dearer is taken back: 6 bps of spread and the fee of 10 bps twice.
    assert desk.parts(a=0, b=100).miss_bps == pytest.approx(26)
    assert desk.parts(a=200, b=100).miss_bps == pytest.approx(3 * 26)
    assert desk.parts(a=10, b=10).miss_bps == pytest.approx((2**0.1 - 1) * 26)
    assert desk.parts(a=60_000, b=0).miss_bps == 100  # bounded as all that is learnt
    assert desk.parts(a=200, b=0).total_bps > 78


def test_of_three_legs_all_but_the_cheapest_are_taken_back() -> None:
    desk = Desk(half_life_ms=100)
    desk.threshold.fee(3, 400)
    legs = ((0, 1), (2, 1), (3, -1))
    assert desk.threshold.bps(legs, START, {"a": 100 * MS}).miss_bps == pytest.approx(20 + 20)


def test_what_was_taken_back_in_part_was_gone_in_part() -> None:
    desk = Desk()
    desk.quotes.bid_ticks[:2], desk.quotes.ask_ticks[:2] = [9_997, 9_999], [10_003, 10_001]
    assert desk.threshold.left_frac(SPATIAL, 10, 10) == 1
    assert desk.threshold.left_frac(SPATIAL, 10, 50) == 1
    assert desk.threshold.left_frac(SPATIAL, 10, -8) == pytest.approx(0.5)
    assert desk.threshold.left_frac(SPATIAL, 10, -26) == pytest.approx(0)
    assert desk.threshold.left_frac(SPATIAL, 10, -500) == 0
    assert desk.threshold.left_frac(SPATIAL, -26, -30) == 0


def test_far_away_nothing_is_asked_for_less_until_shadows_say_that_it_may() -> None:
    desk = Desk(half_life_ms=100)
    new = desk.parts(a=400, b=400).miss_bps
    for _ in range(30):
        desk.threshold.learn(shadow(1.0, 1.0, 400))
    assert new == 100 and desk.parts(a=400, b=400).miss_bps < 5


def test_of_what_a_shadow_found_gone_only_a_share_counts_as_lost() -> None:
    asked = []
    for back_frac in (0.0, 0.5, 1.0):
        desk = Desk(half_life_ms=100, back_frac=back_frac)
        for _ in range(30):
            desk.threshold.learn(shadow(0.0, 1.0, 100))
        lost = desk.threshold.lifetimes.lost_frac(SPATIAL, 100 * MS)
        assert abs(lost - back_frac) < 0.1
        asked.append(desk.parts(a=100, b=100).miss_bps)
    assert asked[0] < asked[1] < asked[2]


def test_a_route_that_brings_inventory_home_is_asked_for_less() -> None:
    desk = Desk(prior_bps=5)
    desk.inventory.hold("a", "BTC", 3 * ATOMS_PER_UNIT)
    desk.inventory.hold("b", "BTC", ATOMS_PER_UNIT)
    assert desk.parts().inventory_bps > 0  # buys where there is too much
    home = desk.threshold.bps(((0, -1), (1, 1)), START, FAST)
    assert home.inventory_bps == pytest.approx(-desk.parts().inventory_bps)
    assert home.total_bps < desk.parts().total_bps


def test_what_was_learnt_is_taken_back() -> None:
    desk, other = Desk(samples=2), Desk(samples=2)
    for step in range(100):
        desk.threshold.learned(SPATIAL, 10, step % 9, START)
    desk.threshold.fee(1, 700)
    other.threshold.restore(desk.threshold.state())
    assert other.threshold.state() == desk.threshold.state()
    assert other.parts() == desk.parts()
    for each in (desk, other):
        each.threshold.learned(SPATIAL, 50, 0, START)
    assert other.parts() == desk.parts()


def test_what_is_learnt_is_bounded_and_the_stalest_goes_first() -> None:
    shortfalls = Shortfalls(6, 4)
    for market in range(50):
        shortfalls.add(((market, 1),), (0,), START, float(market))
    assert len(shortfalls) == 6
    assert shortfalls.quantile(((49, 1),), (9,), START, 0.5, 1) == 49
    assert shortfalls.quantile(((7, 1),), (9,), START, 0.5, 1) == 47.5  # forgotten: that of all the latest
    assert shortfalls.quantile(((7, 1),), (9,), START, 0.5, 5) is None


def test_volatility_is_of_the_mid_by_its_own_time() -> None:
    quotes = Quotes(markets("a:BTC/USDT"), 10 * SECOND)
    mid2, now_ns = 2_000_000, START
    quotes.sample(0, mid2, now_ns)
    assert quotes.variance[0] == 0
    for step in range(4_000):
        now_ns += SECOND // 4
        mid2 = 2_000_000 if step % 2 else 2_000_200  # a move of 1 bp every quarter of a second
        quotes.sample(0, mid2, now_ns)
    assert quotes.variance[0] == pytest.approx(4.0, rel=0.01)
    quotes.sample(0, mid2, now_ns)  # no time went by
    assert quotes.variance[0] == pytest.approx(4.0, rel=0.01)


def test_what_was_prepared_is_what_would_be_worked_out_anew() -> None:
    draw, desk, now_ns, routes = random.Random(6), Desk(samples=2), START, (SPATIAL, ((2, 1), (3, -1)))
    for _ in range(400):
        now_ns += draw.choice((0, SECOND, HOUR_NS // 3))
        route, kind = draw.choice(routes), draw.randrange(5)
        latency_ns = {"a": draw.choice((1, 5)) * MS, "b": 3 * MS}
        if kind == 0:
            desk.threshold.learned(route, 10.0, draw.uniform(-20, 20), now_ns)
        elif kind == 1:
            desk.threshold.lasted(route, 5 * MS, draw.random())
        elif kind == 2:
            desk.inventory.hold("a", draw.choice(("BTC", "USDT", "ETH")), draw.randrange(10**12))
        elif kind == 3:
            desk.threshold.prepare(route, now_ns, latency_ns)
        anew = Desk(samples=2)
        anew.inventory.restore(desk.inventory.state())
        anew.threshold.restore(desk.threshold.state())
        assert desk.threshold.bps(route, now_ns, latency_ns) == anew.threshold.bps(route, now_ns, latency_ns)
