"""From a ticket to a plan: which legs together, which first, how far each may go, what they can lose."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from arbitrage.fee import NO_FEES_CHANGED, FeeRule, Fees, fee_rule
from arbitrage.saga.events import NoSaga, NoSagaReason
from arbitrage.saga.plan import LegPlan, SagaConfig, SagaPlan
from arbitrage.saga.worst_case import worst_atoms
from arbitrage.ticket import Leg, Ticket
from domain.instrument import Instrument
from domain.units import PPM, fee_atoms

_MS = 1_000_000
Waves = tuple[tuple[int, ...], ...]


class LegView(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known about a leg when it is planned.

    The touch; the lots that stand within the leg's price; the round trip of an order to the venue from
    here; how often such orders fill; and the atoms of what the leg pays that are free at its venue.
    """

    bid_ticks: int
    ask_ticks: int
    depth_lots: int
    latency_ns: int
    fill_ppm: int
    free_atoms: int


class Planner:
    """Plan tickets over one node's markets."""

    __slots__ = ("_fees", "_instruments", "_rules", "config")

    def __init__(
        self,
        instruments: Sequence[Instrument],
        config: SagaConfig | None = None,
        fees: Fees = NO_FEES_CHANGED,
    ) -> None:
        self.config = config if config is not None else SagaConfig()
        self._rules = self.config.rules()
        self._instruments = instruments
        self._fees = [fee_rule(one, market, fees) for market, one in enumerate(instruments)]

    def set_fee(self, market: int, rule: FeeRule) -> None:
        """Plan with another fee from now on."""
        self._fees[market] = rule

    def planned(self, ticket: Ticket, views: Sequence[LegView], budget_atoms: int) -> SagaPlan | NoSaga:
        """Plan a ticket, or say why it must not begin."""
        broken = self._broken(ticket, views)
        if broken is not None:
            return broken
        legs = [self._leg(leg, view) for leg, view in zip(ticket.legs, views, strict=True)]
        waves = _waves(legs, views)
        if isinstance(waves, NoSaga):
            return waves
        order = [place for wave in waves for place in wave]
        if len(waves) > 1:
            legs = [
                msgspec.structs.replace(leg, fed=_is_fed(legs, place, order))
                for place, leg in enumerate(legs)
            ]
        worst = worst_atoms(ticket, legs, self.config.fills_max, self.config.fee_step_atoms)
        if worst + ticket.swap_atoms > budget_atoms:
            return NoSaga(NoSagaReason.BUDGET, worst + ticket.swap_atoms, budget_atoms)
        return SagaPlan(ticket, tuple(legs), waves, self._rules, budget_atoms, worst)

    def _broken(self, ticket: Ticket, views: Sequence[LegView]) -> NoSaga | None:
        """Refuse a ticket that is no cycle, or a leg that could not be taken back."""
        asset = ticket.asset
        for place, (leg, view) in enumerate(zip(ticket.legs, views, strict=True)):
            one = self._instruments[leg.instrument]
            pays, gets = (one.quote, one.base) if leg.side > 0 else (one.base, one.quote)
            if pays != asset or min(leg.size_lots, leg.price_ticks, leg.pay_atoms, leg.get_atoms) <= 0:
                return NoSaga(NoSagaReason.BAD_TICKET, place, 0)
            if min(view.bid_ticks, view.ask_ticks) <= 0:
                return NoSaga(NoSagaReason.NO_QUOTE, place, 0)
            asset = gets
        if asset != ticket.asset or len(ticket.legs) < 2:
            return NoSaga(NoSagaReason.BAD_TICKET, len(ticket.legs), 0)
        return None

    def _leg(self, leg: Leg, view: LegView) -> LegPlan:
        config, fee = self.config, self._fees[leg.instrument]
        one = self._instruments[leg.instrument]
        cap = leg.price_ticks
        if leg.side > 0:
            touch = view.bid_ticks
            hedge = cap + cap * config.hedge_ppm // PPM
            unwind = max(1, touch - touch * config.unwind_ppm // PPM)
        else:
            touch = view.ask_ticks
            hedge = max(1, cap - cap * config.hedge_ppm // PPM)
            unwind = touch + touch * config.unwind_ppm // PPM
        return LegPlan(
            leg.instrument,
            one.venue,
            one.base,
            one.quote,
            int(leg.side),
            leg.size_lots,
            cap,
            hedge,
            unwind,
            touch,
            one.lot_atoms,
            one.tick_lot_atoms,
            one.size_lots_min,
            one.size_lots_max,
            one.notional_atoms_min,
            fee.taker_ppm,
            fee.in_quote,
            view.latency_ns,
            config.answer_ms * _MS + 2 * view.latency_ns,
            False,
        )


def pays_atoms(leg: LegPlan) -> int:
    """Give what a leg pays at most for its whole size."""
    if leg.side < 0:
        return leg.size_lots * leg.lot_atoms
    notional = leg.cap_ticks * leg.size_lots * leg.tick_lot_atoms
    return notional + (fee_atoms(notional, leg.fee_ppm) if leg.fee_in_quote else 0)


def hardness(leg: LegPlan, view: LegView, latency_ns_max: int) -> int:
    """Score how hard a leg is: ppm of the depth it takes, plus how seldom it fills, plus how far it is."""
    depth = min(PPM, leg.size_lots * PPM // max(1, view.depth_lots))
    far = view.latency_ns * PPM // max(1, latency_ns_max)
    return depth + (PPM - view.fill_ppm) + far


def _waves(legs: Sequence[LegPlan], views: Sequence[LegView]) -> Waves | NoSaga:
    """Send all at once where every venue holds what its leg pays, else the hardest that can be paid first.

    At once means farthest first in the list, without waiting: who sees our near leg and reacts cannot reach
    the far venue before the order that is already on its way there.
    """
    free: dict[tuple[str, str], int] = {}
    funded = []
    for leg, view in zip(legs, views, strict=True):
        key, needed = (leg.venue, leg.pay_asset), pays_atoms(leg)
        left = free.get(key, view.free_atoms) - needed
        funded.append(left >= 0)
        if left >= 0:
            free[key] = left
    places = range(len(legs))
    if all(funded):
        return (tuple(sorted(places, key=lambda place: -views[place].latency_ns)),)
    farthest = max(view.latency_ns for view in views)
    scores = [hardness(leg, view, farthest) for leg, view in zip(legs, views, strict=True)]
    done: list[int] = []
    while len(done) < len(legs):
        payable = [
            place
            for place in places
            if place not in done and (funded[place] or _is_fed(legs, place, [*done, place]))
        ]
        if not payable:
            poor = next(place for place in places if place not in done)
            return NoSaga(NoSagaReason.UNFUNDED, pays_atoms(legs[poor]), views[poor].free_atoms)
        done.append(min(payable, key=lambda place: (-scores[place], place)))
    return tuple((place,) for place in done)


def _is_fed(legs: Sequence[LegPlan], place: int, order: Sequence[int]) -> bool:
    """Tell whether a leg is paid by what the leg before it brought to the same venue earlier in the order."""
    before = (place - 1) % len(legs)
    return legs[before].venue == legs[place].venue and before in order[: order.index(place)]
