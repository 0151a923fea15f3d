"""A route is looked up once: where it begins, who trades it, and what its legs pay from."""

from __future__ import annotations

from arbitrage.legs import COURSES_MAX
from arbitrage.ticket import Cycle, Hop
from tests.agents.arbitrage.rig import BTC_A, BTC_B, CROSS_A, ETH_A, Rig

TRIANGLE = (Hop(CROSS_A, 1), Hop(ETH_A, -1), Hop(BTC_A, 1))


def test_a_cycle_begins_with_the_currency_of_the_reports_and_is_looked_up_once() -> None:
    lanes = Rig().group.decision.lanes
    lane = lanes.of(Cycle(TRIANGLE, 1.01))
    assert lane.legs == ((BTC_A, 1), (CROSS_A, 1), (ETH_A, -1))
    assert lane.route == ((BTC_A, 1), (CROSS_A, 1), (ETH_A, -1))
    assert lanes.of(Cycle(TRIANGLE, 1.02)) is lane and lane.region == "test"


def test_a_lane_may_begin_where_it_is_told_to() -> None:
    lane = Rig().group.decision.lanes.straight(TRIANGLE)
    assert lane.legs == ((CROSS_A, 1), (ETH_A, -1), (BTC_A, 1))
    assert lane.venues == ("a-x",) * 3


def test_every_leg_knows_its_hand_and_the_wallet_that_it_pays_from() -> None:
    r = Rig()
    lane = r.group.decision.lanes.straight((Hop(BTC_A, 1), Hop(BTC_B, -1)))
    buys, sells = lane.footings
    assert buys.hand is r.group.hands[BTC_A] and sells.hand is r.group.hands[BTC_B]
    assert buys.wallet is r.node.markets[BTC_A].risk.quote and sells.wallet is r.node.markets[BTC_B].risk.base
    assert not lane.shares
    assert r.group.decision.lanes.straight((Hop(BTC_A, 1), Hop(ETH_A, 1))).shares


def test_two_legs_that_pay_from_one_wallet_are_bound_alike() -> None:
    r = Rig()
    r.start()
    lane = r.group.decision.lanes.straight((Hop(BTC_A, 1), Hop(ETH_A, 1)))
    r.group.hands[ETH_A].risk.order_value_atoms_max //= 4
    first, second = r.group.valuation._most(lane)
    assert first == second > 0
    apart = (
        r.group.decision.lanes.straight((Hop(BTC_A, 1),)),
        r.group.decision.lanes.straight((Hop(ETH_A, 1),)),
    )
    assert [r.group.valuation._most(one)[0] for one in apart] == [4 * second, second]


def test_lanes_are_bounded() -> None:
    lanes = Rig().group.decision.lanes
    for number in range(COURSES_MAX):
        lanes._known[(Hop(number, 1),)] = (
            lanes.straight(TRIANGLE) if number == 0 else lanes._known[(Hop(0, 1),)]
        )
    lanes.of(Cycle(TRIANGLE, 1.01))
    assert len(lanes._known) == 1
