"""Whether a cycle is sent: every question in turn, the cheapest first, and the first refusal stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agents.arbitrage.opportunity import Deal, Outcome, Refused
from agents.arbitrage.readiness import unready
from agents.arbitrage.valuation import Valuation, free_atoms
from arbitrage.filter.rejection import RejectReason
from arbitrage.saga.events import NoSaga, NoSagaReason
from arbitrage.saga.placement import region as nearest
from arbitrage.saga.plan import SagaPlan
from arbitrage.saga.planner import LegView, Planner
from arbitrage.ticket import Cycle, Leg

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.arbitrage.config import ArbitrageConfig
    from agents.arbitrage.latency import Latencies
    from agents.arbitrage.sight import Sight
    from agents.desk import Desk
    from domain.instrument import Instrument


class Decision:
    """Ask of a cycle all that must hold before its first leg may be sent."""

    def __init__(
        self,
        config: ArbitrageConfig,
        region: str,
        currency: str,
        instruments: tuple[Instrument, ...],
        hands: Mapping[int, Agent],
        desk: Desk,
        sight: Sight,
        valuation: Valuation,
        latencies: Latencies,
        planner: Planner,
    ) -> None:
        self._region, self._currency, self._instruments = region, currency, instruments
        self._hands, self._desk, self._sight = hands, desk, sight
        self._valuation, self._latencies, self._planner = valuation, latencies, planner
        self._budget = config.sagas().budget_atoms
        self._reach_ns = config.reach_ns()
        self._nearest: dict[tuple[str, ...], str] = {}

    def turned(self, cycle: Cycle) -> Cycle:
        """Begin a cycle with the reporting currency where it passes it: its money is counted in that."""
        for place, hop in enumerate(cycle.hops):
            market = self._instruments[hop.market]
            if (market.quote if hop.side > 0 else market.base) == self._currency:
                return Cycle(cycle.hops[place:] + cycle.hops[:place], cycle.product)
        return cycle

    def refused(self, deal: Deal, now_ns: int) -> Refused | None:
        """Give the first reason not to send a cycle; without one the deal has its ticket."""
        rejection = self._sight.filter.check(deal.cycle, now_ns)
        if rejection is not None:
            reason = RejectReason(rejection.reason).name.lower()
            figures = rejection.figure, rejection.limit, rejection.market
            return Refused(Outcome.FILTERED, reason, *figures)
        where = self._where(deal)
        below = self._valuation.below(deal, self._latencies.mean_ns, now_ns)
        if where != self._region:
            return Refused(Outcome.ELSEWHERE, where)
        return below or self._valuation.size(deal, self._desk.gate.budget_atoms, now_ns)

    def _where(self, deal: Deal) -> str:
        """Name the region that executes: of those that reach every venue of the route, the nearest."""
        venues = tuple(self._instruments[market].venue for market, _ in deal.legs)
        known = self._nearest.get(venues)
        if known is None:
            regions = dict.fromkeys(region for region, _ in self._reach_ns)
            able = [one for one in regions if all((one, venue) in self._reach_ns for venue in venues)]
            known = nearest(venues, self._reach_ns, able) if able else self._region
            self._nearest[venues] = known
        return known

    def plan(self, deal: Deal, now_ns: int) -> SagaPlan | Refused:
        """Plan a ticket's legs, or say why they must not be sent."""
        ticket = deal.ticket
        assert ticket is not None
        found = unready(ticket.legs, self._hands, self._desk.gate, now_ns)
        if found is not None:
            return Refused(Outcome.UNREADY, *found)
        views = [self._view(leg) for leg in ticket.legs]
        planned = self._planner.planned(ticket, views, self._budget.get(ticket.asset, 0))
        if isinstance(planned, NoSaga):
            return unplanned(planned)
        if not self._valuation.capital.commit(ticket, self._sight.worth(ticket.asset)):
            bound = self._valuation.capital.bound_atoms()
            return Refused(Outcome.UNFUNDED, "bound", bound, self._valuation.capital.budget_atoms)
        return planned

    def _view(self, leg: Leg) -> LegView:
        """Say what a leg meets; sized by what is free it needs no sequence, and no depth but its own."""
        hand = self._hands[leg.instrument]
        risk, venue = hand.market.risk, hand.market.instrument.venue
        return LegView(
            risk.bid_ticks,
            risk.ask_ticks,
            leg.size_lots,
            self._latencies.mean_ns[venue],
            self._valuation.shadows.legs.fill_ppm(leg.instrument, leg.side),
            free_atoms(hand, leg.side),
        )


def unplanned(none: NoSaga) -> Refused:
    """Give a saga's refusal as what became of the cycle."""
    return Refused(Outcome.UNPLANNED, NoSagaReason(none.reason).name.lower(), none.figure, none.limit)
