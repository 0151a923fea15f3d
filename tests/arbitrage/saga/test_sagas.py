"""Several sagas at once: their number, their routes, their budget, and what comes after they are over."""

from __future__ import annotations

import msgspec

from arbitrage.saga.events import (
    Acknowledged,
    Halted,
    LegEnded,
    LegFilled,
    LegUnknown,
    NoSaga,
    NoSagaReason,
    Passed,
    Quoted,
    ReduceOnly,
    Restarted,
    SagaAction,
    SagaAlarm,
    SagaEnded,
    SagaState,
    SendLeg,
)
from arbitrage.saga.plan import SagaPlan
from arbitrage.saga.sagas import Sagas, SagasConfig
from domain.order import OrderState
from tests.arbitrage.saga_world import PLENTY, SOLD_FIRST, SPATIAL, SQUARE, TRIANGLE, S, case

QUOTES = {route: route.touches for route in (SPATIAL, TRIANGLE, SOLD_FIRST, SQUARE)}
FILLED = int(OrderState.FILLED)


def sagas(**more: int) -> Sagas:
    """Build sagas with budget enough."""
    return Sagas(SagasConfig(budget_atoms={"USDT": PLENTY, "BTC": PLENTY}, **more))


def begun(all_of: Sagas, plan: SagaPlan) -> list[SendLeg]:
    """Begin a plan that must begin."""
    found = all_of.begin(plan, tuple((leg.touch_ticks, leg.cap_ticks) for leg in plan.legs), S)
    assert not isinstance(found, NoSaga)
    sent = [one for one in found if isinstance(one, SendLeg)]
    assert len(sent) == len(found) == len(plan.legs)
    return sent


def refused(all_of: Sagas, plan: SagaPlan) -> tuple[NoSagaReason, int, int]:
    """Begin a plan that must not begin."""
    found = all_of.begin(plan, ((1, 2),) * len(plan.legs), S)
    assert isinstance(found, NoSaga)
    return NoSagaReason(found.reason), found.figure, found.limit


def fill_all(all_of: Sagas, plan: SagaPlan, sent: list[SendLeg]) -> list[SagaAction]:
    """Fill every order of a saga at its price, without fees."""
    out: list[SagaAction] = []
    for send in sent:
        fill = LegFilled(
            send.saga,
            send.leg,
            send.order,
            1,
            send.size_lots,
            send.price_ticks,
            0,
            plan.legs[send.leg].base,
            S,
        )
        out += all_of.step(fill)
        out += all_of.step(LegEnded(send.saga, send.leg, send.order, FILLED, send.size_lots, S))
    return out


def test_each_is_told_what_is_its_own() -> None:
    all_of = sagas()
    first, second = case(SPATIAL, fee_ppm=0).plan(), case(TRIANGLE, fee_ppm=0).plan()
    one, two = begun(all_of, first), begun(all_of, second)
    assert [send.saga for send in (*one, *two)] == [1, 1, 2, 2, 2]
    ended = [end for end in fill_all(all_of, first, one) if isinstance(end, SagaEnded)]
    assert [(end.saga, end.state) for end in ended] == [(1, SagaState.FLAT)]
    assert list(all_of.living) == [2]
    assert all_of.markets() == {0, 1, 2}
    fill_all(all_of, second, two)
    assert not all_of.living


def test_a_route_has_one_saga_wherever_it_is_entered() -> None:
    all_of = sagas()
    plan = case(TRIANGLE).plan()
    begun(all_of, plan)
    turned = plan.ticket.legs[1:] + plan.ticket.legs[:1]
    again = msgspec.structs.replace(plan, ticket=msgspec.structs.replace(plan.ticket, legs=turned))
    assert refused(all_of, again) == (NoSagaReason.ROUTE_BUSY, 1, 0)


def test_their_number_is_bounded() -> None:
    all_of = sagas(sagas_max=1)
    begun(all_of, case(SPATIAL).plan())
    assert refused(all_of, case(TRIANGLE).plan()) == (NoSagaReason.TOO_MANY, 1, 1)


def test_what_they_can_lose_together_is_bounded_by_asset() -> None:
    first, second = case(SPATIAL).plan(), case(TRIANGLE).plan()
    together = first.worst_atoms + second.worst_atoms
    all_of = Sagas(SagasConfig(budget_atoms={"USDT": together - 1}))
    begun(all_of, first)
    assert all_of.reserved_atoms("USDT") == first.worst_atoms
    assert refused(all_of, second) == (NoSagaReason.BUDGET_SUM, together, together - 1)
    other = case(SOLD_FIRST).plan()
    assert refused(all_of, other) == (NoSagaReason.BUDGET_SUM, other.worst_atoms, 0)


