"""Markets, tickets and a venue that errs in every way a venue can, for the saga's tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from arbitrage.fee import FeeRule
from arbitrage.saga.events import (
    CancelLeg,
    Halted,
    LegEnded,
    LegFilled,
    LegUnknown,
    NoSaga,
    Passed,
    Purpose,
    Quoted,
    SagaAction,
    SagaAlarm,
    SagaEnded,
    SagaState,
    SendLeg,
)
from arbitrage.saga.plan import LegPlan, SagaConfig, SagaPlan
from arbitrage.saga.planner import LegView, Planner
from arbitrage.saga.saga import Saga
from arbitrage.ticket import Leg, Ticket
from domain.instrument import Instrument
from domain.order import OrderState, Side
from domain.units import fee_atoms

BUY, SELL = int(Side.BUY), int(Side.SELL)
MS = 1_000_000
S = 1_000 * MS
PLENTY = 10**18


def market(index: int, venue: str, base: str, quote: str, **more: str | int) -> Instrument:
    """Build a market with small steps."""
    facts: dict[str, Any] = {"tick": "0.01", "lot": "0.00001", "notional_atoms_min": 5 * 10**10}
    return Instrument.of(index, venue, base, quote, **(facts | more))


class Route(msgspec.Struct, frozen=True):
    """Markets, the side and the touch of each, and what the cycle begins with."""

    markets: tuple[Instrument, ...]
    sides: tuple[int, ...]
    touches: tuple[tuple[int, int], ...]
    asset: str
    in_atoms: int


SPATIAL = Route(
    (market(0, "x", "BTC", "USDT"), market(1, "y", "BTC", "USDT")),
    (BUY, SELL),
    ((2_999_900, 3_000_000), (3_015_000, 3_015_100)),
    "USDT",
    3_000 * 10**10,
)
TRIANGLE = Route(
    (
        market(0, "x", "BTC", "USDT"),
        market(1, "x", "ETH", "BTC", tick="0.00001", lot="0.0001", notional_atoms_min=10**6),
        market(2, "x", "ETH", "USDT", lot="0.0001"),
    ),
    (BUY, BUY, SELL),
    ((2_999_900, 3_000_000), (6_660, 6_666), (201_000, 201_010)),
    "USDT",
    5_000 * 10**10,
)
SOLD_FIRST = Route(
    (
        market(0, "x", "BTC", "EUR"),
        market(1, "y", "USDT", "EUR", tick="0.0001", lot="0.01"),
        market(2, "y", "BTC", "USDT"),
    ),
    (SELL, BUY, BUY),
    ((2_800_000, 2_800_100), (9_197, 9_200), (3_014_000, 3_015_000)),
    "BTC",
    2 * 10**9,
)
SQUARE = Route(
    (
        market(0, "x", "BTC", "USDT"),
        market(1, "y", "ETH", "BTC", tick="0.00001", lot="0.001", notional_atoms_min=10**6),
        market(2, "y", "ETH", "EUR", lot="0.001"),
        market(3, "z", "USDT", "EUR", tick="0.0001", lot="0.01"),
    ),
    (BUY, BUY, SELL, BUY),
    ((2_999_900, 3_000_000), (6_660, 6_666), (184_000, 184_020), (9_090, 9_100)),
    "USDT",
    8_000 * 10**10,
)
ROUTES = (SPATIAL, TRIANGLE, SOLD_FIRST, SQUARE)


def ticket_of(route: Route, rules: Sequence[FeeRule]) -> Ticket:
    """Walk the route at its touches, flooring to lots."""
    legs, have = [], route.in_atoms
    for one, side, (bid, ask), rule in zip(route.markets, route.sides, route.touches, rules, strict=True):
        price = ask if side == BUY else bid
        if side == BUY:
            ppm = rule.taker_ppm if rule.in_quote else 0
            lots = have * 10**6 // (price * one.tick_lot_atoms * (10**6 + ppm))
        else:
            lots = have // one.lot_atoms
        base, quote = lots * one.lot_atoms, one.notional_atoms(price, lots)
        pay, get = (quote, base) if side == BUY else (base, quote)
        if rule.in_quote and side == BUY:
            pay += fee_atoms(quote, rule.taker_ppm)
        else:
            get -= fee_atoms(get, rule.taker_ppm)
        legs.append(Leg(one.index, side, lots, price, pay, get))
        have = get
    return Ticket(7, 0, route.asset, tuple(legs), legs[0].pay_atoms, legs[-1].get_atoms, 0, 0)


class Case(msgspec.Struct, frozen=True):
    """How a route is planned: its fees, bounds, and what is free at every leg's venue."""

    route: Route
    config: SagaConfig
    rules: tuple[FeeRule, ...]
    free: tuple[int, ...] = ()
    latency_ns: tuple[int, ...] = ()

    def planned(self, budget_atoms: int = PLENTY) -> SagaPlan | NoSaga:
        """Plan the route."""
        route, count = self.route, len(self.route.markets)
        free, far = self.free or (PLENTY,) * count, self.latency_ns or (MS,) * count
        views = [
            LegView(bid, ask, 10**9, far[at], 900_000, free[at])
            for at, (bid, ask) in enumerate(route.touches)
        ]
        fees = {one.index: rule for one, rule in zip(route.markets, self.rules, strict=True)}
        planner = Planner(route.markets, self.config, fees)
        return planner.planned(ticket_of(route, self.rules), views, budget_atoms)

    def plan(self) -> SagaPlan:
        """Plan the route, which must be possible."""
        found = self.planned()
        assert isinstance(found, SagaPlan)
        return found


