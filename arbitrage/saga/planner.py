"""From a ticket to a plan: which legs together, which first, how far each may go, what they can lose."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from arbitrage.fee import NO_FEES_CHANGED, FeeRule, Fees, fee_rule
from arbitrage.saga.events import NoSaga, NoSagaReason
from arbitrage.saga.plan import LegPlan, SagaConfig, SagaPlan
from arbitrage.saga.worst_case import worst_atoms
from arbitrage.size.sizing import LEGS_MAX
from arbitrage.ticket import Ticket
from domain.instrument import Instrument
from domain.units import PPM, fee_atoms

_MS = 1_000_000
FAR_NS = 1 << 62
_BY_PLACE = tuple(tuple(range(count)) for count in range(LEGS_MAX + 1))
Waves = tuple[tuple[int, ...], ...]
_Known = tuple[str, str, str, int, int, int, int, int, int, bool]


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

    __slots__ = ("_answer_ns", "_known", "_rules", "config")

    def __init__(
        self,
        instruments: Sequence[Instrument],
        config: SagaConfig | None = None,
        fees: Fees = NO_FEES_CHANGED,
    ) -> None:
        self.config = config if config is not None else SagaConfig()
        self._rules = self.config.rules()
        self._answer_ns = self.config.answer_ms * _MS
        self._known = [_known(one, fee_rule(one, market, fees)) for market, one in enumerate(instruments)]

    def set_fee(self, market: int, rule: FeeRule) -> None:
        """Plan with another fee from now on."""
        self._known[market] = (*self._known[market][:-2], rule.taker_ppm, rule.in_quote)

    def planned(self, ticket: Ticket, views: Sequence[LegView], budget_atoms: int) -> SagaPlan | NoSaga:
        """Plan a ticket, or say why it must not begin."""
        legs = self._legs(ticket, views)
        if isinstance(legs, NoSaga):
            return legs
        waves = _waves(legs, views)
        if isinstance(waves, NoSaga):
            return waves
        if len(waves) > 1:
            order = [place for wave in waves for place in wave]
            legs = [
                msgspec.structs.replace(leg, fed=_is_fed(legs, place, order))
                for place, leg in enumerate(legs)
            ]
        worst = worst_atoms(ticket, legs, self.config.fills_max, self.config.fee_step_atoms)
        if worst + ticket.swap_atoms > budget_atoms:
            return NoSaga(NoSagaReason.BUDGET, worst + ticket.swap_atoms, budget_atoms)
        return SagaPlan(ticket, tuple(legs), waves, self._rules, budget_atoms, worst)

    def _legs(self, ticket: Ticket, views: Sequence[LegView]) -> list[LegPlan] | NoSaga:
        """Bound every leg, or refuse a ticket that is no cycle, or a leg that could not be taken back."""
        asset, known, made = ticket.asset, self._known, list[LegPlan]()
        hedge_ppm, unwind_ppm, answer_ns = self.config.hedge_ppm, self.config.unwind_ppm, self._answer_ns
        for leg, view in zip(ticket.legs, views, strict=True):
            bid_ticks, ask_ticks, far_ns = view.bid_ticks, view.ask_ticks, view.latency_ns
            market, side, lots, cap = leg.instrument, int(leg.side), leg.size_lots, leg.price_ticks
            venue, base, quote, lot, tick_lot, size_min, size_max, notional_min, fee_ppm, in_quote = known[
                market
            ]
            pays, gets = (quote, base) if side > 0 else (base, quote)
            if pays != asset or lots <= 0 or cap <= 0 or leg.pay_atoms <= 0 or leg.get_atoms <= 0:
                return NoSaga(NoSagaReason.BAD_TICKET, len(made), 0)
            if bid_ticks <= 0 or ask_ticks <= 0:
                return NoSaga(NoSagaReason.NO_QUOTE, len(made), 0)
            asset = gets
            worse = cap * hedge_ppm // PPM
            if side > 0:
                touch, hedge = bid_ticks, cap + worse
                unwind = touch - touch * unwind_ppm // PPM
            else:
                touch, hedge = ask_ticks, cap - worse
                unwind = touch + touch * unwind_ppm // PPM
            made.append(
                LegPlan(
                    market, venue, base, quote, side, lots, cap, hedge if hedge > 1 else 1,
                    unwind if unwind > 1 else 1, touch, lot, tick_lot, size_min, size_max, notional_min,
                    fee_ppm, in_quote, far_ns, answer_ns + 2 * far_ns, False,
                )
            )  # fmt: skip
        if asset != ticket.asset or len(made) < 2:
            return NoSaga(NoSagaReason.BAD_TICKET, len(made), 0)
        return made


def _known(one: Instrument, rule: FeeRule) -> _Known:
    """Give what the plan of a leg says of its market, in the order of `LegPlan`."""
    return (
        one.venue, one.base, one.quote, one.lot_atoms, one.tick_lot_atoms, one.size_lots_min,
        one.size_lots_max, one.notional_atoms_min, rule.taker_ppm, rule.in_quote,
    )  # fmt: skip


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
    funded, near_ns, in_order = [], FAR_NS, True
    for leg, view in zip(legs, views, strict=True):
        # What the leg pays, and of what: `pays_atoms` and `pay_asset`, spelt out for speed.
        if leg.side < 0:
            key, needed = (leg.venue, leg.base), leg.size_lots * leg.lot_atoms
        else:
            key, needed = (leg.venue, leg.quote), leg.cap_ticks * leg.size_lots * leg.tick_lot_atoms
            needed += fee_atoms(needed, leg.fee_ppm) if leg.fee_in_quote else 0
        left = free.get(key, view.free_atoms) - needed
        funded.append(left >= 0)
        if left >= 0:
            free[key] = left
        far_ns = view.latency_ns
        in_order, near_ns = in_order and far_ns <= near_ns, far_ns
    if False not in funded:
        return (_BY_PLACE[len(legs)],) if in_order else (_farthest_first(views),)
    places = range(len(legs))
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


def _farthest_first(views: Sequence[LegView]) -> tuple[int, ...]:
    return tuple(sorted(range(len(views)), key=lambda place: -views[place].latency_ns))


def _is_fed(legs: Sequence[LegPlan], place: int, order: Sequence[int]) -> bool:
    """Tell whether a leg is paid by what the leg before it brought to the same venue earlier in the order."""
    before = (place - 1) % len(legs)
    return legs[before].venue == legs[place].venue and before in order[: order.index(place)]
