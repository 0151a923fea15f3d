"""Shadows are bounded, due once, settled once, and say what the books would have paid."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from arbitrage.fee import FeeRule
from arbitrage.ticket import Leg, Ticket
from arbitrage.worth.shadow import Due, ShadowConfig, ShadowRow, Shadows
from arbitrage.worth.shadow_fill import MISSED, ShadowFill, shadow_fill
from domain.units import fee_atoms
from tests.arbitrage.markets import MS, START, market, markets, ticket

INSTRUMENTS = markets("a:BTC/USDT", "b:BTC/USDT", "b:ETH/USDT")
LATENCY_NS = {"a": 10 * MS, "b": 30 * MS}
SPATIAL = ((0, 1), (1, -1))


def shadows(**config: float) -> Shadows:
    """Give an empty follower."""
    return Shadows(ShadowConfig.model_validate(config), INSTRUMENTS)


def filled(due: Due, frac: float = 1.0, kept: float = 1.0) -> ShadowFill:
    """Fill a share of a leg, at its rate or less."""
    leg = due.ticket.legs[due.leg]
    return ShadowFill(
        round(leg.size_lots * frac), round(leg.pay_atoms * frac), round(leg.get_atoms * frac * kept)
    )


def settled(follower: Shadows, now_ns: int, *fills: tuple[float, float]) -> ShadowRow:
    """Settle one ticket's legs with (share, rate) each."""
    rows = [follower.settle(due, filled(due, *fills[due.leg]), now_ns) for due in follower.due(now_ns)]
    (row,) = [row for row in rows if row is not None]
    return row


def test_each_leg_is_due_when_its_order_would_have_been_there() -> None:
    follower = shadows()
    assert follower.follow(ticket(*SPATIAL), LATENCY_NS)
    assert follower.due(START + 9 * MS) == []
    (first,) = follower.due(START + 10 * MS)
    assert first.leg == 0
    assert follower.settle(first, filled(first), START + 10 * MS) is None
    assert follower.due(START + 29 * MS) == []
    (second,) = follower.due(START + 31 * MS)
    row = follower.settle(second, filled(second), START + 31 * MS)
    assert row is not None
    assert (row.ticket_id, row.detected_ns, row.settled_ns) == (1, START, START + 31 * MS)
    assert row.expected_bps == pytest.approx(10)
    assert row.shadow_bps == pytest.approx(10)
    assert (row.filled_frac, row.filled_frac_max) == (1, 1)
    assert follower.rows() == [row]
    assert follower.rows() == []


def test_a_venue_that_was_never_measured_is_taken_for_slow() -> None:
    follower = shadows(latency_ms=50)
    follower.follow(ticket(*SPATIAL), {"a": 0})
    assert [due.leg for due in follower.due(START)] == [0]
    assert [due.leg for due in follower.due(START + 50 * MS)] == [1]


def test_what_the_books_pay_less_comes_off() -> None:
    follower = shadows()
    follower.follow(ticket(*SPATIAL), {"a": 0, "b": 0})
    row = settled(follower, START, (1, 0.999), (1, 0.9995))
    assert row.shadow_bps == pytest.approx(10 - 15, abs=0.02)
    assert row.whole_bps == row.shadow_bps


def test_a_leg_that_is_left_is_paid_for() -> None:
    follower = shadows(unwind_bps=5)  # and twice the fee of 10 bps
    follower.follow(ticket(*SPATIAL), {"a": 0, "b": 0})
    row = settled(follower, START, (1, 1), (0.25, 1))
    assert row.shadow_bps == pytest.approx(0.25 * 10 - 0.75 * 25)
    assert (row.filled_frac, row.filled_frac_max) == (0.25, 1)
    assert row.whole_bps == pytest.approx(10)


def test_only_the_share_that_is_taken_back_is_paid_for() -> None:
    follower = Shadows(ShadowConfig(unwind_bps=5), INSTRUMENTS, 0.5)
    follower.follow(ticket(*SPATIAL), {"a": 0, "b": 0})
    row = settled(follower, START, (1, 1), (0.25, 1))
    assert row.shadow_bps == pytest.approx(0.25 * 10 - 0.5 * 0.75 * 25)


