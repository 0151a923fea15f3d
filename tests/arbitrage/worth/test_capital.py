"""Capital follows what shadows paid, and never exceeds the budget or a cap."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from arbitrage.legs import canonical
from arbitrage.ticket import Ticket
from arbitrage.worth.capital import Capital, CapitalConfig, Fit, Limit
from arbitrage.worth.outcomes import Outcomes
from tests.arbitrage.markets import markets, ticket

INSTRUMENTS = markets("a:BTC/USDT", "b:BTC/USDT", "c:BTC/USDT", "a:ETH/USDT", "b:ETH/USDT", "a:ETH/BTC")
ROUTES = (
    ((0, 1), (1, -1)),
    ((1, 1), (2, -1)),
    ((2, 1), (0, -1)),
    ((3, 1), (4, -1)),
    ((0, 1), (5, 1), (3, -1)),
)
BOLD = {"prior_keep_frac": 1.0, "kelly_frac": 1.0, "prior_filled_frac": 1.0}


def capital(budget: float = 1_000_000, **config: float) -> Capital:
    """Give capital with a budget, and nothing known of any route."""
    made = Capital(CapitalConfig.model_validate(config), INSTRUMENTS, Outcomes(100, 100))
    made.budget_atoms = int(budget)
    return made


def paid(made: Capital, route: int, *returns: float, filled: bool = True) -> None:
    """Tell what shadows of a route paid."""
    for each in returns:
        made._outcomes.add(canonical(ROUTES[route]), 10.0, each, met=True, filled=filled)


def test_a_new_route_gets_what_its_promise_is_worth_by_the_prior() -> None:
    made = capital(
        kelly_frac=0.5, prior_keep_frac=0.5, prior_bps=100, prior_filled_frac=0.8, route_frac_max=1
    )
    # mean 1 bp, deviation 100 bps: 0.0001 / 0.0001 = 1, halved, and 4 of 5 fill
    assert made.size_frac(ROUTES[0], 2.0) == pytest.approx(0.4)


def test_a_route_that_pays_is_given_more_and_one_that_loses_nothing() -> None:
    made = capital(prior_bps=100, kelly_frac=0.05, route_frac_max=1)
    new = made.size_frac(ROUTES[0], 4.0)
    paid(made, 0, *[6.0, 8.0, 4.0] * 20)
    paid(made, 1, *[-20.0, 5.0, -30.0] * 20)
    assert made.size_frac(ROUTES[0], 4.0) > new > 0
    assert made.size_frac(ROUTES[1], 4.0) == 0


def test_few_samples_move_the_share_little() -> None:
    made = capital(prior_bps=100, kelly_frac=0.02, route_frac_max=1)
    before = made.size_frac(ROUTES[0], 20.0)
    paid(made, 0, 60.0)
    once = made.size_frac(ROUTES[0], 20.0)
    paid(made, 0, *[60.0] * 50)
    assert before < once < before * 2 < made.size_frac(ROUTES[0], 20.0)


def test_where_all_known_routes_lose_a_new_one_is_given_nothing() -> None:
    made = capital(prior_bps=100, kelly_frac=0.02, route_frac_max=1)
    new = made.size_frac(ROUTES[3], 10.0)
    paid(made, 0, *[-20.0] * 60)
    assert made.size_frac(ROUTES[3], 10.0) == 0
    paid(made, 1, *[9.0] * 600)
    assert made.size_frac(ROUTES[3], 10.0) > new > 0


def test_a_route_that_seldom_fills_is_given_less() -> None:
    made = capital(prior_bps=100, kelly_frac=0.01, route_frac_max=1)
    paid(made, 0, *[10.0] * 50)
    paid(made, 1, *[10.0] * 50, filled=False)
    assert 0 < made.size_frac(ROUTES[1], 10.0) < made.size_frac(ROUTES[0], 10.0) / 3


def test_no_route_is_ever_given_more_than_its_cap() -> None:
    made = capital(route_frac_max=0.2, **BOLD)
    paid(made, 0, *[50.0] * 90)
    assert made.size_frac(ROUTES[0], 200.0) == 0.2


@pytest.mark.parametrize(
    ("config", "in_atoms", "fit"),
    [
        ({"depth_frac_max": 0.5}, 100_000, Fit(50_000, Limit.DEPTH)),
        ({"route_frac_max": 0.1}, 500_000, Fit(100_000, Limit.ROUTE)),
        ({"kelly_frac": 0.0001, "route_frac_max": 1.0}, 500_000, Fit(111_111, Limit.KELLY)),
        ({"venue_frac_max": 0.05}, 500_000, Fit(50_000, Limit.VENUE)),
        ({"asset_frac_max": 0.02}, 500_000, Fit(20_000, Limit.ASSET)),
    ],
)
def test_the_tightest_cap_is_named(config: dict[str, float], in_atoms: int, fit: Fit) -> None:
    made = capital(**(BOLD | {"depth_frac_max": 1.0} | config))
    assert made.fit(ticket(*ROUTES[0], in_atoms=in_atoms, profit_bps=100), 1.0) == fit


@pytest.mark.parametrize(
    ("depth_atoms", "fit"),
    [(400_000, Fit(200_000, Limit.DEPTH)), (100_000, Fit(50_000, Limit.DEPTH))],
)
def test_the_share_of_the_depth_is_of_what_the_books_bear_not_of_what_other_bounds_left(
    depth_atoms: int, fit: Fit
) -> None:
    made = capital(route_frac_max=1, venue_frac_max=1, asset_frac_max=1, depth_frac_max=0.5, **BOLD)
    assert made.fit(ticket(*ROUTES[0], in_atoms=60_000, profit_bps=100), 1.0, depth_atoms) == fit


def test_what_is_worth_more_gets_fewer_atoms() -> None:
    made = capital(route_frac_max=0.1, depth_frac_max=1, **BOLD)
    assert made.fit(ticket(*ROUTES[0], in_atoms=10**9, profit_bps=100), 50_000.0).in_atoms_max == 2


@pytest.mark.parametrize("worth", [0.0, -1.0, float("nan"), float("inf")])
def test_what_has_no_worth_gets_nothing(worth: float) -> None:
    made = capital()
    assert made.fit(ticket(*ROUTES[0]), worth) == Fit(0, Limit.UNVALUED)
    assert not made.commit(ticket(*ROUTES[0]), worth)


def test_without_a_budget_there_is_no_room() -> None:
    made = capital(0)
    assert made.fit(ticket(*ROUTES[0]), 1.0).in_atoms_max == 0
    assert not made.commit(ticket(*ROUTES[0], in_atoms=1), 1.0)


def test_tickets_under_way_are_bounded() -> None:
    made = capital(tickets=2, **BOLD)
    for number in range(2):
        assert made.commit(ticket(*ROUTES[0], ticket_id=number, in_atoms=10), 1.0)
    assert not made.commit(ticket(*ROUTES[0], ticket_id=3, in_atoms=10), 1.0)
    assert made.fit(ticket(*ROUTES[0]), 1.0) == Fit(0, Limit.TICKETS)
    assert made.release(0)
    assert not made.release(0)
    assert made.commit(ticket(*ROUTES[0], ticket_id=3, in_atoms=10), 1.0)


def test_a_ticket_is_bound_once() -> None:
    made = capital(**BOLD)
    assert made.commit(ticket(*ROUTES[0], in_atoms=10), 1.0)
    assert not made.commit(ticket(*ROUTES[0], in_atoms=10), 1.0)
    assert made.bound_atoms() == 10


def test_a_smaller_budget_leaves_what_is_under_way_and_no_room() -> None:
    made = capital(route_frac_max=1, venue_frac_max=1, asset_frac_max=1, **BOLD)
    assert made.commit(ticket(*ROUTES[0], in_atoms=500_000), 1.0)
    made.budget_atoms = 100_000
    assert made.bound_atoms() == 500_000
    assert made.fit(ticket(*ROUTES[3], ticket_id=2, profit_bps=100), 1.0).in_atoms_max == 0
    assert not made.commit(ticket(*ROUTES[3], ticket_id=2, in_atoms=1), 1.0)


WANTED = st.lists(
    st.tuples(
        st.integers(0, len(ROUTES) - 1),
        st.integers(1, 2_000_000),
        st.floats(0.5, 80.0),
        st.floats(1e-4, 1e4),
    ),
    max_size=8,
)


def test_what_was_prepared_is_what_would_be_worked_out_anew() -> None:
    draw, made = random.Random(7), capital(**BOLD)
    for number in range(400):
        route, kind = draw.randrange(len(ROUTES)), draw.randrange(6)
        if kind == 0:
            paid(made, route, draw.uniform(-30, 30), filled=draw.random() < 0.7)
        elif kind == 1:
            made.budget_atoms = draw.choice((0, 200_000, 1_000_000))
        elif kind == 2:
            made.prepare(ROUTES[route])
        elif kind == 3 and made.stakes():
            assert made.release(draw.choice(made.stakes()).ticket_id)
        found = ticket(*ROUTES[route], in_atoms=draw.randrange(1, 400_000), ticket_id=number)
        anew = Capital(made.config, INSTRUMENTS, made._outcomes)
        anew.restore(made.state())
        assert made.fit(found, 1.0, None, ROUTES[route]) == anew.fit(found, 1.0)
        if kind == 4:
            assert made.commit(found, 1.0, ROUTES[route]) == anew.commit(found, 1.0)
            assert made.state() == anew.state()


def assert_within(made: Capital) -> None:
    """Add up every stake by hand and hold it against every cap."""
    budget, config, stakes = made.budget_atoms, made.config, made.stakes()
    assert made.bound_atoms() == sum(stake.value_atoms for stake in stakes) <= budget
    for route in ROUTES:
        bound = sum(stake.value_atoms for stake in stakes if stake.route == canonical(route))
        assert bound <= budget * config.route_frac_max
    for venue in "abc":
        bound = sum(stake.value_atoms for stake in stakes if venue in stake.venues)
        assert bound <= budget * config.venue_frac_max
    for asset in ("BTC", "ETH"):
        bound = sum(stake.value_atoms for stake in stakes if asset in stake.assets)
        assert bound <= budget * config.asset_frac_max


class CapitalMachine(RuleBasedStateMachine):
    """Bind and free at random."""

    def __init__(self) -> None:
        super().__init__()
        self.capital = capital(**BOLD)
        self.number = 0
        self.open: list[int] = []

    def _ticket(self, route: int, size: int) -> Ticket:
        self.number += 1
        return ticket(*ROUTES[route], ticket_id=self.number, in_atoms=size, profit_bps=60)

    @rule(
        route=st.integers(0, len(ROUTES) - 1),
        size=st.integers(1, 3_000_000),
        worth=st.floats(0.01, 100),
        shrink=st.booleans(),
    )
    def commit(self, route: int, size: int, worth: float, shrink: bool) -> None:
        wanted = self._ticket(route, size)
        if shrink:
            fit = self.capital.fit(wanted, worth)
            assert fit.in_atoms_max <= size * self.capital.config.depth_frac_max
            if fit.in_atoms_max == 0:
                return
            wanted = msgspec.structs.replace(wanted, in_atoms=fit.in_atoms_max)
            assert self.capital.commit(wanted, worth)
            self.open.append(wanted.ticket_id)
        elif self.capital.commit(wanted, worth):
            self.open.append(wanted.ticket_id)

    @rule(pick=st.integers(0, 50))
    def release(self, pick: int) -> None:
        if self.open:
            assert self.capital.release(self.open.pop(pick % len(self.open)))

    @rule()
    def restart(self) -> None:
        state = self.capital.state()
        self.capital = capital(0, **BOLD)
        self.capital.restore(state)
        assert self.capital.state() == state

    @invariant()
    def nothing_is_exceeded(self) -> None:
        assert_within(self.capital)
        assert [stake.ticket_id for stake in self.capital.stakes()] == self.open or sorted(
            self.open
        ) == sorted(stake.ticket_id for stake in self.capital.stakes())


TestCapital = CapitalMachine.TestCase
TestCapital.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