def case(route: Route = SPATIAL, *, fee_ppm: int = 1_000, in_quote: bool = False, **more: Any) -> Case:
    """Build a case; `free` and `latency_ns` are its own, the rest is config."""
    own = {name: more.pop(name) for name in ("free", "latency_ns") if name in more}
    rules = (FeeRule(fee_ppm, in_quote),) * len(route.markets)
    return Case(route, SagaConfig(**more), rules, **own)


def sequential(route: Route, at: int = 0, **more: Any) -> Case:
    """Build a case in which only one leg is funded."""
    free = tuple(PLENTY if place == at else 0 for place in range(len(route.markets)))
    return case(route, free=free, **more)


class World:
    """Drive one saga against markets that the test moves; check every action, restore at every step."""

    def __init__(self, planned: Case | SagaPlan, start_ns: int = S) -> None:
        self.plan = planned if isinstance(planned, SagaPlan) else planned.plan()
        touches = [
            (leg.touch_ticks, leg.cap_ticks) if leg.side == BUY else (leg.cap_ticks, leg.touch_ticks)
            for leg in self.plan.legs
        ]
        self.quotes = list(touches)
        self.now_ns, self.trade_id = start_ns, 0
        self.sent: list[SendLeg] = []
        self.actions: list[SagaAction] = []
        self.told: dict[tuple[int, int], LegFilled] = {}
        self.unresolved: dict[int, int] = {}
        self.ended: set[int] = set()
        self.totals: dict[int, int] = {}
        self.halted = self.reduced = False
        self.acks = 0
        self._summed: tuple[int, dict[tuple[str, str], int]] = (-1, {})
        self.saga = Saga(1, self.plan, tuple(touches))
        self._check(self.saga.begin(start_ns))

    # Reading.

    @property
    def state(self) -> SagaState:
        """Give where the saga is."""
        return SagaState(self.saga.facts.state)

    def last(self) -> SendLeg:
        """Give the latest order."""
        return self.sent[-1]

    def alarms(self) -> list[str]:
        """Give the kinds of all alarms."""
        return [one.kind for one in self.actions if isinstance(one, SagaAlarm)]

    def ends(self) -> list[SagaEnded]:
        """Give every report."""
        return [one for one in self.actions if isinstance(one, SagaEnded)]

    def sums(self) -> dict[tuple[str, str], int]:
        """Sum the told fills, independently of the saga."""
        if self._summed[0] == len(self.told):
            return self._summed[1]
        found: dict[tuple[str, str], int] = {}
        for (order, _), fill in self.told.items():
            send = self.sent[order]
            leg = self.plan.legs[send.leg]
            base, quote = (
                fill.size_lots * leg.lot_atoms,
                fill.price_ticks * fill.size_lots * leg.tick_lot_atoms,
            )
            for asset, atoms in (
                (leg.base, send.side * base),
                (leg.quote, -send.side * quote),
                (fill.fee_asset, -fill.fee_atoms),
            ):
                found[leg.venue, asset] = found.get((leg.venue, asset), 0) + atoms
        self._summed = (len(self.told), {key: atoms for key, atoms in found.items() if atoms != 0})
        return self._summed[1]

    def by_asset(self) -> dict[str, int]:
        """Sum the told fills over venues."""
        found: dict[str, int] = {}
        for (_, asset), atoms in self.sums().items():
            found[asset] = found.get(asset, 0) + atoms
        return found

    # Telling.

    def step(self, event: object) -> list[SagaAction]:
        """Step the saga and, beside it, one restored from its state: both must do the same."""
        before = self.saga.state()
        actions = self.saga.step(event)  # type: ignore[arg-type]
        twin = Saga.restored(before)
        assert twin.step(event) == actions  # type: ignore[arg-type]
        assert twin.state() == self.saga.state()
        self.saga = twin
        self._check(actions, doubts=not isinstance(event, Halted))
        return actions

    def passed(self, ns: int) -> list[SagaAction]:
        """Let time go on."""
        self.now_ns += ns
        return self.step(Passed(self.now_ns))

    def quote(self, place: int, bid: int, ask: int) -> list[SagaAction]:
        """Move a leg's market."""
        self.quotes[place] = (bid, ask)
        return self.step(Quoted(self.plan.legs[place].instrument, bid, ask, self.now_ns))

    def fill(
        self, order: int, lots: int, price: int | None = None, *, fee: tuple[int, str] | None = None
    ) -> LegFilled:
        """Make a trade of an order, at its own price unless said otherwise; it is not told yet."""
        send = self.sent[order]
        leg = self.plan.legs[send.leg]
        self.trade_id += 1
        price = send.price_ticks if price is None else price
        charged, asset = charge(leg, send.side, price, lots) if fee is None else fee
        return LegFilled(1, send.leg, order, self.trade_id, lots, price, charged, asset, self.now_ns)

    def tell(self, event: LegFilled | LegEnded) -> list[SagaAction]:
        """Tell a fill or an end."""
        if isinstance(event, LegFilled):
            self.told.setdefault((event.order, event.trade_id), event)
        else:
            self.ended.add(event.order)
            self.totals[event.order] = event.filled_lots
        if event.order in self.ended:
            if self.told_lots(event.order) >= self.totals[event.order]:
                self.unresolved.pop(event.order, None)
            elif isinstance(event, LegEnded):
                self.unresolved[event.order] = self.now_ns
        return self.step(event)

    def told_lots(self, order: int) -> int:
        """Sum the fills of an order that were told."""
        return sum(one.size_lots for (at, _), one in self.told.items() if at == order)

    def end(self, order: int, filled_lots: int, state: OrderState = OrderState.EXPIRED) -> LegEnded:
        """Make the end of an order; it is not told yet."""
        return LegEnded(1, self.sent[order].leg, order, int(state), filled_lots, self.now_ns)

    def answer(self, order: int, lots: int, price: int | None = None) -> list[SagaAction]:
        """Fill some lots and end the order."""
        out = self.tell(self.fill(order, lots, price)) if lots > 0 else []
        state = OrderState.FILLED if lots == self.sent[order].size_lots else OrderState.EXPIRED
        return [*out, *self.tell(self.end(order, lots, state))]

    def filled(self, order: int) -> list[SagaAction]:
        """Fill an order whole, at its price."""
        return self.answer(order, self.sent[order].size_lots)

    def unknown(self, order: int) -> list[SagaAction]:
        """Lose the answer."""
        self.unresolved.setdefault(order, self.now_ns)
        return self.step(LegUnknown(1, self.sent[order].leg, order, self.now_ns))

    def open_orders(self) -> Iterator[int]:
        """Give the orders whose end was not told."""
        return (order for order in range(len(self.sent)) if order not in self.ended)

    # Checking.

    def _check(self, actions: list[SagaAction], *, doubts: bool = False) -> None:
        for one in actions:
            self.actions.append(one)
            if isinstance(one, SendLeg):
                self._check_order(one)
                self.sent.append(one)
            elif isinstance(one, CancelLeg) and doubts:
                self.unresolved.setdefault(one.order, self.now_ns)
        facts = self.saga.facts
        assert {(venue, asset): atoms for venue, asset, atoms in facts.realised() if atoms} == self.sums()
        between = [leg.get_asset for leg in self.plan.legs[:-1]]
        left = self.by_asset()
        assert facts.residuals()[1:-1] == [left.get(asset, 0) for asset in between]

    def _check_order(self, send: SendLeg) -> None:
        """Hold an order against the plan: its price, its number, and that it may be sent now at all."""
        leg, rules = self.plan.legs[send.leg], self.plan.rules
        on = send.side == leg.side
        assert send.order == len(self.sent)
        assert not self.halted
        assert not any(one.leg == send.leg and one.order not in self.ended for one in self.sent)
        if send.purpose == Purpose.LEG:
            assert on and send.price_ticks == leg.cap_ticks and send.size_lots <= leg.size_lots
        elif send.purpose == Purpose.HEDGE:
            assert on and (send.price_ticks - leg.cap_ticks) * send.side >= 0
            assert (send.price_ticks - leg.hedge_ticks) * send.side <= 0
        else:
            bound = leg.hedge_ticks if on else leg.unwind_ticks
            assert (send.price_ticks - bound) * send.side <= 0
        assert not (self.reduced and send.purpose != Purpose.UNWIND)
        if send.purpose != Purpose.LEG:
            self._check_size(send, leg)
        waited = [self.now_ns - since for since in self.unresolved.values()]
        assert max(waited, default=rules.unknown_ns) >= rules.unknown_ns, (
            "sent while an order's fate is unknown"
        )
        same = [one for one in self.sent if one.leg == send.leg]
        for purpose, most in (
            (Purpose.LEG, 1),
            (Purpose.HEDGE, rules.hedges_max),
            (Purpose.UNWIND, rules.unwinds_max),
        ):
            count = sum(one.purpose == purpose for one in [*same, send])
            assert count <= most * (1 + (0 if purpose == Purpose.LEG else self.acks))

    def _check_size(self, send: SendLeg, leg: LegPlan) -> None:
        """A hedge or unwind pays no more than is over, or gets no more than is missing, between the legs."""
        left, asset = self.by_asset(), self.plan.ticket.asset
        base = 0 if leg.base == asset else left.get(leg.base, 0) * send.side
        quote = 0 if leg.quote == asset else left.get(leg.quote, 0) * -send.side
        base_atoms = send.size_lots * leg.lot_atoms
        quote_atoms = send.price_ticks * send.size_lots * leg.tick_lot_atoms
        # What it gets is less by the fee, so a little more may be bought than is missing.
        fee = 10**6 + 2 * abs(leg.fee_ppm) + 100
        assert base_atoms * 10**6 <= -base * fee or quote_atoms * 10**6 <= -quote * fee, (send, left)


def charge(leg: LegPlan, side: int, price: int, lots: int) -> tuple[int, str]:
    """Charge a trade's fee as the plan's rule says."""
    quote = price * lots * leg.tick_lot_atoms
    if side == SELL or leg.fee_in_quote:
        return fee_atoms(quote, leg.fee_ppm), leg.quote
    return fee_atoms(lots * leg.lot_atoms, leg.fee_ppm), leg.base
