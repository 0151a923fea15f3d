"""Our arbitrage in the study: every order is an attempt's, and attempts add up to what the account gained."""

from __future__ import annotations

import pytest

from agents.arbitrage.opportunity import Found, Outcome
from arbitrage.saga.events import SagaEnded, SagaState
from arbitrage.ticket import Leg, Ticket
from domain.units import ATOMS_PER_UNIT
from sim.exchange.exchange import Exchange
from sim.study.attempt import End
from sim.study.mids import Mids
from sim.study.ours_region import ours
from sim.study.ours_run import run_ours, told
from sim.study.result import Result
from sim.study.world import ACCOUNT, Job, exchanges
from tests.sim.plans import EXCHANGES
from tests.sim.study.test_study import BUSY

JOB = Job(bot="ours", latency_ms=5, seed=1)


@pytest.fixture(scope="module")
def ran() -> Result:
    return run_ours(JOB, BUSY, exchanges(EXCHANGES, BUSY), lambda virtual_s: None)


def test_the_group_trades_every_market_of_every_venue_as_far_away_as_the_job_says() -> None:
    markets = exchanges(EXCHANGES, BUSY)
    found = ours(JOB, BUSY, markets)
    (group,) = found.arbitrage
    assert len(found.hands(group)) == sum(len(one.markets) for one in markets) and {
        one.account for one in found.venues
    } == {ACCOUNT}
    assert set(group.reach_us[found.region].values()) == {5_000}
    bold = BUSY.model_copy(update={"ours": {"shares": {"depth_frac_max": 0.75}}})
    assert ours(JOB, bold, exchanges(EXCHANGES, BUSY)).arbitrage[0].shares.depth_frac_max == 0.75


def test_attempts_add_up_to_what_the_account_gained(ran: Result) -> None:
    assert ran.sent > 0 and ran.detected >= ran.sent
    assert ran.sent == ran.whole + ran.evened + ran.unwound + ran.missed + ran.left
    assert ran.realised_usdt == pytest.approx(ran.net_usdt, abs=0.02 * ran.fees_usdt)
    # The node is stopped at the end, whatever is under way.
    assert ran.left <= 1 and ran.net_usdt > 0
    assert all(count > 0 and "taken" not in reason for reason, count in ran.untaken.items())


LEGS = (Leg(0, 1, 10, 100, 0, 0), Leg(1, -1, 10, 100, 0, 0))
TICKET = Ticket(1, 5, "USDT", LEGS, 1_000 * ATOMS_PER_UNIT, 1_002 * ATOMS_PER_UNIT, 0, 0)


@pytest.mark.parametrize(
    ("orders", "filled", "state", "end"),
    [
        (["a", "b"], ["b"], SagaState.UNWOUND, End.UNWOUND),
        (["a", "b"], ["b"], SagaState.FLAT, End.WHOLE),
        (["a", "b", "c"], ["b"], SagaState.FLAT, End.EVENED),
        (["a", "b"], [], SagaState.FLAT, End.MISSED),
        (["a", "b"], ["b"], SagaState.STUCK, End.LEFT),
        (["a", "b"], ["b"], None, End.LEFT),
    ],
)
def test_an_end_is_read_from_fills_and_from_the_saga(
    orders: list[str], filled: list[str], state: SagaState | None, end: End
) -> None:
    how = None if state is None else SagaEnded(1, state, 0, "USDT", 0, (), ())
    found = Found(1, 5, 5, ((0, 1), (1, -1)), 1.002, Outcome.TAKEN, "", ticket=TICKET, ended=how)
    mids = Mids([Exchange(one) for one in exchanges(EXCHANGES, BUSY)[:1]])
    mids.sample(5)
    attempt = told(found, tuple(orders), set(filled), mids)
    assert attempt.end == end and attempt.in_usdt == 1_000 and attempt.expected_usdt == pytest.approx(2.0)
    assert len(attempt.orders) == len(orders)