def test_the_leg_that_is_gone_most_often_is_the_hard_one() -> None:
    follower = shadows(leg_samples=2, memory=1_000)
    assert follower.legs.fill_ppm(0, 1) == follower.legs.fill_ppm(7, -1) == 1_000_000
    for _ in range(8):
        follower.follow(ticket(*SPATIAL), {"a": 0, "b": 0})
        settled(follower, START, (0.25, 1), (1, 1))
    pooled = 0.625
    assert follower.legs.fill_ppm(0, 1) == pytest.approx((2 * pooled + 2) / 10 * 1e6, rel=0.02)
    assert follower.legs.fill_ppm(1, -1) == pytest.approx((2 * pooled + 8) / 10 * 1e6, rel=0.02)
    assert follower.legs.fill_ppm(0, -1) == pytest.approx(pooled * 1e6, rel=0.01)
    other = shadows(leg_samples=2, memory=1_000)
    other.restore(follower.state())
    assert other.legs.fill_ppm(0, 1) == follower.legs.fill_ppm(0, 1)


def test_where_nothing_fills_nothing_is_lost() -> None:
    follower = shadows()
    follower.follow(ticket(*SPATIAL), {"a": 0, "b": 0})
    dues = follower.due(START)
    assert [follower.settle(due, MISSED, START) for due in dues[:1]] == [None]
    row = follower.settle(dues[1], MISSED, START)
    assert row is not None
    assert (row.shadow_bps, row.filled_frac_max) == (0, 0)
    assert follower.outcomes.of(row.route).met == 0
    assert follower.outcomes.of(row.route).count == 1


def test_a_route_keeps_its_figures() -> None:
    follower = shadows()
    returns = [3.0, 5.0, 1.0, 7.0]
    for number, kept in enumerate(returns):
        follower.follow(ticket(*SPATIAL, ticket_id=number, profit_bps=kept), {"a": 0, "b": 0})
        settled(follower, START, (1, 1), (1, 1))
    follower.follow(ticket(*SPATIAL, profit_bps=4.0), {"a": 0, "b": 0})
    for due in follower.due(START):
        follower.settle(due, MISSED, START)
    (route,) = follower.outcomes.routes()
    outcome = follower.outcomes.of(route)
    assert (outcome.count, outcome.met) == (5, 4)
    assert outcome.filled_frac == pytest.approx(0.8)
    assert outcome.shadow_mean_bps == pytest.approx(4.0)
    assert outcome.shadow_variance == pytest.approx(5.0)
    assert outcome.expected_mean_bps == pytest.approx(4.0)


def test_the_route_that_was_not_met_for_longest_is_forgotten() -> None:
    follower = shadows(routes=2)
    for legs in (((0, 1), (1, -1)), ((0, 1), (2, -1)), ((1, 1), (2, -1))):
        follower.follow(ticket(*legs), {"a": 0, "b": 0})
        settled(follower, START, (1, 1), (1, 1))
    assert follower.outcomes.routes() == (((0, 1), (2, -1)), ((1, 1), (2, -1)))


def test_rows_that_nobody_takes_are_lost_oldest_first_and_counted() -> None:
    follower = shadows(rows=2)
    for number in range(3):
        follower.follow(ticket(*SPATIAL, ticket_id=number), {"a": 0, "b": 0})
        settled(follower, START, (1, 1), (1, 1))
    assert follower.rows_lost == 1
    assert [row.ticket_id for row in follower.rows()] == [1, 2]


