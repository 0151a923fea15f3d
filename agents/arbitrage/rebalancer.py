"""A group's moves at work: plans and orders come in, trades go out as sagas, transfers are watched for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from agents.arbitrage.depths import depth_of
from agents.arbitrage.opportunity import Deal, Refused
from agents.orders import Actions
from arbitrage.filter.rejection import RejectReason
from arbitrage.saga.events import SagaEnded, SagaState
from arbitrage.size.sizing import Depth
from arbitrage.stock.moves import Move, Moves, MoveState
from arbitrage.stock.swap import borne_atoms, changes, swapped
from arbitrage.ticket import Hop, Ticket
from domain.instrument import Instrument
from domain.moves import TRADE, MoveCounts, MoveReport
from domain.units import atoms, atoms_text

if TYPE_CHECKING:
    from agents.arbitrage.arbitrageur import Arbitrageur
    from agents.config import RegionConfig
    from market.pipeline import Pipeline
    from risk.exposure import Wallet

LOOK_NS = 250_000_000
# The last unit that is moved must still be worth its cost, so less than all may be moved.
SHARES = (1, 2, 4, 8)
_OVER = (SagaState.FLAT, SagaState.UNWOUND, SagaState.RELEASED)
Begin = Callable[[Deal, Actions], Refused | None]


class Rebalancer:
    """Make the trades that the config or an operator allows, and believe no transfer that no balance shows.

    What a transfer will take is reserved from the moment an operator takes it, so that nobody else spends it.
    """

    def __init__(self, group: Arbitrageur, region: RegionConfig, pipeline: Pipeline, begin: Begin) -> None:
        self._group, self._region, self._pipeline, self._begin = group, region, pipeline, begin
        self.config = group.config.rebalance
        self.moves = Moves(self.config, group.valuation.inventory)
        self._wallets: dict[tuple[str, str], Wallet] = {}
        self._look_ns = 0
        self._reserved: list[tuple[str, str, int]] = []
        for hand in group.hands.values():
            market, risk = hand.market.instrument, hand.market.risk
            self._wallets[market.venue, market.base] = risk.base
            self._wallets[market.venue, market.quote] = risk.quote
            if self not in hand.market.account.explainers:
                hand.market.account.explainers.append(self)

    # What comes in

    def ordered(self, number: int, verb: str, atoms: int = 0) -> str:
        """Do what an operator says; give why not, or nothing."""
        now_ns, move = self._group.desk.now_ns, self.moves.live.get(number)
        if verb == "take":
            free = 0
            if move is not None:
                wallet = self._wallets[move.proposal.from_venue, move.proposal.asset]
                free = wallet.total_atoms - wallet.reserved_atoms
            answer = self.moves.take(number, free, now_ns, atoms)
        elif verb == "drop":
            answer = self.moves.drop(number, now_ns)
        else:
            answer = f"a move can be taken or dropped, not {verb[:20]!a}"
        self._reserve()
        return answer

    def explain(self, venue: str, asset: str, atoms: int) -> bool:
        """Tell whether a balance that nobody's trades explain is a transfer of ours."""
        explained = self.moves.explain(venue, asset, atoms, self._group.desk.now_ns)
        self._reserve()
        return explained

    def passed(self, out: Actions) -> None:
        """Alarm what is overdue, and make a trade where one may be made."""
        now_ns = self._group.desk.now_ns
        for move in self.moves.overdue(now_ns):
            proposal = move.proposal
            what = f"{atoms_text(proposal.atoms)} {proposal.asset}"
            way = f"{proposal.from_venue} to {proposal.to_venue}"
            self._group.desk.alarm("transfer-overdue", f"{self.name(move)} {what} {way}: {move.note}", out)
            self._reserve()
        if now_ns - self._look_ns >= LOOK_NS:
            self._look_ns = now_ns
            self.moves.expire(now_ns)
            self._trade(out)

    def _reserve(self) -> None:
        """Keep reserved exactly what transfers will take."""
        wanted = self.moves.reserved()
        for venue, asset, held in self._reserved:
            self._wallets[venue, asset].reserved_atoms -= held
        for venue, asset, held in wanted:
            self._wallets[venue, asset].reserved_atoms += held
        self._reserved = wanted

    # Trades

    def _trade(self, out: Actions) -> None:
        """Begin the first trade that may be made now; each other one has its reason noted."""
        for move in self.moves.trades():
            why = self._held_back(move) or self._tried(move, out)
            if why is None:
                return
            self.moves.say(move, *why)

    def _held_back(self, move: Move) -> tuple[str, str] | None:
        """Give the first reason not even to price a trade now."""
        group, proposal = self._group, move.proposal
        now_ns, execution = group.desk.now_ns, group.execution
        gate, allowed = group.desk.gate, self.config.between
        wait_ns = self.moves.begun_ns + round(self.config.trade_every_s * 1e9) - now_ns
        if gate.halted:
            return "halted", "halted"
        if gate.reduce_only or gate.epoch == 0:
            return "reduce-only", "reduce-only: no lease"
        if allowed and not {proposal.from_venue, proposal.to_venue} <= set(allowed) and not move.asked:
            return "elsewhere", "elsewhere: rebalance.between does not name both venues"
        if self.moves.trading() is not None:
            return "one", "one at a time"
        if self.moves.begun_ns > 0 and wait_ns > 0:
            return "interval", f"interval: {wait_ns / 1e9:.0f} s to wait"
        for market, _ in proposal.legs:
            if market not in group.hands:
                return "no hand", "no hand on a market of it"
            if not group.sight.inside(market):
                return "stale", f"stale: {group.instruments[market].key} is not believed"
            if market in execution.markets or market in execution.orphans or group.resting(market):
                return "busy", f"busy: a saga has {group.instruments[market].key}"
        return None

    def _tried(self, move: Move, out: Actions) -> tuple[str, str] | None:
        """Size a trade, hold its cost against what it gains, and begin it; give why not."""
        group, (sells, buys) = self._group, move.proposal.legs
        sold, bought = group.instruments[sells[0]], group.instruments[buys[0]]
        depths = {one.index: depth_of(self._pipeline, one.index) for one in (bought, sold)}
        cap_bps = self.config.trade_bps_max
        borne, first_bps = borne_atoms(bought, sold, depths.__getitem__, group.valuation.fees, cap_bps)
        if first_bps is None or first_bps > cap_bps:
            first = "nothing" if first_bps is None else f"{first_bps:.1f} bps"
            return "cost", f"cost: {first} at the touch, of at most {cap_bps:g}"
        whole = min(move.proposal.atoms, borne, *self._bounds(bought, sold))
        why = ("thin", "thin: less than the smallest order")
        for share in SHARES:
            ticket = self._ticket(bought, sold, whole // share, depths)
            if ticket is None:
                return why
            cost_bps = -ticket.profit_bps
            gain_bps = -group.valuation.inventory.after_bps(changes(bought, sold, ticket))
            if cost_bps > min(gain_bps, cap_bps):
                why = (
                    "cost",
                    f"cost: {cost_bps:.1f} bps for a gain of {gain_bps:.1f}, of at most {cap_bps:g}",
                )
                continue
            return self._sent(move, ticket, out)
        return why

    def _ticket(
        self, bought: Instrument, sold: Instrument, atoms: int, depths: dict[int, Depth]
    ) -> Ticket | None:
        group = self._group
        return swapped(
            group.instruments,
            bought,
            sold,
            atoms,
            depths.__getitem__,
            group.valuation.fees,
            group.valuation.tickets + 1,
            group.desk.now_ns,
        )

    def _bounds(self, bought: Instrument, sold: Instrument) -> list[int]:
        """Bound a trade by balances, the order limits of both hands, and the size cap."""
        group, bounds = self._group, list[int]()
        hands = (group.hands[bought.index], group.hands[sold.index])
        cap = atoms(format(self.config.trade_max, "f"), "down")
        for hand in hands:
            hand.market.touch()
            risk, market = hand.market.risk, hand.market.instrument
            lot_value = risk.value_atoms(1_000_000)  # of a million lots, for the rounding
            limit = min(cap, hand.risk.order_value_atoms_max * 95 // 100)
            bounds.append(limit * 1_000_000 // lot_value * market.lot_atoms if lot_value > 0 else 0)
        pays = self._wallets[bought.venue, bought.quote]
        ask = hands[0].market.risk.ask_ticks * bought.tick_lot_atoms
        free = max(0, pays.total_atoms - pays.reserved_atoms) * 99 // 100
        bounds.append(free // ask * bought.lot_atoms if ask > 0 else 0)
        gives = self._wallets[sold.venue, sold.base]
        bounds.append(max(0, gives.total_atoms - gives.reserved_atoms))
        return bounds

    def _sent(self, move: Move, ticket: Ticket, out: Actions) -> tuple[str, str] | None:
        """Send both legs by a saga, as any ticket's; give why it was not begun."""
        group, now_ns = self._group, self._group.desk.now_ns
        rejection = group.sight.filter.check(ticket, now_ns)
        if rejection is not None:
            reason, market = RejectReason(rejection.reason).name.lower(), rejection.market
            return reason, reason if market < 0 else f"{reason}: {group.instruments[market].key}"
        group.valuation.tickets = ticket.ticket_id
        capital, budget = group.valuation.capital, group.desk.gate.budget_atoms
        capital.budget_atoms = min(group.config.capital_atoms, budget)
        hops = tuple(Hop(leg.instrument, leg.side) for leg in ticket.legs)
        product = (ticket.in_atoms + ticket.profit_atoms) / ticket.in_atoms
        move.ticket_id = ticket.ticket_id
        refused = self._begin(Deal(group.decision.lanes.straight(hops), product, ticket), out)
        if refused is None:
            self.moves.begun(move, now_ns)
            return None
        move.ticket_id = 0
        figures = f"{refused.figure:,.6g} against {refused.limit:,.6g}"
        return refused.reason, f"{refused.reason}: {figures}"

    def ended(self, ticket: Ticket, how: SagaEnded) -> bool:
        """Note how a trade's saga ended, or that it is stuck; tell whether it was one of ours."""
        move = self.moves.of_ticket(ticket.ticket_id)
        if move is None or move.proposal.kind != TRADE:
            return False
        proposal, state = move.proposal, SagaState(how.state)
        moved = {venue: atoms for venue, asset, atoms in how.realised if asset == proposal.asset}
        came, left = moved.get(proposal.to_venue, 0), moved.get(proposal.from_venue, 0)
        stayed = state == SagaState.FLAT and came > 0 and left < 0
        text = f"{state.name.lower()}: {atoms_text(max(came, 0))} {proposal.asset} came"
        text += f", {atoms_text(how.profit_atoms)} {how.asset}"
        to = MoveState.TRADING if state not in _OVER else MoveState.TRADED if stayed else MoveState.UNDONE
        self.moves.end(move, to, self._group.desk.now_ns, text)
        return True

    # What is told

    def name(self, move: Move) -> str:
        """Name a move for operators."""
        return f"{self._group.config.name}-{move.number}"

    def number(self, name: str) -> int | None:
        """Give the number of a move by its name, `None` where it is none of this group's."""
        group, dash, number = name.rpartition("-")
        known = dash and group == self._group.config.name and number.isascii() and number.isdecimal()
        return int(number) if known and len(number) <= 18 else None

    def counted(self) -> MoveCounts:
        """Count what became of moves."""
        region, name = self._region, self._group.config.name
        return MoveCounts(region.node, region.region, name, dict(self.moves.counts))

    def reports(self) -> list[MoveReport]:
        """Tell every move, open ones first."""
        return [self._report(move) for move in (*self.moves.live.values(), *self.moves.over.values())]

    def _report(self, move: Move) -> MoveReport:
        proposal, config = move.proposal, self._group.config
        note = move.note
        if note == "" and move.state == MoveState.PROPOSED:
            note = "for an operator to take" if proposal.kind != TRADE else self._allowed(move)
        return MoveReport(
            move=self.name(move),
            node=self._region.node,
            region=self._region.region,
            group=config.name,
            kind=proposal.kind,
            asset=proposal.asset,
            from_venue=proposal.from_venue,
            to_venue=proposal.to_venue,
            amount=atoms_text(proposal.atoms),
            cost=atoms_text(proposal.cost_atoms),
            delay_s=proposal.delay_ns / 1e9,
            reason=proposal.reason,
            state=MoveState(move.state).name.lower(),
            note=note,
            since_ns=move.since_ns,
        )

    def _allowed(self, move: Move) -> str:
        return "" if self.config.execute or move.asked else "rebalance.execute does not allow it"

    # State

    def state(self) -> bytes:
        """Give everything that decides as data."""
        return msgspec.msgpack.encode((self.moves.state(), self._look_ns))

    def restore(self, state: bytes, *, same: bool) -> int:
        """Take back what `state` gave; what transfers will take is reserved anew.

        Where markets are not the `same`, trades are forgotten, and so are transfers between places that are
        no more: count what was under way of those.
        """
        kept, self._look_ns = msgspec.msgpack.decode(state, type=tuple[bytes, int])
        self.moves.restore(kept)
        lost = self.moves.keep(set(self._wallets)) if not same else 0
        self._reserve()
        return lost