def test_a_plan_beyond_its_own_budget_never_begins() -> None:
    plan = case(SPATIAL).plan()
    poor = msgspec.structs.replace(plan, budget_atoms=plan.worst_atoms - 1)
    assert refused(sagas(), poor) == (NoSagaReason.BUDGET, plan.worst_atoms, plan.worst_atoms - 1)


def test_nothing_begins_under_a_halt_or_without_the_lease() -> None:
    all_of, plan = sagas(), case(SPATIAL).plan()
    all_of.step(Halted(True, S))
    assert refused(all_of, plan)[0] == NoSagaReason.HALTED
    all_of.step(Halted(False, S))
    all_of.step(ReduceOnly(True, S))
    assert refused(all_of, plan)[0] == NoSagaReason.REDUCE_ONLY
    all_of.step(ReduceOnly(False, S))
    begun(all_of, plan)


def test_what_is_stuck_keeps_its_place_and_its_budget_until_it_is_not() -> None:
    all_of, plan = sagas(sagas_max=1), case(SPATIAL).plan()
    sent = begun(all_of, plan)
    for send in sent:
        all_of.step(LegUnknown(1, send.leg, send.order, S))
    all_of.step(Passed(20 * S))
    assert all_of.living[1].facts.state == SagaState.STUCK
    assert refused(all_of, case(TRIANGLE).plan())[0] == NoSagaReason.TOO_MANY
    assert all_of.reserved_atoms("USDT") == plan.worst_atoms
    for send in sent:
        all_of.step(LegEnded(1, send.leg, send.order, int(OrderState.REJECTED), 0, 20 * S))
    assert all_of.reserved_atoms("USDT") == 0
    begun(all_of, case(TRIANGLE).plan())


def test_a_late_fill_brings_a_saga_back_from_among_those_that_are_over() -> None:
    all_of, plan = sagas(), case(SPATIAL, fee_ppm=0).plan()
    sent = begun(all_of, plan)
    for send in sent:
        all_of.step(LegEnded(1, send.leg, send.order, int(OrderState.REJECTED), 0, S))
    assert not all_of.living
    all_of.step(Halted(True, 2 * S))
    late = LegFilled(1, 0, sent[0].order, 9, 5_000, sent[0].price_ticks, 0, "BTC", 2 * S)
    first = next(one for one in sent if one.leg == 0)
    late = msgspec.structs.replace(late, order=first.order, price_ticks=first.price_ticks)
    out = all_of.step(late)
    assert [one.kind for one in out if isinstance(one, SagaAlarm)] == ["late-fill"]
    assert list(all_of.living) == [1], "the halt holds it"
    assert not any(isinstance(one, SendLeg) for one in out)
    all_of.step(Halted(False, 2 * S))
    (again,) = all_of.step(Quoted(0, 2_999_900, 3_000_000, 2 * S))
    assert isinstance(again, SendLeg)
    assert (again.side, again.size_lots) == (-1, 5_000)


def test_those_that_are_over_are_forgotten_in_their_order() -> None:
    all_of = sagas(over_kept_max=1)
    for route in (SPATIAL, TRIANGLE):
        plan = case(route, fee_ppm=0).plan()
        sent = begun(all_of, plan)
        fill_all(all_of, plan, sent)
    (alarm,) = all_of.step(LegEnded(1, 0, 0, FILLED, 10**6, S))
    assert isinstance(alarm, SagaAlarm) and alarm.kind == "saga-forgotten"
    assert all_of.step(LegEnded(2, sent[2].leg, 2, FILLED, sent[2].size_lots, S)) == []


def test_their_state_is_all_there_is() -> None:
    all_of = sagas()
    plan = case(SPATIAL, fee_ppm=0).plan()
    fill_all(all_of, plan, begun(all_of, plan))
    sent = begun(all_of, case(TRIANGLE).plan())
    all_of.step(ReduceOnly(True, 3 * S))
    twin = sagas()
    twin.restore(all_of.state())
    assert twin.state() == all_of.state()
    for event in (
        Restarted(4 * S),
        LegEnded(2, sent[0].leg, sent[0].order, FILLED, sent[0].size_lots, 4 * S),
        Passed(30 * S),
        Acknowledged(2, 31 * S),
        Quoted(0, 5, 6, 31 * S),
    ):
        assert twin.step(event) == all_of.step(event)
        assert twin.state() == all_of.state()
    assert refused(twin, plan)[0] == NoSagaReason.REDUCE_ONLY