class ShadowMachine(RuleBasedStateMachine):
    """Follow, wait, settle, forget and restart at random."""

    def __init__(self) -> None:
        super().__init__()
        self.shadows = shadows(pending=5, rows=4, give_up_ms=100)
        self.now_ns = START
        self.asked: list[Due] = []
        self.seen: set[tuple[int, int]] = set()
        self.rows: list[int] = []
        self.next_id = 0

    @rule(latency_ms=st.integers(0, 60))
    def follow(self, latency_ms: int) -> None:
        full = len(self.shadows) == 5
        refused = self.shadows.refused
        made = ticket(*SPATIAL, ticket_id=self.next_id, detected_ns=self.now_ns)
        assert self.shadows.follow(made, {"a": latency_ms * MS, "b": 20 * MS}) is not full
        assert self.shadows.refused == refused + full
        self.next_id += 1

    @rule(wait_ms=st.integers(0, 80))
    def wait(self, wait_ms: int) -> None:
        self.now_ns += wait_ms * MS
        for due in self.shadows.due(self.now_ns):
            assert (due.shadow, due.leg) not in self.seen
            self.seen.add((due.shadow, due.leg))
            self.asked.append(due)

    @rule(pick=st.integers(0, 20), frac=st.sampled_from([0.0, 0.5, 1.0]), twice=st.booleans())
    def settle(self, pick: int, frac: float, twice: bool) -> None:
        if not self.asked:
            return
        due = self.asked.pop(pick % len(self.asked))
        row = self.shadows.settle(due, filled(due, frac), self.now_ns)
        if row is not None:
            assert row.ticket_id not in self.rows
            self.rows.append(row.ticket_id)
        if twice:
            assert self.shadows.settle(due, filled(due), self.now_ns) is None

    @rule()
    def restart(self) -> None:
        state = self.shadows.state()
        self.shadows = shadows(pending=5, rows=4, give_up_ms=100)
        self.shadows.restore(state)
        assert self.shadows.state() == state

    @invariant()
    def every_ticket_is_followed_settled_or_given_up(self) -> None:
        kept = self.shadows
        assert len(kept) <= 5
        assert kept.followed == len(kept) + len(self.rows) + kept.abandoned
        assert kept.followed + kept.refused == self.next_id
        assert len(kept._queue) <= 10
        assert len(kept._rows) <= 4


TestShadows = ShadowMachine.TestCase
TestShadows.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)


def bought(levels: list[tuple[int, int]], *, in_quote: bool = False, lots: int = 10) -> ShadowFill:
    """Buy a leg from levels."""
    leg = Leg(0, 1, lots, 10_100, 1, 1)
    return shadow_fill(market(0, "a"), leg, levels, FeeRule(1_000, in_quote))


def test_a_leg_is_filled_down_the_book_within_its_price() -> None:
    instrument = market(0, "a")
    fill = bought([(10_000, 4), (10_050, 3), (10_101, 99)])
    base, quote = 7 * instrument.lot_atoms, (40_000 + 30_150) * instrument.tick_lot_atoms
    assert fill == ShadowFill(7, quote, base - fee_atoms(base, 1_000))
    assert bought([(10_000, 99)]).filled_lots == 10
    assert bought([]) == MISSED


def test_a_fee_in_quote_is_paid_on_top() -> None:
    instrument = market(0, "a")
    quote = 100_000 * instrument.tick_lot_atoms
    assert bought([(10_000, 10)], in_quote=True) == ShadowFill(
        10, quote + fee_atoms(quote, 1_000), 10 * instrument.lot_atoms
    )


def test_a_sale_takes_bids_down_to_its_price_and_pays_the_fee_in_quote() -> None:
    instrument = market(0, "a")
    leg = Leg(0, -1, 10, 9_900, 1, 1)
    fill = shadow_fill(instrument, leg, [(10_000, 4), (9_900, 2), (9_899, 9)], FeeRule(1_000))
    quote = (40_000 + 19_800) * instrument.tick_lot_atoms
    assert fill == ShadowFill(6, 6 * instrument.lot_atoms, quote - fee_atoms(quote, 1_000))


def test_on_unchanged_books_a_shadow_pays_what_was_expected() -> None:
    instruments = markets("a:BTC/USDT", "b:BTC/USDT")
    buy = shadow_fill(instruments[0], Leg(0, 1, 100, 10_000, 1, 1), [(10_000, 100)], FeeRule(100))
    sell = shadow_fill(instruments[1], Leg(1, -1, 99, 10_100, 1, 1), [(10_100, 99)], FeeRule(100))
    legs = (
        Leg(0, 1, 100, 10_000, buy.pay_atoms, buy.get_atoms),
        Leg(1, -1, 99, 10_100, sell.pay_atoms, sell.get_atoms),
    )
    made = Ticket(1, START, "USDT", legs, buy.pay_atoms, sell.get_atoms, buy.get_atoms - sell.pay_atoms, 0)
    follower = Shadows(ShadowConfig(), instruments)
    follower.follow(made, {"a": 0, "b": 0})
    first, second = follower.due(START)
    follower.settle(first, buy, START)
    row = follower.settle(second, sell, START)
    assert row is not None
    assert row.shadow_bps == pytest.approx(made.profit_bps)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=ShadowRow) == row
