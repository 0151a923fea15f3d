"""What a cycle is worth sending at: its threshold, its size, the slow integer check, and its capital."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from agents.arbitrage.depths import depth_of, side_of, sides_of
from agents.arbitrage.lane import Lane
from agents.arbitrage.opportunity import Deal, Outcome, Refused
from arbitrage.fee import FeeRule, fee_rule
from arbitrage.legs import canonical
from arbitrage.saga.events import SagaEnded, SagaState
from arbitrage.size.repricer import Repricer
from arbitrage.size.sizing import NoTicket, Sizer
from arbitrage.stock.inventory import Inventory
from arbitrage.ticket import Leg, Ticket
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
# Routes that are prepared before they are needed: those that became a ticket last.
HOT_MAX = 8


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
        self.inventory = Inventory(config.inventory, instruments, frozenset(hands))
        self.threshold = Threshold(config.threshold, instruments, sight.filter.quotes, self.inventory)
        self.shadows = Shadows(config.shadow, instruments, config.threshold.back_frac)
        self.capital = Capital(config.shares, instruments, self.shadows.outcomes)
        graph, sides = config.graph, sides_of(pipeline)
        self.sizer = Sizer(instruments, fees, graph.swap_ppm, graph.swaps, sides=sides)
        self._repricer = Repricer(
            instruments, fees, graph.swap_ppm, graph.swaps, sides, lambda market: depth_of(pipeline, market)
        )
        self._capital_atoms = config.capital_atoms
        # All that the books bear may be taken.
        self._whole = config.shares.depth_frac_max >= 1
        self._hot: dict[Lane, None] = {}
        self.tickets = 0

    def below(self, deal: Deal, latency_ns: Mapping[str, int], now_ns: int) -> Refused | None:
        """Hold a cycle's gain at the touch against what is asked of its route now."""
        deal.parts = parts = self.threshold.bps(deal.lane.legs, now_ns, latency_ns)
        gain_bps = (deal.product - 1) * 10_000
        deal.asked_bps = asked_bps = parts.total_bps
        return Refused(Outcome.BELOW, "threshold", gain_bps, asked_bps) if gain_bps < asked_bps else None

    def size(self, deal: Deal, budget_atoms: int, now_ns: int) -> Refused | None:
        """Make the ticket that a cycle deserves, and have it priced again by other code."""
        lane, capital = deal.lane, self.capital
        asked_bps = deal.asked_bps if deal.asked_bps > 0.0 else 0.0
        most = self._most(lane)
        found = self._sized(lane, most, asked_bps, now_ns)
        if isinstance(found, NoTicket):
            return _thin(lane, found)
        capital.budget_atoms = min(self._capital_atoms, budget_atoms)
        borne_atoms = None if self._whole else self._borne_atoms(lane, found, asked_bps, now_ns)
        fit = capital.fit(found, self._sight.worth(found.asset), borne_atoms, lane.legs)
        if fit.in_atoms_max < found.in_atoms:
            deal.ticket, whole = found, found.in_atoms
            most[0] = min(most[0], fit.in_atoms_max)
            most = _shared(lane, most) if lane.shares else most
            found = self._sized(lane, most, asked_bps, now_ns)
            if isinstance(found, NoTicket):
                return Refused(Outcome.UNFUNDED, fit.limit.name.lower(), whole, fit.in_atoms_max)
        deal.ticket = found
        if lane not in self._hot:
            self._warm(lane)
        if self._repricer.agrees(found):
            return None
        again = self._repricer.priced(found)
        return Refused(
            Outcome.MISPRICED, "reprice", found.profit_atoms, again.profit_atoms if again is not None else 0
        )

    def prepare(self, latency_ns: Mapping[str, int], now_ns: int) -> None:
        """Work out for the routes that were of use of late what does not wait for a book."""
        for lane in self._hot:
            self.threshold.prepare(lane.legs, now_ns, latency_ns)
            self.capital.prepare(lane.legs)

    def _warm(self, lane: Lane) -> None:
        self._hot[lane] = None
        if len(self._hot) > HOT_MAX:
            del self._hot[next(iter(self._hot))]

    def _borne_atoms(self, lane: Lane, found: Ticket, asked_bps: float, now_ns: int) -> int:
        """Give what the books alone bear: a share of it must not be a share of what other bounds left."""
        whole = self._sized(lane, None, asked_bps, now_ns)
        return found.in_atoms if isinstance(whole, NoTicket) else whole.in_atoms

    def shadow_ticket(self, deal: Deal, now_ns: int) -> Ticket | None:
        """Size a cycle that is not sent as if money were no object, to follow what it would have paid."""
        found = self._sized(deal.lane, self._most(deal.lane), 0.0, now_ns)
        return None if isinstance(found, NoTicket) else found

    def _sized(self, lane: Lane, most: list[int] | None, asked_bps: float, now_ns: int) -> Ticket | NoTicket:
        self.tickets += 1
        return self.sizer.along(lane.path, most, asked_bps, self.tickets, now_ns)

    def _most(self, lane: Lane) -> list[int]:
        """Bound what every leg pays by what is free at its venue, and by what one order may be worth."""
        most = []
        for _, market, risk, traded, wallet, side, _ in lane.footings:
            market.touch()
            free, order = wallet.total_atoms - wallet.reserved_atoms, 0
            if traded.rate_num > 0 and traded.bid_ticks > 0:
                order = risk.order_value_atoms_max * traded.rate_den // traded.rate_num * ROOM_PPM // PPM
                if side < 0:
                    order = order * traded.lot_atoms // (traded.ask_ticks * traded.tick_lot_atoms)
            most.append(max(0, free if free < order else order))
        return _shared(lane, most) if lane.shares else most

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
        self._charge(market, rule)
        self.threshold.fee(market, taker_ppm)
        return rule

    def _charge(self, market: int, rule: FeeRule) -> None:
        self.sizer.set_fee(market, rule)
        self._repricer.set_fee(market, rule)

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
            self._charge(market, rule)


def _shared(lane: Lane, most: list[int]) -> list[int]:
    """Bound the legs that pay from one wallet alike."""
    wallets = [id(each.wallet) for each in lane.footings]
    least: dict[int, int] = {}
    for wallet, atoms in zip(wallets, most, strict=True):
        least[wallet] = min(atoms, least.get(wallet, atoms))
    return [least[wallet] for wallet in wallets]


def _thin(lane: Lane, none: NoTicket) -> Refused:
    market = lane.hops[none.leg].market if none.leg >= 0 else -1
    return Refused(Outcome.THIN, none.reason.name.lower(), none.figure, none.limit, market)
