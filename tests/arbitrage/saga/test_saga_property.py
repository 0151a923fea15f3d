"""Whatever venue, market and operator do: flat, unwound, or stuck and alarmed, within the budget."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbitrage.saga.events import (
    Acknowledged,
    Halted,
    LegFilled,
    LegKnown,
    Quoted,
    ReduceOnly,
    Restarted,
    SagaState,
    SendLeg,
    StuckReason,
)
from arbitrage.saga.plan import SagaPlan
from arbitrage.saga.worst_case import SCALE, leg_costs, values
from domain.order import OrderState
from tests.arbitrage.saga_world import BUY, MS, ROUTES, Case, S, World, case, sequential

OVER = (SagaState.FLAT, SagaState.UNWOUND)
ENDS = (*OVER, SagaState.STUCK)


class Script:
    """Choices from bytes; when they are used up every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def draw(self, count: int) -> int:
        """Choose one of so many."""
        self.at += 1
        return self.data[self.at - 1] % count if self.at <= len(self.data) else 0

    @property
    def more(self) -> bool:
        """Tell whether choices are left."""
        return self.at < len(self.data)


class Chaos:
    """A venue and a market that follow a script; the truth about every order is kept apart."""

    def __init__(self, world: World, script: Script, surprises: bool) -> None:
        self.world, self.script, self.surprises = world, script, surprises
        self.hidden: dict[int, list[LegFilled]] = {}
        self.true_lots: dict[int, int] = {}
        self.checked = -1
        self.generous = script.draw(2) == 1
        self.extra = 0  # scaled: what the venue took beyond what an order or a fee rule allows
        worth, money = [Fraction(1)], world.plan.ticket
        for leg in money.legs[:-1]:
            worth.append(worth[-1] * leg.pay_atoms / leg.get_atoms)
        self.worth = worth

    def loss(self) -> Fraction:
        """Give the loss of all told fills, what is left between the legs counted at cost."""
        left, names = self.world.by_asset(), [leg.pay_asset for leg in self.world.plan.legs]
        return -sum(
            (Fraction(left.get(name, 0)) * value for name, value in zip(names, self.worth, strict=True)),
            Fraction(0),
        )

    def within_budget(self) -> None:
        """The law: nothing that was sent can lose more than was budgeted before the first leg."""
        if self.checked == len(self.world.told):
            return
        self.checked = len(self.world.told)
        assert self.loss() <= self.world.plan.worst_atoms + Fraction(self.extra, SCALE) + 2

    def play(self) -> None:
        """Play the script to its end."""
        steps = (
            *(self.time, self.fill_whole, self.fill_whole, self.fill_part, self.end, self.end),
            *(self.fill_whole, self.fill_part, self.end, self.lose, self.lose, self.reject),
            *(self.repeat, self.move, self.move, self.time, self.wait, self.end_before_fills),
            *(self.halt, self.lease, self.crash, self.acknowledge, self.stands),
            self.surprise if self.surprises else self.move,
        )
        while self.script.more:
            steps[self.script.draw(len(steps))]()
            self.within_budget()

    # What the script can do.

    def pick(self) -> int | None:
        """Choose an order that is not over."""
        found = list(self.world.open_orders())
        return found[self.script.draw(len(found))] if found else None

    def trade(self, order: int, lots: int) -> LegFilled:
        """Trade at the limit or better."""
        send = self.world.sent[order]
        better = (0, 1, 7, 40)[self.script.draw(4)]
        price = max(1, send.price_ticks - send.side * send.price_ticks * better // 10_000)
        self.true_lots[order] = self.true_lots.get(order, 0) + lots
        return self.world.fill(order, lots, price)

    def rest(self, order: int) -> int:
        """Give what an order may still trade in truth."""
        return self.world.sent[order].size_lots - self.true_lots.get(order, 0)

    def time(self) -> None:
        self.world.passed((1, 20, 60, 300)[self.script.draw(4)] * MS)

    def wait(self) -> None:
        self.world.passed((1, 4, 12, 40)[self.script.draw(4)] * S)

    def fill_whole(self) -> None:
        if (order := self.pick()) is not None:
            if self.rest(order) > 0 and order not in self.hidden:
                self.world.tell(self.trade(order, self.rest(order)))
            self.reconcile(order)

    def fill_part(self) -> None:
        if (order := self.pick()) is not None and self.rest(order) > 1:
            lots = max(1, self.rest(order) * (1 + self.script.draw(9)) // 10)
            self.world.tell(self.trade(order, lots))

    def end(self) -> None:
        if (order := self.pick()) is not None:
            self.reconcile(order)

    def lose(self) -> None:
        """Lose the answer: what traded in truth is told when the venue is asked, or never before the end."""
        if (order := self.pick()) is not None:
            part = self.script.draw(5)
            if order not in self.hidden and self.rest(order) > 0:
                lots = self.rest(order) * part // 4
                self.hidden[order] = [self.trade(order, lots)] if lots > 0 else []
            self.world.unknown(order)

    def reject(self) -> None:
        if (order := self.pick()) is not None and self.true_lots.get(order, 0) == 0:
            self.world.tell(self.world.end(order, 0, OrderState.REJECTED))

    def repeat(self) -> None:
        """Tell again what was told; nothing may change."""
        told = list(self.world.told.values())
        if told:
            before = self.world.saga.facts.ledgers
            self.world.step(told[self.script.draw(len(told))])
            assert [x.lots for x in self.world.saga.facts.ledgers] == [x.lots for x in before]

    def move(self) -> None:
        """Move a market: gone, far, near or against."""
        place = self.script.draw(len(self.world.plan.legs))
        leg, kind = self.world.plan.legs[place], self.script.draw(16)
        if kind == 15:
            self.world.quote(place, 0, 0)
            return
        per_10k = (0, 0, 0, -3, 3, -10, 10, 30, -30, 45, -45, 100, -100, 700, -700)[kind]
        middle = leg.touch_ticks + leg.touch_ticks * per_10k // 10_000
        wide = max(1, middle // 10_000)
        self.world.quote(place, max(1, middle - wide), middle + wide)

    def halt(self) -> None:
        world = self.world
        world.halted = not world.halted
        actions = world.step(Halted(world.halted, world.now_ns))
        assert not world.halted or not any(isinstance(one, SendLeg) for one in actions)

    def lease(self) -> None:
        self.world.reduced = not self.world.reduced
        self.world.step(ReduceOnly(self.world.reduced, self.world.now_ns))

    def crash(self) -> None:
        """Lose whatever was on its way: the node begins again, and asks the venue later."""
        world = self.world
        world.now_ns += S
        for order in world.open_orders():
            self.hidden.setdefault(order, [])
            world.unresolved[order] = world.now_ns
        world.step(Restarted(world.now_ns))
        if self.script.draw(4) < 3:
            for place, (bid, ask) in enumerate(world.quotes):
                world.quote(place, bid, ask)

    def end_before_fills(self) -> None:
        """Tell the venue's total first: it owes the fill."""
        if (order := self.pick()) is not None and order not in self.hidden and self.rest(order) > 0:
            late = self.trade(order, max(1, self.rest(order) // (1 + self.script.draw(3))))
            self.world.tell(self.world.end(order, self.true_lots[order]))
            self.hidden[order] = [late]

    def acknowledge(self) -> None:
        if self.world.state == SagaState.STUCK:
            self.world.acks += 1
        self.world.step(Acknowledged(1, self.world.now_ns))

    def stands(self) -> None:
        if (order := self.pick()) is not None:
            self.world.unresolved.pop(order, None)
            self.world.step(LegKnown(1, self.world.sent[order].leg, order, self.world.now_ns))

    def surprise(self) -> None:
        """Trade an order that was over, or charge more than the rule."""
        ended = sorted(self.world.ended - set(self.hidden))
        if ended:
            order = ended[self.script.draw(len(ended))]
            if self.rest(order) > 0:
                late = self.trade(order, max(1, self.rest(order) // (1 + self.script.draw(4))))
                place = self.world.sent[order].leg
                between = values(self.world.plan.ticket)[place : place + 2]
                leg = self.world.plan.legs[place]
                self.extra += (
                    sum(max(0, one) for one in leg_costs(leg, between, leg.fee_ppm)) * late.size_lots
                )
                self.world.tell(late)

    # The end.

    def reconcile(self, order: int) -> None:
        """Tell the truth about an order: its trades, then its end."""
        for late in self.hidden.pop(order, []):
            self.world.tell(late)
        if order in self.world.ended:
            return
        state = OrderState.FILLED if self.rest(order) == 0 else OrderState.EXPIRED
        self.world.tell(self.world.end(order, self.true_lots.get(order, 0), state))

    def reconcile_all(self) -> None:
        for order in [*self.world.open_orders(), *list(self.hidden)]:
            self.reconcile(order)

    def settle(self, patience: int = 400) -> None:
        """Let halts end, answers come and time pass until the saga has ended."""
        world = self.world
        if world.halted:
            self.halt()
        for _ in range(patience):
            if world.state in ENDS and not list(world.open_orders()) and not self.hidden:
                return
            for order in list(world.open_orders()) if self.generous else []:
                if order not in self.hidden and self.rest(order) > 0:
                    world.tell(self.trade(order, self.rest(order)))
            self.reconcile_all()
            self.within_budget()
            world.passed(500 * MS)
        raise AssertionError(f"no end: {world.state!r} {world.saga.facts}")

    def calm(self) -> None:
        """Bring every market back to where it was planned, and let orders fill whole."""
        world = self.world
        if world.reduced:
            self.lease()
        for place, leg in enumerate(world.plan.legs):
            wide = max(1, leg.touch_ticks // 20_000)
            world.step(Quoted(leg.instrument, leg.touch_ticks - wide, leg.touch_ticks + wide, world.now_ns))
            world.quotes[place] = (leg.touch_ticks - wide, leg.touch_ticks + wide)
        for _ in range(400):
            if world.state != SagaState.UNWINDING and world.state in ENDS and not list(world.open_orders()):
                return
            for order in list(world.open_orders()):
                if self.rest(order) > 0:
                    send, (bid, ask) = world.sent[order], world.quotes[world.sent[order].leg]
                    touch = ask if send.side == BUY else bid
                    reachable = (touch - send.price_ticks) * send.side <= 0
                    if reachable:
                        self.true_lots[order] = self.true_lots.get(order, 0) + self.rest(order)
                        lots = self.true_lots[order] - world.told_lots(order)
                        world.tell(world.fill(order, lots, touch))
                self.reconcile(order)
                self.within_budget()
            world.passed(100 * MS)
        raise AssertionError(f"no end in calm: {world.state!r} {world.saga.facts}")


CASES: tuple[Case, ...] = (
    *(case(route) for route in ROUTES),
    *(case(route, in_quote=True, hedges_max=0) for route in ROUTES),
    sequential(ROUTES[1]),
    sequential(ROUTES[1], 1, hedge_ppm=0),
    sequential(ROUTES[1], 2, unwind_ppm=20_000),
    case(ROUTES[3], fee_ppm=-50, unwinds_max=2, reopens_max=0),
)


def played(index: int, data: bytes, surprises: bool) -> Chaos:
    """Play a script against one of the cases."""
    chaos = Chaos(World(CASES[index]), Script(data), surprises)
    chaos.play()
    chaos.settle()
    return chaos


def ends_well(index: int, data: bytes, surprises: bool) -> None:
    """Play, and hold the end against the laws; where it is stuck, calm and the operator must mend it."""
    chaos = played(index, data, surprises)
    world = chaos.world
    told = world.ends()[-1]
    assert told.state == world.state
    assert {(venue, asset): atoms for venue, asset, atoms in told.realised if atoms} == world.sums()
    if world.state == SagaState.STUCK:
        assert any(kind.startswith("saga-stuck-") for kind in world.alarms())
        assert world.saga.facts.reason != StuckReason.NONE
        if not surprises:
            assert world.saga.facts.reason != StuckReason.BUDGET, (
                "the budget was too small for what it bounds"
            )
    else:
        assert all(one.fate == 3 for one in world.saga.facts.orders)
    for _ in range(4):
        if world.state == SagaState.STUCK:
            chaos.acknowledge()
            chaos.calm()
    if not surprises:
        assert world.state in OVER
    chaos.within_budget()


@settings(max_examples=160, deadline=None, suppress_health_check=list(HealthCheck))
@given(index=st.integers(0, len(CASES) - 1), data=st.binary(max_size=120))
def test_it_always_ends_flat_or_unwound_or_alarmed_within_its_budget(index: int, data: bytes) -> None:
    ends_well(index, data, False)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(index=st.integers(0, len(CASES) - 1), data=st.binary(max_size=120))
def test_trades_after_an_end_are_taken_back_or_alarmed(index: int, data: bytes) -> None:
    ends_well(index, data, True)


@pytest.mark.soak
@settings(max_examples=8_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(index=st.integers(0, len(CASES) - 1), data=st.binary(max_size=400), surprises=st.booleans())
def test_it_ends_well_for_long_scripts(index: int, data: bytes, surprises: bool) -> None:
    ends_well(index, data, surprises)


def test_the_plan_states_its_worst_case() -> None:
    for one in CASES:
        plan = one.plan()
        assert isinstance(plan, SagaPlan)
        assert 0 < plan.worst_atoms < plan.ticket.in_atoms // 10
