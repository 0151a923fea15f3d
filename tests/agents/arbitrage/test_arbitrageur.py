"""What becomes of an opportunity: it is taken, or there is one reason, with its figures."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agents.arbitrage.opportunity import Found
from arbitrage.saga.events import SagaState
from domain.actions import Action
from domain.control_events import Clocked, HaltSet, StopRequested
from domain.market_events import FeedLost
from domain.order_events import Fill
from tests.agents.arbitrage.rig import (
    BTC_A,
    BTC_B,
    CROSS_A,
    CROSS_B,
    ETH_B,
    MID,
    A,
    B,
    Meets,
    Rig,
    alarms,
    group_table,
    sent,
)
from tests.agents.builders import MS, quotes


def ready(fee_ppm: int = 100, **changes: Any) -> Rig:
    r = Rig(group_table(**changes), fee_ppm=fee_ppm)
    r.start()
    return r


def newest(r: Rig) -> Found:
    return r.group.ring.news[-1]


def counts(r: Rig) -> list[tuple[str, str]]:
    return list(r.group.ring.counts)


def test_a_triangle_on_one_venue_is_taken_in_three_legs() -> None:
    r = ready(venues=(A,))
    out = r.tick(CROSS_A, 100_400, 100_410)
    assert sorted((market, side) for market, side, _ in sent(out)) == [(0, -1), (1, 1), (2, -1)]
    r.quiet(1)
    assert r.balances_agree() and r.moved("USDT") > 0 and counts(r)[0] == ("TAKEN", "")
    assert all(hand.risk.position_lots == 0 for hand in r.group.hands.values())


def test_an_opportunity_in_another_asset_is_counted_in_it() -> None:
    r = ready()
    assert len(sent(r.tick(CROSS_A, 100_400, 100_410))) == 2
    (taken,) = r.group.ring.taken
    assert taken.ticket is not None and taken.ticket.asset == "ETH" and r.moved("ETH") > 0


def test_what_pays_less_than_is_asked_is_not_sent_and_its_shadow_is_followed() -> None:
    r = ready(threshold={"floor_bps": 50.0})
    assert sent(r.gap()) == []
    found = newest(r)
    assert counts(r) == [("BELOW", "threshold")] and found.figure < found.limit == 50.0
    assert found.ticket is not None and found.shadow_bps is None
    r.wait(0.1)
    assert newest(r) is found and found.shadow_bps == pytest.approx(found.ticket.profit_bps)


def test_a_shadow_that_the_books_no_longer_pay_is_learnt_from() -> None:
    r = ready(threshold={"floor_bps": 50.0, "samples": 1, "prior_bps": 0.0})
    asked_bps = []
    for _ in range(3):
        r.gap()
        parts = newest(r).parts
        assert parts is not None
        asked_bps.append(parts.miss_bps)
        r.tick(BTC_B, 9_999, 10_001)
        r.quiet(1.5)
    lost = [found for found in r.group.ring.news if found.shadow_bps is not None]
    assert lost and all(found.shadow_bps < found.ticket.profit_bps for found in lost)  # type: ignore[operator,union-attr]
    assert 5 * asked_bps[0] < asked_bps[1] < asked_bps[2]


def test_what_an_executed_ticket_met_is_learnt_instead_of_a_shadow() -> None:
    def gone(script: dict[str, list[Meets]]) -> float:
        r = ready()
        for venue, meets in script.items():
            r.venues[venue].script.extend(meets)
        r.gap()
        r.quiet(5)
        ((route, _),) = r.group.valuation.shadows.outcomes._routes.items()
        return r.group.valuation.threshold.lifetimes.lost_frac(route, 100 * MS)

    nothing = gone({A: [0] * 9, B: [0] * 9})
    assert gone({}) < nothing < gone({A: ["reject"] * 9})


def test_a_route_that_another_region_is_nearer_to_is_left_to_it() -> None:
    far = {"test": {A: 500, B: 90_000}, "near": {A: 40_000, B: 40_000}}
    r = ready(reach_us=far)
    assert sent(r.gap()) == [] and counts(r) == [("ELSEWHERE", "near")]
    unreached = {"test": {A: 500, B: 90_000}, "near": {B: 40_000}}
    assert len(sent(ready(reach_us=unreached).gap())) == 2


def test_without_a_budget_for_its_asset_nothing_is_begun() -> None:
    r = ready(losses={"EUR": 5})
    assert sent(r.gap()) == [] and counts(r) == [("UNPLANNED", "budget")]
    poor = ready(capital=1)
    assert sent(poor.gap()) == [] and counts(poor)[0][0] == "UNFUNDED"


def test_a_gap_too_thin_for_the_venues_minimum_is_no_ticket() -> None:
    r = ready()
    assert sent(r.gap(lots=20)) == [] and counts(r) == [("THIN", "notional_too_small")]


def test_a_share_of_the_depth_is_taken_before_the_order_limit_cuts() -> None:
    def largest(frac: float, notional: int) -> int:
        table = group_table()
        shares = {**table["shares"], "depth_frac_max": frac}
        limits = {**table["limits"], "order_notional_max": notional}
        return max(size for *_, size in sent(ready(shares=shares, limits=limits).gap()))

    assert largest(0.5, 50) == largest(1.0, 50) > 400
    assert largest(0.5, 10_000) == largest(1.0, 10_000) // 2 == 1_000


def test_a_gap_that_is_too_good_is_not_believed() -> None:
    r = ready()
    assert sent(r.tick(BTC_B, 11_000, 11_002)) == []
    r.tick(BTC_B, 10_400, 10_402)
    assert {outcome for outcome, _ in counts(r)} <= {"FILTERED"} and not r.group.ring.taken


def test_a_price_of_our_own_is_not_taken() -> None:
    r = ready()
    agent = r.node.desk.agents[1]
    agent.desire = quotes((-1, 10_001, 1000))
    r.step(Clocked(r.now_ns + MS), answered=False)
    assert agent.orders
    out = r.gap(answered=False)
    assert BTC_A not in {market for market, _, _ in sent(out)} and counts(r)[0] == ("UNREADY", "self_match")


def test_a_market_that_is_stale_leaves_and_its_next_book_brings_it_back() -> None:
    r = ready()
    assert r.group.sight.inside(BTC_B)
    r.step(FeedLost(B, r.now_ns, "test"), answered=False)
    r.step(Clocked(r.now_ns))
    assert not r.group.sight.inside(BTC_B) and r.group.sight.seen(BTC_B) == (0, 0)
    assert sent(r.gap()) == []


def test_a_halted_node_finds_and_sends_nothing() -> None:
    r = ready()
    r.step(HaltSet(r.now_ns, True, 1, "test"))
    assert sent(r.gap()) == [] and counts(r) == [("UNREADY", "halted")]
    r.step(HaltSet(r.now_ns, False, 2, ""))
    r.quiet(2)
    assert len(sent(r.gap())) == 2


def test_a_market_in_a_saga_is_left_alone_and_so_is_one_that_just_was() -> None:
    r = ready()
    r.venues[B].script.append("mute")
    r.gap()
    r.tick(ETH_B, 10_040, 10_042)
    assert r.group.ring.counts == {("TAKEN", ""): 2}  # other markets: another saga
    r.tick(CROSS_B, 100_900, 100_910)
    assert ("BUSY", "saga") in counts(r)


def two_gaps(r: Rig) -> list[Action]:
    """Let a gap in BTC and a smaller one in ETH be met by one judgement: the first was seen while halted."""
    r.step(HaltSet(r.now_ns, True, 1, "test"))
    r.tick(ETH_B, 10_025, 10_027)
    r.step(HaltSet(r.now_ns, False, 2, ""))
    return r.gap(answered=False)


def test_after_the_best_the_next_best_is_taken_in_the_same_judgement() -> None:
    r = ready()
    out = two_gaps(r)
    assert sorted((market, side) for market, side, _ in sent(out)) == [(0, 1), (1, 1), (3, -1), (4, -1)]
    first, second = r.group.ring.taken
    assert first.product > second.product and first.last_ns == second.last_ns
    assert first.ticket is not None and second.ticket is not None
    assert len(r.group.valuation.capital.stakes()) == 2


def test_the_next_best_has_only_the_balance_that_the_best_left() -> None:
    rich, poor = ready(), Rig(group_table(inventory={"slope_bps": 0.0}))
    two_gaps(rich)
    whole = [found.ticket for found in rich.group.ring.taken]
    assert whole[0] is not None and whole[1] is not None and whole[1].asset == "USDT"
    pays = [ticket.legs[0].pay_atoms for ticket in whole if ticket is not None]
    poor.venues[A].totals["USDT"] = pays[0] + pays[1] // 3
    poor.start()
    out = two_gaps(poor)
    first, second = (found.ticket for found in poor.group.ring.taken)
    assert first is not None and second is not None
    assert first.legs[0].pay_atoms <= pays[0] and 0 < second.legs[0].pay_atoms <= pays[1] // 3
    for action in out:
        for event in poor.answer(action):
            poor.step(event)
    poor.quiet(2)
    assert not poor.group.execution.sagas.living and poor.balances_agree()


def test_the_next_best_is_not_begun_on_a_market_of_the_best() -> None:
    r = ready()
    r.step(HaltSet(r.now_ns, True, 1, "test"))
    r.tick(CROSS_B, 100_250, 100_260)
    r.tick(ETH_B, 10_025, 10_027)
    r.step(HaltSet(r.now_ns, False, 2, ""))
    r.gap(answered=False)
    markets = [leg.instrument for found in r.group.ring.taken for leg in found.ticket.legs]  # type: ignore[union-attr]
    assert len(r.group.ring.taken) > 1 and len(set(markets)) == len(markets)


def test_the_same_route_again_right_after_is_settling() -> None:
    r = ready()
    out = r.gap(answered=False)
    r.now_ns += 50 * MS
    for action in out:
        for event in r.answer(action):
            r.step(event)
    r.tick(BTC_B, 10_031, 10_033)
    assert counts(r)[:2] == [("TAKEN", ""), ("BUSY", "settling")]
    r.quiet(1)
    r.gap()
    assert r.group.ring.counts["TAKEN", ""] == 2


def test_a_fee_that_is_another_one_takes_the_market_out_and_is_reckoned_with() -> None:
    r = ready()
    r.venues[B].fee_ppm = 900
    r.gap()
    r.quiet(1)
    assert r.group.sight.filter.fees.ppm[BTC_B] == 900
    assert r.group.valuation.fees[BTC_B].taker_ppm == 900 and not r.group.sight.inside(BTC_B)
    assert r.balances_agree()


def test_latency_is_measured_by_every_order_of_the_node() -> None:
    r = ready()
    assert r.group.latencies.mean_ns[A] == 1_000_000
    out = r.gap(answered=False)
    r.now_ns += 7 * MS
    for action in out:
        for event in r.answer(action):
            r.step(event)
    assert r.group.latencies.mean_ns == {A: 7 * MS, B: 7 * MS}


def test_a_fill_that_comes_after_all_was_over_is_taken_back() -> None:
    r = ready()
    r.gap()
    (taken,) = r.group.ring.taken
    number, placed = next(iter(r.group.execution.ended.items()))
    assert taken.ended is not None and placed.saga == 1
    venue = r.venues[B]
    last = venue.trades[-1]
    got = r.instruments[BTC_B].notional_atoms(last.price_ticks, 500)
    fee = got * venue.fee_ppm // 1_000_000
    late = msgspec.structs.replace(last, trade_id=last.trade_id + 1, size_lots=500, fee_atoms=fee)
    assert isinstance(late, Fill) and late.client_id == number
    venue.totals["BTC"] -= 500 * r.instruments[BTC_B].lot_atoms
    venue.totals["USDT"] += got - fee
    venue.trades.append(late)
    venue.trade_id += 1
    r.step(late)
    r.quiet(3)
    assert not r.group.execution.sagas.living and r.balances_agree()
    assert r.group.hands[BTC_A].risk.position_lots == r.group.hands[BTC_B].risk.position_lots == 0


def test_every_hand_is_an_agent_of_its_own() -> None:
    r = ready()
    report = r.node.report(r.now_ns)
    hands = [agent for agent in report.agents if agent.strategy == "arbitrage"]
    assert [hand.agent for hand in hands] == [100, 101, 102, 103, 104, 105]
    assert len({hand.name for hand in hands}) == 6 and MID.keys() == r.group.hands.keys()


def test_a_saga_whose_every_order_our_own_gate_refuses_is_over_at_once_and_binds_nothing() -> None:
    r = ready()
    for market, side, price, lots in ((BTC_A, 1, 10_001, 2_000), (BTC_B, -1, 10_030, 1_999)):
        risk = r.group.hands[market].risk
        risk.last_side, risk.last_price_ticks, risk.last_size_lots = side, price, lots
        risk.last_repeats, risk.last_first_ns = risk.duplicate_max, r.now_ns
    assert sent(r.gap()) == [] and not r.group.execution.sagas.living
    (taken,) = r.group.ring.taken
    assert taken.ended is not None and taken.ended.state == SagaState.FLAT
    assert r.group.valuation.capital.bound_atoms() == 0


def test_a_node_that_stops_leaves_its_sagas_to_its_next_life() -> None:
    r = ready()
    r.venues[B].script.append("mute")
    r.venues[A].script.append(0)
    r.gap()
    r.step(StopRequested(r.now_ns))
    count = len(sent(r.log))
    r.quiet(1)
    assert len(sent(r.log)) == count and r.group.execution.sagas.living
    r.restart(epoch=2)
    r.quiet(15)
    assert not r.group.execution.sagas.living and r.balances_agree()
    assert not any(kind.startswith("saga-stuck") for kind in alarms(r.log))
