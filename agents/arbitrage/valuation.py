"""What a cycle is worth sending at: its threshold, its size, the slow integer check, and its capital."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from agents.arbitrage.depths import side_of
from agents.arbitrage.opportunity import Deal, Outcome, Refused
from arbitrage.fee import FeeRule, fee_rule
from arbitrage.legs import canonical
from arbitrage.saga.events import SagaEnded, SagaState
from arbitrage.size.reprice import reprice
from arbitrage.size.sizing import Depth, NoTicket, Sizer
from arbitrage.stock.inventory import Inventory
from arbitrage.ticket import Cycle, Leg, Ticket
from arbitrage.worth.capital import Capital
from arbitrage.worth.shadow import ShadowRow, Shadows
from arbitrage.worth.shadow_fill import MISSED, ShadowFill, shadow_fill
from arbitrage.worth.threshold import Threshold
from domain.units import PPM

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.arbitrage.config import ArbitrageConfig
    from agents.arbitrage.sight import Sight
    from domain.instrument import Instrument
    from market.pipeline import Pipeline

# What a hand's order limit leaves for a leg that is driven on at a worse price.
ROOM_PPM = 950_000
Funds = dict[tuple[str, str], int]


class Valuation:
    """Size cycles under a group's limits, and learn from what became of them."""

    def __init__(
        self,
        config: ArbitrageConfig,
        instruments: Sequence[Instrument],
        hands: Mapping[int, Agent],
        pipeline: Pipeline,
        sight: Sight,
        fees: dict[int, FeeRule],
    ) -> None:
        self._config, self._instruments, self._hands = config, tuple(instruments), hands
        self._pipeline, self._sight, self.fees = pipeline, sight, fees
        self.inventory = Inventory(config.inventory, instruments)
        self.threshold = Threshold(config.threshold, instruments, sight.filter.quotes, self.inventory)
        self.shadows = Shadows(config.shadow, instruments)
        self.capital = Capital(config.shares, instruments, self.shadows.outcomes)
        self._sizer = Sizer(instruments, fees, config.graph.swap_ppm, config.graph.swaps)
        self.tickets = 0

    def below(self, deal: Deal, latency_ns: Mapping[str, int], now_ns: int) -> Refused | None:
        """Hold a cycle's gain at the touch against what is asked of its route now."""
        deal.parts = parts = self.threshold.bps(deal.legs, now_ns, latency_ns)
        gain_bps = (deal.cycle.product - 1) * 10_000
        return (
            Refused(Outcome.BELOW, "threshold", gain_bps, parts.total_bps)
            if gain_bps < parts.total_bps
            else None
        )

    def size(self, deal: Deal, budget_atoms: int, now_ns: int) -> Refused | None:
        """Make the ticket that a cycle deserves, and check it the slow way."""
        assert deal.parts is not None
        cycle, asked_bps = deal.cycle, max(0.0, deal.parts.total_bps)
        deal.depths = self._depths(cycle)
        funds = self._funds(cycle)
        found = self._sized(deal, funds, asked_bps, now_ns)
        if isinstance(found, NoTicket):
            return _thin(cycle, found)
        self.capital.budget_atoms = min(self._config.capital_atoms, budget_atoms)
        fit = self.capital.fit(
            found, self._sight.worth(found.asset), self._borne_atoms(deal, found, asked_bps, now_ns)
        )
        if fit.in_atoms_max < found.in_atoms:
            deal.ticket, whole = found, found.in_atoms
            place = self._pays(cycle, 0)
            funds[place] = min(funds[place], fit.in_atoms_max)
            found = self._sized(deal, funds, asked_bps, now_ns)
            if isinstance(found, NoTicket):
                return Refused(Outcome.UNFUNDED, fit.limit.name.lower(), whole, fit.in_atoms_max)
        deal.ticket = found
        graph, depths = self._config.graph, deal.depths
        again = reprice(found, self._instruments, depths.__getitem__, self.fees, graph.swap_ppm, graph.swaps)
        if again == found:
            return None
        return Refused(
            Outcome.MISPRICED, "reprice", found.profit_atoms, again.profit_atoms if again is not None else 0
        )

    def _borne_atoms(self, deal: Deal, found: Ticket, asked_bps: float, now_ns: int) -> int:
        """Give what the books alone bear: a share of it must not be a share of what other bounds left."""
        if self._config.shares.depth_frac_max >= 1:
            return found.in_atoms
        whole = self._sized(deal, None, asked_bps, now_ns)
        return found.in_atoms if isinstance(whole, NoTicket) else whole.in_atoms

    def shadow_ticket(self, deal: Deal, now_ns: int) -> Ticket | None:
        """Size a cycle that is not sent as if money were no object, to follow what it would have paid."""
        if not deal.depths:
            deal.depths = self._depths(deal.cycle)
        found = self._sized(deal, self._funds(deal.cycle), 0.0, now_ns)
        return None if isinstance(found, NoTicket) else found

    def _sized(self, deal: Deal, funds: Funds | None, asked_bps: float, now_ns: int) -> Ticket | NoTicket:
        self.tickets += 1
        return self._sizer.sized(
            deal.cycle,
            deal.depths.__getitem__,
            budget=funds,
            threshold_bps=asked_bps,
            ticket_id=self.tickets,
            now_ns=now_ns,
        )

    def _depths(self, cycle: Cycle) -> dict[int, Depth]:
        """Give the side that every hop takes; nobody asks for the other."""
        found = {}
        for hop in cycle.hops:
            levels = side_of(self._pipeline, hop.market, hop.side)
            found[hop.market] = Depth(levels, levels)
        return found

    def _pays(self, cycle: Cycle, place: int) -> tuple[str, str]:
        hop = cycle.hops[place]
        market = self._instruments[hop.market]
        return market.venue, market.quote if hop.side > 0 else market.base

    def _funds(self, cycle: Cycle) -> Funds:
        """Bound what every leg pays by what is free at its venue, and by what one order may be worth."""
        funds: Funds = {}
        for place, hop in enumerate(cycle.hops):
            hand = self._hands[hop.market]
            hand.market.touch()
            free, key = free_atoms(hand, hop.side), self._pays(cycle, place)
            funds[key] = max(0, min(free, funds.get(key, free), _order_atoms(hand, hop.side)))
        return funds

    # What became of it

    def settle(self, now_ns: int) -> list[ShadowRow]:
        """Settle the shadows that are due on the books of now, and learn from those that are whole."""
        rows = []
        for due in self.shadows.due(now_ns):
            row = self.shadows.settle(due, self._shadow(due.ticket.legs[due.leg]), now_ns)
            if row is not None:
                self.threshold.learn(row)
                rows.append(row)
        self.shadows.rows()
        return rows

    def _shadow(self, leg: Leg) -> ShadowFill:
        if not self._pipeline.believed(leg.instrument):
            return MISSED
        market = self._instruments[leg.instrument]
        levels = side_of(self._pipeline, leg.instrument, leg.side).tolist()
        return shadow_fill(market, leg, levels, fee_rule(market, leg.instrument, self.fees))

    def realised(self, ticket: Ticket, how: SagaEnded, latency_ns: Mapping[str, int], now_ns: int) -> None:
        """Learn from an executed ticket instead of from its shadow: its own orders moved the books.

        What was taken back was gone, as far as what it paid tells, and says nothing of what whole cycles pay.
        """
        filled, met = how.state == SagaState.FLAT, any(atoms for _, _, atoms in how.realised)
        bps = (how.profit_atoms - ticket.swap_atoms) / ticket.in_atoms * 10_000 if met else 0.0
        if met:
            waits = [latency_ns[self._instruments[leg.instrument].venue] for leg in ticket.legs]
            left_frac = 1.0 if filled else self.threshold.left_frac(ticket.route, ticket.profit_bps, bps)
            self.threshold.lasted(ticket.route, max(waits), left_frac)
        if filled:
            self.threshold.learned(ticket.route, ticket.profit_bps, bps, now_ns)
        self.shadows.outcomes.add(canonical(ticket.route), ticket.profit_bps, bps, met=met, filled=filled)

    def hold(self) -> None:
        """Take what every venue holds of every asset."""
        for hand in self._hands.values():
            market, risk = hand.market.instrument, hand.market.risk
            self.inventory.hold(market.venue, market.base, risk.base.total_atoms)
            self.inventory.hold(market.venue, market.quote, risk.quote.total_atoms)

    def charge(self, market: int, taker_ppm: int) -> FeeRule:
        """Reckon with another fee from now on, and give its rule."""
        before = fee_rule(self._instruments[market], market, self.fees)
        rule = self.fees[market] = FeeRule(taker_ppm, before.in_quote)
        self._sizer.set_fee(market, rule)
        self.threshold.fee(market, taker_ppm)
        return rule

    def _parts(self) -> tuple[Inventory | Threshold | Shadows | Capital, ...]:
        return self.inventory, self.threshold, self.shadows, self.capital

    def state(self) -> bytes:
        """Give everything that decides as data."""
        parts = [part.state() for part in self._parts()]
        return msgspec.msgpack.encode((parts, self.tickets, sorted(self.fees.items())))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=tuple[list[bytes], int, list[tuple[int, FeeRule]]])
        parts, self.tickets, fees = kept
        for part, told in zip(self._parts(), parts, strict=True):
            part.restore(told)
        for market, rule in fees:
            self.fees[market] = rule
            self._sizer.set_fee(market, rule)


def free_atoms(hand: Agent, side: int) -> int:
    """Give what is free of the asset that a hand's order would pay."""
    wallet = hand.market.risk.quote if side > 0 else hand.market.risk.base
    return wallet.total_atoms - wallet.reserved_atoms


def _order_atoms(hand: Agent, side: int) -> int:
    """Give the most that an order may pay within the hand's own limit, in atoms of what it pays."""
    market, risk = hand.market.risk, hand.risk
    if market.rate_num <= 0 or market.bid_ticks <= 0:
        return 0
    quote = risk.order_value_atoms_max * market.rate_den // market.rate_num * ROOM_PPM // PPM
    return quote if side > 0 else quote * market.lot_atoms // (market.ask_ticks * market.tick_lot_atoms)


def _thin(cycle: Cycle, none: NoTicket) -> Refused:
    market = cycle.hops[none.leg].market if none.leg >= 0 else -1
    return Refused(Outcome.THIN, none.reason.name.lower(), none.figure, none.limit, market)
