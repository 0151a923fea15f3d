"""The gate: every refusal with its figures, and the fast way equal to the plain one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instrument import Instrument
from domain.order import ApprovedOrder, OrderIntent, RefusalReason, RefusedOrder, TimeInForce
from domain.units import ATOMS_PER_UNIT
from risk.exposure import AgentRisk, MarketRisk, Wallet, crosses_own, release, reserve
from risk.gate import Gate
from risk.limits import AgentLimits, NodeLimits

NOW = 1_000_000_000_000
INSTRUMENT = Instrument.of(
    0, "test-x", "BTC", "USDT", tick="0.01", lot="0.001", size_max="10", notional_atoms_min=10**11
)


def gate(**changes: Any) -> Gate:
    made = Gate(NodeLimits(**changes))
    made.epoch, made.expires_ns, made.budget_atoms = 3, NOW + 10**9, 10**18
    return made


def agent(**changes: Any) -> AgentRisk:
    return AgentRisk.of(AgentLimits(**changes))


def market(**changes: Any) -> MarketRisk:
    made = MarketRisk.of(INSTRUMENT, Wallet(1000 * ATOMS_PER_UNIT), Wallet(10**6 * ATOMS_PER_UNIT))
    made.rate_num, made.bid_ticks, made.ask_ticks, made.touched_ns, made.stale = 1, 9_990, 10_010, NOW, False
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def intent(**changes: Any) -> OrderIntent:
    wanted: dict[str, Any] = {
        "agent": 1,
        "instrument": 0,
        "side": 1,
        "tif": int(TimeInForce.POST),
        "price_ticks": 9_990,
        "size_lots": 1000,
        **changes,
    }
    return OrderIntent(**wanted)


def refusal(verdict: ApprovedOrder | RefusedOrder) -> tuple[str, int, int]:
    assert isinstance(verdict, RefusedOrder)
    return RefusalReason(verdict.reason).name, verdict.figure, verdict.limit


def ask(g: Gate, i: OrderIntent, a: AgentRisk | None = None, m: MarketRisk | None = None) -> Any:
    return g.check(i, a or agent(), m or market(), NOW, 7)


def test_an_approval_carries_intent_epoch_and_time() -> None:
    approved = ask(gate(), intent())
    assert isinstance(approved, ApprovedOrder)
    assert (approved.intent, approved.epoch, approved.approved_ts_ns) == (intent(), 3, NOW)


def test_an_approval_counts_from_that_moment() -> None:
    g, a, m = gate(), agent(), market()
    ask(g, intent(), a, m)
    assert (a.buy_lots, a.sell_lots, a.in_flight, g.in_flight) == (1000, 0, 1, 1)
    assert m.quote.reserved_atoms == 9_990 * 1000 * INSTRUMENT.tick_lot_atoms
    assert m.own_bids == {7: 9_990}
    assert a.gross_atoms == g.gross_atoms == m.value_atoms(1000) == 100 * ATOMS_PER_UNIT
    assert g.message_due_ns > NOW and a.message_due_ns > NOW


def test_a_refusal_counts_nothing() -> None:
    g, a, m = gate(), agent(), market(stale=True)
    before = copy.deepcopy((a, m))
    assert isinstance(ask(g, intent(), a, m), RefusedOrder)
    assert (a, m) == before and g.in_flight == g.gross_atoms == g.message_due_ns == 0


def test_a_halted_gate_refuses_everything() -> None:
    g = gate()
    g.halted = True
    assert refusal(ask(g, intent())) == ("HALTED", 1, 0)


def test_no_lease_is_refused_even_when_it_would_shrink() -> None:
    g, a = gate(), agent()
    g.epoch, a.position_lots = 0, -5000
    assert refusal(ask(g, intent(), a)) == ("NO_LEASE", 0, 1)


def test_an_expired_lease_lets_only_shrinking_orders_pass() -> None:
    g, a = gate(), agent()
    g.expires_ns = NOW
    assert refusal(ask(g, intent(), a)) == ("NO_LEASE", NOW, NOW)
    a.position_lots = -1000
    assert isinstance(ask(g, intent(), a), ApprovedOrder)
    assert refusal(ask(g, intent(), a))[0] == "NO_LEASE", "what is on its way counts"


@pytest.mark.parametrize("whose", ["gate", "intent"])
def test_reduce_only_says_how_much_room_there_is(whose: str) -> None:
    g, a = gate(), agent()
    a.position_lots = -400
    g.reduce_only = whose == "gate"
    wanted = intent(reduce_only=whose == "intent")
    assert refusal(ask(g, wanted, a)) == ("REDUCE_ONLY", 1000, 400)
    a.position_lots = 400
    assert refusal(ask(g, wanted, a)) == ("REDUCE_ONLY", 1000, 0)


@pytest.mark.parametrize(
    ("changes", "figure"),
    [
        ({"stale": True}, 0),
        ({"bid_ticks": 0}, 0),
        ({"ask_ticks": 9_990}, 0),
        ({"touched_ns": NOW - 10_000_000_001}, 10_000_000_001),
        ({"rate_num": 0}, 0),
    ],
)
def test_a_market_that_cannot_be_believed_is_not_traded(changes: dict[str, Any], figure: int) -> None:
    reason, found, _ = refusal(ask(gate(), intent(), m=market(**changes)))
    assert (reason, found) == ("STALE_MARKET", figure)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"size_lots": 0}, ("SIZE_ZERO", 0, 1)),
        ({"size_lots": -5}, ("SIZE_ZERO", -5, 1)),
        ({"size_lots": 10_001}, ("SIZE_MAX", 10_001, 10_000)),
        ({"price_ticks": 0}, ("BAD_PRICE", 0, 1)),
        ({"tif": int(TimeInForce.MARKET)}, ("BAD_PRICE", 9_990, 1)),
        ({"size_lots": 50}, ("NOTIONAL_MIN", 9_990 * 50 * 100_000, 10**11)),
        ({"size_lots": 6000}, ("NOTIONAL_MAX", 9_990 * 6000 * 100_000, 500 * ATOMS_PER_UNIT)),
        ({"price_ticks": 9_899}, ("PRICE_COLLAR", 101, 100)),
        ({"price_ticks": 10_101}, ("PRICE_COLLAR", 101, 100)),
    ],
)
def test_an_order_outside_its_bounds_is_refused_with_the_figures(
    changes: dict[str, Any], expected: tuple[str, int, int]
) -> None:
    assert refusal(ask(gate(), intent(**changes), agent(order_notional_max=500))) == expected


def test_a_size_below_the_venues_minimum_is_refused() -> None:
    assert refusal(ask(gate(), intent(size_lots=2), m=market(size_lots_min=3))) == ("SIZE_MIN", 2, 3)


def test_the_position_limit_counts_working_orders_of_that_side() -> None:
    g, a, m = gate(), agent(position_notional_max=250), market()
    assert isinstance(ask(g, intent(), a, m), ApprovedOrder)
    assert isinstance(ask(g, intent(price_ticks=9_989), a, m), ApprovedOrder)
    assert refusal(ask(g, intent(), a, m)) == ("POSITION", 300 * ATOMS_PER_UNIT, 250 * ATOMS_PER_UNIT)
    assert isinstance(ask(g, intent(side=-1, price_ticks=10_010), a, m), ApprovedOrder)


def test_a_position_beyond_its_limit_may_still_shrink() -> None:
    a = agent(position_notional_max=100)
    a.position_lots = 5000
    assert isinstance(ask(gate(), intent(side=-1, price_ticks=10_010), a), ApprovedOrder)


def test_the_leased_budget_bounds_the_sum_over_agents() -> None:
    g, m = gate(), market()
    g.budget_atoms = 150 * ATOMS_PER_UNIT
    assert isinstance(ask(g, intent(), agent(), m), ApprovedOrder)
    assert refusal(ask(g, intent(price_ticks=9_989), agent(), m)) == (
        "BUDGET",
        200 * ATOMS_PER_UNIT,
        150 * ATOMS_PER_UNIT,
    )


def test_the_nodes_own_gross_limit_bounds_the_budget() -> None:
    g = gate(gross_notional_max=50)
    assert refusal(ask(g, intent())) == ("BUDGET", 100 * ATOMS_PER_UNIT, 50 * ATOMS_PER_UNIT)


def test_orders_in_flight_are_bounded_per_agent_and_per_node() -> None:
    g, a = gate(in_flight_max=2), agent(in_flight_max=1)
    assert isinstance(ask(g, intent(), a), ApprovedOrder)
    assert refusal(ask(g, intent(price_ticks=9_991), a)) == ("IN_FLIGHT", 1, 1)
    assert isinstance(ask(g, intent()), ApprovedOrder)
    assert refusal(ask(g, intent())) == ("IN_FLIGHT", 2, 2)


def test_the_message_rate_lets_a_burst_pass_and_recovers_with_time() -> None:
    g, a, m = gate(messages_per_s=10, messages_burst=3), agent(), market()
    prices = iter(range(9_900, 9_990))
    for _ in range(3):
        assert isinstance(ask(g, intent(price_ticks=next(prices)), a, m), ApprovedOrder)
    assert refusal(ask(g, intent(price_ticks=next(prices)), a, m)) == (
        "MESSAGE_RATE",
        400_000_000,
        300_000_000,
    )
    later = g.check(intent(price_ticks=next(prices)), a, m, NOW + 100_000_000, 9)
    assert isinstance(later, ApprovedOrder)


def test_an_agents_own_message_rate_bounds_it_too() -> None:
    g, a, m = gate(), agent(messages_per_s=10, messages_burst=1), market()
    assert isinstance(ask(g, intent(), a, m), ApprovedOrder)
    assert refusal(ask(g, intent(price_ticks=9_991), a, m))[0] == "MESSAGE_RATE"


def test_cancels_are_counted_but_never_refused() -> None:
    g, a = gate(messages_per_s=10, messages_burst=2), agent()
    for _ in range(5):
        g.count_cancel(a, NOW)
    assert g.message_due_ns == NOW + 500_000_000
    assert refusal(ask(g, intent(), a))[0] == "MESSAGE_RATE"


@pytest.mark.parametrize(("side", "own", "price"), [(1, -1, 10_000), (-1, 1, 9_999)])
def test_an_order_that_would_meet_our_own_is_refused(side: int, own: int, price: int) -> None:
    m = market()
    reserve(agent(), m, 5, own, 10_000 if own < 0 else 9_999, 10)
    reserve(agent(), m, 6, own, 10_009 if own < 0 else 9_980, 10)
    assert crosses_own(m, side, price)
    assert refusal(ask(gate(), intent(side=side, price_ticks=price), m=m))[0] == "SELF_MATCH"
    assert isinstance(ask(gate(), intent(side=side, price_ticks=price - side), m=m), ApprovedOrder)


def test_a_bound_that_outlived_its_order_refuses_nothing() -> None:
    m = market()
    reserve(agent(), m, 5, -1, 9_950, 10)
    reserve(agent(), m, 6, -1, 10_009, 10)
    del m.own_asks[5]
    assert m.own_ask_floor == 9_950 and not crosses_own(m, 1, 9_990)
    assert isinstance(ask(gate(), intent(), m=m), ApprovedOrder)


def test_balances_less_what_is_reserved_must_suffice() -> None:
    m = market(quote=Wallet(150 * ATOMS_PER_UNIT), base=Wallet(1 * ATOMS_PER_UNIT))
    g, a, need = gate(), agent(), 9_990 * 1000 * 100_000
    assert isinstance(ask(g, intent(), a, m), ApprovedOrder)
    assert refusal(ask(g, intent(price_ticks=9_990, size_lots=1001), a, m)) == (
        "BALANCE",
        9_990 * 1001 * 100_000,
        150 * ATOMS_PER_UNIT - need,
    )
    assert refusal(ask(g, intent(side=-1, price_ticks=10_010, size_lots=1001), a, m)) == (
        "BALANCE",
        1001 * INSTRUMENT.lot_atoms,
        ATOMS_PER_UNIT,
    )
    release(a, m, 1, 9_990, 1000)
    assert m.quote.reserved_atoms == a.buy_lots == 0


def test_the_same_order_over_and_over_is_a_storm() -> None:
    g, a, m = gate(), agent(duplicate_max=3, position_notional_max=100_000), market()
    for _ in range(3):
        assert isinstance(ask(g, intent(), a, m), ApprovedOrder)
    assert refusal(ask(g, intent(), a, m)) == ("DUPLICATE_STORM", 4, 3)
    assert isinstance(ask(g, intent(price_ticks=9_989), a, m), ApprovedOrder)
    assert isinstance(ask(g, intent(), a, m), ApprovedOrder), "another order in between ends it"


def test_a_storm_is_over_when_its_window_is() -> None:
    g, a, m = gate(), agent(duplicate_max=1), market()
    assert isinstance(ask(g, intent(), a, m), ApprovedOrder)
    assert isinstance(ask(g, intent(), a, m), RefusedOrder)
    g.expires_ns *= 2
    later = g.check(intent(), a, m, NOW + 1_000_000_001, 9)
    assert isinstance(later, ApprovedOrder)


def test_what_is_unexplained_blocks_new_risk_only() -> None:
    a, m = agent(), market(blocked=True)
    assert refusal(ask(gate(), intent(), a, m)) == ("UNEXPLAINED", 1, 0)
    a.position_lots = -1000
    assert isinstance(ask(gate(), intent(), a, m), ApprovedOrder)


def test_figures_too_large_for_the_journal_are_cut() -> None:
    g = gate()
    huge = intent(size_lots=10**13)
    m = market(size_lots_max=10**15)
    reason, figure, _ = refusal(ask(g, huge, agent(order_lots_max=10**14), m))
    assert (reason, figure) == ("NOTIONAL_MAX", (1 << 63) - 1)


def test_a_quote_in_another_currency_is_valued_through_its_rate() -> None:
    m = market(rate_num=3, rate_den=2)
    g, a = gate(), agent()
    ask(g, intent(), a, m)
    assert a.gross_atoms == 150 * ATOMS_PER_UNIT
    m.bid_ticks, m.ask_ticks = 19_990, 20_010
    g.revalue(a, m)
    assert a.gross_atoms == g.gross_atoms == 300 * ATOMS_PER_UNIT


intents = st.builds(
    intent,
    side=st.sampled_from((1, -1)),
    tif=st.sampled_from((0, 1, 3, 3, 3, 3, 4)),
    price_ticks=st.one_of(st.integers(9_980, 10_020), st.integers(9_880, 10_120), st.integers(-1, 1)),
    size_lots=st.one_of(st.integers(100, 2000), st.integers(-1, 12_000)),
    reduce_only=st.sampled_from((False, False, False, True)),
)


@settings(max_examples=400, deadline=None)
@given(
    wanted=st.lists(intents, max_size=8),
    position=st.integers(-9000, 9000),
    budget=st.integers(50, 3000),
    limits=st.fixed_dictionaries(
        {
            "position_notional_max": st.integers(100, 1500),
            "order_notional_max": st.integers(50, 500),
            "in_flight_max": st.integers(1, 8),
            "messages_burst": st.integers(1, 8),
            "duplicate_max": st.integers(1, 3),
        }
    ),
    usdt=st.integers(0, 900),
    btc=st.integers(0, 9),
    own=st.lists(st.tuples(st.sampled_from((1, -1)), st.integers(9_980, 10_020)), max_size=3),
    flags=st.tuples(*[st.sampled_from((False,) * 9 + (True,))] * 5),
)
def test_a_batch_is_decided_as_if_one_by_one(
    wanted: list[OrderIntent],
    position: int,
    budget: int,
    limits: dict[str, int],
    usdt: int,
    btc: int,
    own: list[tuple[int, int]],
    flags: tuple[bool, ...],
) -> None:
    def made() -> tuple[Gate, AgentRisk, MarketRisk]:
        g, a, m = gate(), agent(**limits), market()
        m.quote.total_atoms, m.base.total_atoms = usdt * ATOMS_PER_UNIT, btc * ATOMS_PER_UNIT
        g.budget_atoms, a.position_lots = budget * ATOMS_PER_UNIT, position
        g.halted, g.reduce_only, m.blocked, m.stale, expired = flags
        g.expires_ns = NOW - 1 if expired else NOW + 1
        for number, (side, price) in enumerate(own):
            reserve(a, m, number, side, price, 1)
        g.revalue(a, m)
        return g, a, m

    one, all_at_once = made(), made()
    plain, number = [], 100
    for each in wanted:
        verdict = one[0].check(each, one[1], one[2], NOW, number)
        number += isinstance(verdict, ApprovedOrder)
        plain.append(verdict)
    batch = all_at_once[0].check_all(wanted, all_at_once[1], all_at_once[2], NOW, 100)
    assert [repr(verdict) for verdict in batch] == [repr(verdict) for verdict in plain]
    assert all_at_once[1:] == one[1:]
    for name in Gate.__slots__:
        assert getattr(all_at_once[0], name) == getattr(one[0], name), name
