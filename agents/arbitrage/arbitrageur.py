"""An arbitrage group: sees every touch of its markets, judges the best cycle, and has its legs executed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from agents.arbitrage.decision import Decision, unplanned
from agents.arbitrage.execution import SENDING, Execution
from agents.arbitrage.latency import Latencies
from agents.arbitrage.openings import Openings
from agents.arbitrage.openings import State as Followed
from agents.arbitrage.opportunity import Deal, Outcome, Refused, Ring
from agents.arbitrage.rebalancer import Rebalancer
from agents.arbitrage.sight import Sight
from agents.arbitrage.valuation import Valuation
from agents.order import PENDING_NEW
from agents.orders import Actions
from arbitrage.fee import FeeRule
from arbitrage.legs import canonical
from arbitrage.saga.events import SagaEnded, SagaState
from arbitrage.saga.planner import Planner
from arbitrage.ticket import Cycle, Hop, Ticket
from domain.order_events import Fill, OrderAcked

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.arbitrage.config import ArbitrageConfig
    from agents.config import RegionConfig
    from agents.desk import Desk
    from agents.mandate import Mandate
    from domain.instrument import Instrument
    from market.pipeline import Pipeline

# So many cycles are decided on in one judgement.
DECIDED_MAX = 12
TICKETS_MAX = 256
# Refusals that say nothing against the next best cycle, and those whose cycles are followed all the same.
_NOT_ITS_FAULT = (
    Outcome.ELSEWHERE,
    Outcome.BUSY,
    Outcome.FILTERED,
    Outcome.UNREADY,
    Outcome.UNPLANNED,
)
_FOLLOWED = (Outcome.ELSEWHERE, Outcome.BELOW)


class GroupState(msgspec.Struct, array_like=True):
    """Everything of a group that decides, apart from its hands; `markets` is what its parts number."""

    markets: list[tuple[str, int, int, int]]
    latencies: bytes
    sight: bytes
    valuation: bytes
    execution: bytes
    tickets: dict[int, Ticket]
    resting_ns: dict[int, int]
    halted: bool
    reduce_only: bool
    latched: bool
    moves: bytes = b""
    openings: Followed = []


class Arbitrageur:
    """Hold one group: its hands by market, what it sees, what it makes of it, and what it is doing."""

    def __init__(
        self,
        config: ArbitrageConfig,
        region: RegionConfig,
        desk: Desk,
        pipeline: Pipeline,
        mandate: Mandate,
        hands: Sequence[Agent],
    ) -> None:
        self.config, self.desk, self._mandate = config, desk, mandate
        self.hands = {hand.instrument: hand for hand in hands}
        self.instruments: tuple[Instrument, ...] = tuple(pipeline.instruments.values())
        reach_ns = config.reach_ns()
        far_ns = round(config.threshold.latency_ms * 1e6) // 2
        venues = dict.fromkeys(hand.market.instrument.venue for hand in hands)
        self.latencies = Latencies(
            {venue: 2 * reach_ns.get((region.region, venue), far_ns) for venue in venues}
        )
        fees = _in_quote(region, self.instruments)
        self.sight = Sight(config, self.instruments, self.hands, pipeline, fees)
        self.valuation = Valuation(config, self.instruments, self.hands, pipeline, self.sight, fees)
        self.planner = Planner(self.instruments, config.saga, fees)
        self.decision = Decision(
            config,
            region.region,
            region.reporting_currency,
            self.instruments,
            self.hands,
            desk,
            self.sight,
            self.valuation,
            self.latencies,
            self.planner,
        )
        self.execution = Execution(
            config.sagas(), desk, self.hands, self._on_begin, self._on_fill, self._on_end
        )
        self.rebalancer = Rebalancer(self, region, pipeline, self._begun)
        gone_ns = round(config.filter.gone_ms * 1e6)
        self.ring, self.openings = Ring(gone_ns), Openings(gone_ns)
        # The ticket of every saga, and until when a market's book may still show what a saga took from it.
        self.tickets: dict[int, Ticket] = {}
        self._resting_ns: dict[int, int] = {}
        self._halted = self._reduce_only = self._latched = False
        # The end of a saga that was over before it was noted that it began.
        self._early: SagaEnded | None = None
        self._forgotten = 0

    # What is seen

    def seek(self, markets: Sequence[int], out: Actions) -> None:
        """Look at the markets that an event moved, and act where a cycle gains."""
        now_ns, found = self.desk.now_ns, False
        for index in markets:
            if index in self.hands:
                found = self.sight.look(index, now_ns) or found
                if index in self.execution.markets:
                    self._quote(index, out)
        if found:
            self._judge(out)
        if len(self.valuation.shadows) > 0:
            self._settle()

    def _quote(self, index: int, out: Actions) -> None:
        """Tell the sagas a touch; one that nothing can be sent on is none."""
        touch = self.sight.seen(index) if self.hands[index].lifecycle in SENDING else (0, 0)
        self.execution.quoted(index, *touch, out)

    def _settle(self) -> None:
        now_ns = self.desk.now_ns
        rows = self.valuation.settle(now_ns)
        for row in rows:
            self.ring.shadowed(row.ticket_id, row.shadow_bps, now_ns)
        if rows:
            self.valuation.prepare(self.latencies.mean_ns, now_ns)

    # What is decided

    def _judge(self, out: Actions) -> None:
        """Decide on the best cycle, then greedily on the next best ones: each has what those before it left.

        Cycles that pass a market in use are noted as such beside a best one that does; none of them is begun.
        """
        best = self.sight.graph.best
        if best is None:
            return
        decided: dict[tuple[Hop, ...], Outcome] = {}
        outcome = self._weighed([best], decided, out)
        if outcome is None:
            outcome = self._weighed(self.sight.others(), decided, out)
        while outcome in (None, Outcome.TAKEN) and len(decided) < DECIDED_MAX:
            free = self.sight.others(self._in_use())
            if all(cycle.hops in decided for cycle in free):
                return
            outcome = self._weighed(free, decided, out)

    def _weighed(
        self, cycles: Sequence[Cycle], decided: dict[tuple[Hop, ...], Outcome], out: Actions
    ) -> Outcome | None:
        """Decide on cycles in turn, on each once, until one is taken or speaks against those after it."""
        for cycle in cycles:
            if cycle.hops not in decided and len(decided) < DECIDED_MAX:
                outcome = decided[cycle.hops] = self._decided(cycle, out)
                if outcome not in _NOT_ITS_FAULT:
                    return outcome
        return None

    def _in_use(self) -> set[int]:
        """Name the markets that a saga trades, or has only just."""
        now_ns = self.desk.now_ns
        settling = {market for market, until_ns in self._resting_ns.items() if now_ns < until_ns}
        return settling | self.execution.markets | self.execution.orphans.keys()

    def _decided(self, cycle: Cycle, out: Actions) -> Outcome:
        """Decide on one cycle, and note what became of it."""
        now_ns = self.desk.now_ns
        deal = Deal(self.decision.lanes.of(cycle), cycle.product)
        refused = self._busy(deal, now_ns)
        if refused is not None and refused.reason == "itself":
            return Outcome.BUSY
        refused = refused or self.decision.refused(deal, now_ns) or self._begun(deal, out)
        followed = self.openings.seen(deal.lane.route, now_ns, refused is None)
        found = self.ring.note(now_ns, deal, refused)
        if refused is None:
            assert deal.ticket is not None
            self.ring.follow(found, deal.ticket)
            if self._early is not None:
                self.ring.ended(deal.ticket.ticket_id, self._early, now_ns)
        elif not followed and refused.outcome != Outcome.FILTERED:
            self._followed(deal, refused.outcome, now_ns)
            if deal.ticket is not None:
                self.openings.follow(deal.lane.route)
                self.ring.follow(found, deal.ticket)
        return found.outcome

    def _busy(self, deal: Deal, now_ns: int) -> Refused | None:
        """Leave alone what a saga trades, and what may still look as it did before one."""
        for market, _ in deal.lane.legs:
            if market in self.execution.markets:
                route, living = deal.lane.route, self.execution.sagas.living.values()
                itself = any(canonical(saga.facts.plan.ticket.route) == route for saga in living)
                return Refused(Outcome.BUSY, "itself" if itself else "saga", market=market)
            if market in self.execution.orphans:
                return Refused(Outcome.BUSY, "orphan", market=market)
            if now_ns < (until_ns := self._resting_ns.get(market, 0)):
                return Refused(Outcome.BUSY, "settling", until_ns - now_ns, 0, market)
        return None

    def _begun(self, deal: Deal, out: Actions) -> Refused | None:
        """Plan a deal and begin it, or say why not."""
        plan = self.decision.plan(deal, self.desk.now_ns)
        if isinstance(plan, Refused):
            return plan
        if deal.parts is not None:
            # Every leg was believed when it was sized, so its touch is what `seen` gives.
            touches = tuple([(one.traded.bid_ticks, one.traded.ask_ticks) for one in deal.lane.footings])
        else:
            touches = tuple([self.sight.seen(leg.instrument) for leg in plan.ticket.legs])
        self._early = None
        none = self.execution.begin(plan, touches, out)
        if none is not None:
            self.valuation.capital.release(plan.ticket.ticket_id)
            return unplanned(none)
        return None

    def _followed(self, deal: Deal, outcome: Outcome, now_ns: int) -> None:
        """Follow what was not sent, once for each opportunity: what it would have paid is learnt from.

        What pays less than latency and staleness ask would not be sent whatever is learnt: the noise at the
        touch comes and goes by other laws, so it waits until it pays more.
        """
        if deal.parts is not None and (deal.product - 1) * 10_000 < deal.parts.modelled_bps:
            return
        if deal.ticket is None and outcome in _FOLLOWED:
            deal.ticket = self.valuation.shadow_ticket(deal, now_ns)
        if deal.ticket is not None and deal.parts is not None:
            self.valuation.shadows.follow(deal.ticket, self.latencies.mean_ns, deal.parts.modelled_bps)

    # What becomes of it

    def acked(self, event: OrderAcked) -> None:
        """Measure a venue by an order that it acknowledged, whoever sent it."""
        order = self.desk.working.get(event.client_id)
        if order is not None and order.state == PENDING_NEW:
            venue = self.desk.markets[order.instrument].instrument.venue
            self.latencies.took(venue, event.local_ts_ns - order.sent_ns)

    def follow(self, out: Actions) -> None:
        """Take note of what an event did to our orders and to what we may do."""
        self.execution.follow(out)
        gate = self.desk.gate
        halted, reduce_only = gate.halted or self._mandate.stopping, gate.reduce_only
        if (halted, reduce_only, gate.halted) != (self._halted, self._reduce_only, self._latched):
            resumed = self._latched and not gate.halted
            self._halted, self._reduce_only, self._latched = halted, reduce_only, gate.halted
            self.execution.limited(halted, reduce_only, resumed, out)

    def passed(self, out: Actions) -> None:
        """Let time go on."""
        now_ns = self.desk.now_ns
        self.follow(out)
        self.sight.review(now_ns)
        self.valuation.hold()
        for index in sorted(self.execution.markets):
            self._quote(index, out)
        self.execution.passed(out, release=self._mandate.flatten(now_ns))
        self.execution.flatten_orphans()
        if len(self.valuation.shadows) > 0:
            self._settle()
        if self._forgotten > 0:
            self.desk.alarm("sagas-forgotten", f"{self.config.name}: {self._forgotten}", out)
            self._forgotten = 0
        self.rebalancer.passed(out)
        self.valuation.prepare(self.latencies.mean_ns, now_ns)

    def restarted(self, out: Actions) -> None:
        """Begin a life: what was out is unknown until the venues have said."""
        self.execution.restarted(out)
        self.follow(out)

    def _on_begin(self, saga: int, ticket: Ticket) -> None:
        self.tickets[saga] = ticket
        if len(self.tickets) > TICKETS_MAX:
            del self.tickets[next(iter(self.tickets))]

    def _on_fill(self, fill: Fill) -> None:
        """Hold what a fill was charged against what was reckoned."""
        market = self.instruments[fill.instrument]
        base = fill.size_lots * market.lot_atoms
        notional = market.notional_atoms(fill.price_ticks, fill.size_lots)
        charged = {market.base: base, market.quote: notional}.get(fill.fee_asset, 0)
        filter_ = self.sight.filter
        if charged <= 0 or filter_.charged(fill.instrument, charged, fill.fee_atoms, self.desk.now_ns):
            return
        taker_ppm = filter_.fees.ppm[fill.instrument]
        self.planner.set_fee(fill.instrument, self.valuation.charge(fill.instrument, taker_ppm))
        self.sight.graph.set_fee(fill.instrument, taker_ppm)

    def _on_end(self, how: SagaEnded) -> None:
        ticket, now_ns = self.tickets.get(how.saga), self.desk.now_ns
        if ticket is None:
            return
        if not self.ring.ended(ticket.ticket_id, how, now_ns):
            self._early = how
        rebalancing = self.rebalancer.ended(ticket, how)
        if how.state == SagaState.STUCK:
            return
        for leg in ticket.legs:
            venue = self.instruments[leg.instrument].venue
            self._resting_ns[leg.instrument] = now_ns + self.latencies.mean_ns[venue]
        if self.valuation.capital.release(ticket.ticket_id) and not rebalancing:
            self.valuation.realised(ticket, how, self.latencies.mean_ns, now_ns)
            self.valuation.prepare(self.latencies.mean_ns, now_ns)

    def resting(self, market: int) -> bool:
        """Tell whether a market's book may still show what a saga took from it."""
        return self.desk.now_ns < self._resting_ns.get(market, 0)

    def directs(self, agent: Agent) -> bool:
        """Tell whether a saga decides what this agent does."""
        return agent.instrument in self.execution.markets and self.hands.get(agent.instrument) is agent

    # State

    def state(self) -> bytes:
        """Give everything that a restart needs."""
        return msgspec.msgpack.encode(
            GroupState(
                self._named(),
                self.latencies.state(),
                self.sight.state(),
                self.valuation.state(),
                self.execution.state(),
                self.tickets,
                self._resting_ns,
                self._halted,
                self._reduce_only,
                self._latched,
                self.rebalancer.state(),
                self.openings.state(),
            )
        )

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave; with other markets all begins anew, and sagas are the operator's."""
        kept = msgspec.msgpack.decode(state, type=GroupState)
        self.latencies.restore(kept.latencies)
        if kept.markets != self._named():
            self._forgotten = Execution.living(kept.execution) + self._moves(kept.moves, same=False)
            return
        self.sight.restore(kept.sight)
        self.valuation.restore(kept.valuation)
        self.execution.restore(kept.execution)
        self.tickets, self._resting_ns = kept.tickets, kept.resting_ns
        self._halted, self._reduce_only, self._latched = kept.halted, kept.reduce_only, kept.latched
        self._moves(kept.moves, same=True)
        self.openings.restore(kept.openings)
        for market, rule in self.valuation.fees.items():
            self.planner.set_fee(market, rule)

    def _moves(self, state: bytes, *, same: bool) -> int:
        """Take moves back, where the state is not of before there were any."""
        return self.rebalancer.restore(state, same=same) if state else 0

    def _named(self) -> list[tuple[str, int, int, int]]:
        hands = {index: hand.shard for index, hand in self.hands.items()}
        return [
            (one.key, one.lot_atoms, one.tick_lot_atoms, hands.get(one.index, -1)) for one in self.instruments
        ]


def _in_quote(region: RegionConfig, instruments: Sequence[Instrument]) -> dict[int, FeeRule]:
    """Give the rules of venues that charge in the quote asset whoever takes."""
    venues = {venue.name for venue in region.venues if venue.dialect == "kraken"}
    return {one.index: FeeRule(one.taker_fee_ppm, True) for one in instruments if one.venue in venues}
