"""Whether a cycle is sent: every question in turn, the cheapest first, and the first refusal stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agents.arbitrage.lane import Lanes
from agents.arbitrage.opportunity import Deal, Outcome, Refused
from agents.arbitrage.readiness import unready
from agents.arbitrage.valuation import Valuation
from arbitrage.filter.rejection import RejectReason
from arbitrage.saga.events import NoSaga, NoSagaReason
from arbitrage.saga.placement import region as nearest
from arbitrage.saga.plan import SagaPlan
from arbitrage.saga.planner import LegView, Planner

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
        self._region, self._desk, self._sight = region, desk, sight
        self._valuation, self._latencies, self._planner = valuation, latencies, planner
        self._budget = config.sagas().budget_atoms
        self._reach_ns = config.reach_ns()
        self.lanes = Lanes(instruments, hands, valuation.sizer, currency, self._where)

    def refused(self, deal: Deal, now_ns: int) -> Refused | None:
        """Give the first reason not to send a cycle; without one the deal has its ticket."""
        lane = deal.lane
        rejection = self._sight.filter.check_cycle(lane.legs, deal.product, now_ns)
        if rejection is not None:
            reason = RejectReason(rejection.reason).name.lower()
            figures = rejection.figure, rejection.limit, rejection.market
            return Refused(Outcome.FILTERED, reason, *figures)
        below = self._valuation.below(deal, self._latencies.mean_ns, now_ns)
        if lane.region != self._region:
            return Refused(Outcome.ELSEWHERE, lane.region)
        return below or self._valuation.size(deal, self._desk.gate.budget_atoms, now_ns)

    def _where(self, venues: tuple[str, ...]) -> str:
        """Name the region that executes: of those that reach every venue of the route, the nearest."""
        regions = dict.fromkeys(region for region, _ in self._reach_ns)
        able = [one for one in regions if all((one, venue) in self._reach_ns for venue in venues)]
        return nearest(venues, self._reach_ns, able) if able else self._region

    def plan(self, deal: Deal, now_ns: int) -> SagaPlan | Refused:
        """Plan a ticket's legs, or say why they must not be sent."""
        lane, ticket = deal.lane, deal.ticket
        assert ticket is not None
        if deal.parts is None:
            # Nothing of it was sized here, so nobody has looked at its markets yet.
            for on in lane.footings:
                on.market.touch()
        found = unready(ticket.legs, lane.footings, self._desk.gate, now_ns)
        if found is not None:
            return Refused(Outcome.UNREADY, *found)
        # Sized by what is free a plan needs no sequence, and no depth but its own.
        mean_ns, fill_ppm = self._latencies.mean_ns, self._valuation.shadows.legs.fill_ppm
        views = [
            LegView(
                traded.bid_ticks,
                traded.ask_ticks,
                leg.size_lots,
                mean_ns[venue],
                fill_ppm(leg.instrument, side),
                wallet.total_atoms - wallet.reserved_atoms,
            )
            for leg, (_, _, _, traded, wallet, side, venue) in zip(ticket.legs, lane.footings, strict=True)
        ]
        planned = self._planner.planned(ticket, views, self._budget.get(ticket.asset, 0))
        if isinstance(planned, NoSaga):
            return unplanned(planned)
        if not self._valuation.capital.commit(ticket, self._sight.worth(ticket.asset), lane.legs):
            bound = self._valuation.capital.bound_atoms()
            return Refused(Outcome.UNFUNDED, "bound", bound, self._valuation.capital.budget_atoms)
        return planned


def unplanned(none: NoSaga) -> Refused:
    """Give a saga's refusal as what became of the cycle."""
    return Refused(Outcome.UNPLANNED, NoSagaReason(none.reason).name.lower(), none.figure, none.limit)
