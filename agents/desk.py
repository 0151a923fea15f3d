"""The order desk: gives ids, sends what the gate approved, and takes what the venue says about it."""

from __future__ import annotations

from collections.abc import Sequence

from agents.agent import Agent
from agents.market import Market
from agents.order import (
    EXPIRED,
    FILLED,
    NO_END,
    OPEN,
    PARTIALLY_FILLED,
    PENDING_CANCEL,
    PENDING_NEW,
    REJECTED,
    UNKNOWN,
    Order,
    legal,
)
from agents.orders import Actions, Orders
from agents.trades import ABOVE_MAX
from domain.actions import ReserveIds, SendOrder
from domain.desire import Quote
from domain.ids import EPOCH_BITS, SEQUENCE_BITS, SEQUENCE_MAX, client_id, client_id_text
from domain.order import ApprovedOrder, OrderIntent, RefusalReason, RefusedOrder
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from risk.exposure import release

_SHARD_SHIFT = EPOCH_BITS + SEQUENCE_BITS


class Desk(Orders):
    """Turn intents into orders and answers into states. What follows from an event is appended to `out`."""

    __slots__ = ()

    def submit(
        self, agent: Agent, side: int, tif: int, price_ticks: int, size_lots: int, out: Actions
    ) -> None:
        """Put one intent through the gate and send it."""
        now_ns = self.now_ns
        if now_ns < (agent.hold_buy_ns if side > 0 else agent.hold_sell_ns):
            return
        shard, index, sequence = agent.shard, agent.instrument, agent.sequence
        intent = OrderIntent(shard, index, side, tif, price_ticks, size_lots)
        agent.intended += 1
        if sequence >= agent.reserve_at and not self._reserved(agent, 1, out):
            self._exhausted(agent, intent, out)
            return
        number = agent.id_base + sequence
        verdict = self.gate.check(intent, agent.risk, agent.market.risk, now_ns, number)
        if type(verdict) is RefusedOrder:
            self._refused(agent, verdict, out)
            return
        # What `_carry_out` does with one.
        self.working[number] = agent.orders[number] = Order(
            number, shard, index, side, tif, price_ticks, size_lots, size_lots, now_ns, now_ns
        )
        out.append(SendOrder(number, verdict))  # type: ignore[arg-type]
        agent.sequence = sequence + 1
        agent.approved += 1

    def submit_all(self, agent: Agent, quotes: Sequence[Quote], tif: int, out: Actions) -> None:
        """Put wanted quotes through the gate and send what it approves."""
        if len(quotes) <= 2:
            for quote in quotes:
                self.submit(agent, quote.side, tif, quote.price_ticks, quote.size_lots, out)
            return
        now_ns, shard, index = self.now_ns, agent.shard, agent.instrument
        if now_ns < agent.hold_buy_ns or now_ns < agent.hold_sell_ns:
            buys, sells = now_ns >= agent.hold_buy_ns, now_ns >= agent.hold_sell_ns
            quotes = [quote for quote in quotes if (buys if quote.side > 0 else sells)]
        intents = [
            OrderIntent(shard, index, quote.side, tif, quote.price_ticks, quote.size_lots) for quote in quotes
        ]
        agent.intended += len(intents)
        if self._reserved(agent, len(intents), out):
            number = agent.id_base + agent.sequence
            verdicts = self.gate.check_all(intents, agent.risk, agent.market.risk, now_ns, number)
            self._carry_out(agent, verdicts, out)
        else:
            for intent in intents:
                self._exhausted(agent, intent, out)

    def _carry_out(
        self, agent: Agent, verdicts: Sequence[ApprovedOrder | RefusedOrder], out: Actions
    ) -> None:
        """Send the approved under consecutive ids, in their order."""
        now_ns, shard, index = self.now_ns, agent.shard, agent.instrument
        working, orders = self.working, agent.orders
        number = first = agent.id_base + agent.sequence
        for verdict in verdicts:
            if type(verdict) is RefusedOrder:
                self._refused(agent, verdict, out)
                continue
            approved: ApprovedOrder = verdict  # type: ignore[assignment]
            intent = approved.intent
            size = intent.size_lots
            working[number] = orders[number] = Order(
                number,
                shard,
                index,
                intent.side,
                intent.tif,
                intent.price_ticks,
                size,
                size,
                now_ns,
                now_ns,
            )
            out.append(SendOrder(number, approved))
            number += 1
        agent.sequence += number - first
        agent.approved += number - first

    def _refused(self, agent: Agent, verdict: RefusedOrder, out: Actions) -> None:
        agent.refused += 1
        out.append(verdict)
        self.hold(agent, verdict.intent.side, self.hold_ns)

    def hold(self, agent: Agent, side: int, hold_ns: int) -> None:
        """Send nothing more on a side for a while: asking again at once would get the same answer."""
        if side > 0:
            agent.hold_buy_ns = self.now_ns + hold_ns
        else:
            agent.hold_sell_ns = self.now_ns + hold_ns

    def begin_epoch(self, agent: Agent, epoch: int) -> None:
        """Give ids of a new epoch from now on."""
        agent.id_base = client_id(agent.shard, epoch, 0)
        agent.sequence = agent.reserve_at = agent.reserved_upto = 0

    def _reserved(self, agent: Agent, count: int, out: Actions) -> bool:
        """Reserve the block after next when half of one is used; ids that are not to be had give False."""
        sequence = agent.sequence
        if sequence + count > agent.reserve_at:
            if sequence + count > SEQUENCE_MAX:
                return False
            if self.gate.epoch > 0 and agent.reserved_upto <= SEQUENCE_MAX:
                upto = max(agent.reserved_upto, sequence + count) + self.ids_block
                agent.reserved_upto = min(upto, SEQUENCE_MAX + 1)
                agent.reserve_at = agent.reserved_upto - self.ids_block // 2
                out.append(ReserveIds(agent.shard, self.gate.epoch, agent.reserved_upto))
        return True

    def _exhausted(self, agent: Agent, intent: OrderIntent, out: Actions) -> None:
        reason = int(RefusalReason.IDS_EXHAUSTED)
        self._refused(agent, RefusedOrder(intent, reason, agent.sequence, SEQUENCE_MAX), out)

    def acked(self, event: OrderAcked, out: Actions) -> None:
        """The venue holds the order."""
        order = self.working.get(event.client_id)
        if order is None:
            return
        order.venue_order_id = event.venue_order_id
        state = order.state
        if state == PENDING_NEW and order.filled_lots == 0 and not order.cancel_wanted:
            # The common way of `_stands`, spelt out for speed.
            order.state, order.changed_ns = OPEN, self.now_ns
            self.agents[order.agent].risk.in_flight -= 1
            self.gate.in_flight -= 1
        elif state == PENDING_NEW or (state == UNKNOWN and order.end_state == NO_END):
            self._stands(order, out)

    def refused_by_venue(self, event: OrderRefusedByVenue, out: Actions) -> None:
        """The venue said no. A duplicate id says that the order is there already: its fate is asked for."""
        order = self.working.get(event.client_id)
        if order is None:
            return
        agent = self.agents[order.agent]
        if "duplicate" in event.text.lower() or order.filled_lots > 0 or not legal(order.state, REJECTED):
            self.doubt(order)
            return
        self._end(order, agent, REJECTED)
        self.hold(agent, order.side, 2 * self.hold_ns)

    def filled(self, event: Fill, out: Actions) -> bool:
        """Count a fill once, in balances, position and order; tell whether it was new."""
        market = self.markets.get(event.instrument)
        if market is None:
            return False
        trades, trade_id = market.trades, event.trade_id
        if trade_id <= trades.watermark or trade_id in trades.above:
            return False
        trades.above.add(trade_id)
        if len(trades.above) >= ABOVE_MAX:
            market.account.want_fetch(self.now_ns)
        self.fills += 1
        number, size = event.client_id, event.size_lots
        agent = self.agents.get(number >> _SHARD_SHIFT)
        if agent is None or agent.market is not market or number <= 0:
            agent = None
            self._stray(event, market, out)
        self._book(event, market, agent)
        order = self.working.get(number)
        if order is None or agent is None:
            if (ended := self.closed.get(number)) is not None:
                # What the venue's own total had already told is not counted again.
                most = ended.end_filled_lots if ended.end_filled_lots > 0 else ended.filled_lots + size
                ended.filled_lots = max(ended.filled_lots, min(ended.filled_lots + size, most))
                self.alarm("fill-after-end", client_id_text(number), out)
            return True
        order.filled_lots = filled = order.filled_lots + size
        counted = size if size <= order.open_lots else order.open_lots
        order.open_lots -= counted
        if order.side > 0:
            agent.risk.buy_lots -= counted
            risk = market.risk
            risk.quote.reserved_atoms -= order.price_ticks * counted * risk.tick_lot_atoms
        else:
            agent.risk.sell_lots -= counted
            risk = market.risk
            risk.base.reserved_atoms -= counted * risk.lot_atoms
        if filled >= order.size_lots:
            if filled > order.size_lots:
                self.alarm("overfilled", f"{client_id_text(number)} by {filled - order.size_lots}", out)
            self._end(order, agent, FILLED)
        elif order.end_state != NO_END:
            self._close(order, agent, order.end_state, order.end_filled_lots, out)
        elif order.state in (PENDING_NEW, OPEN):
            order.venue_order_id = event.venue_order_id
            self._to(order, agent, PARTIALLY_FILLED)
            if order.cancel_wanted:
                self.cancel(order, out)
        return True

    def _stray(self, event: Fill, market: Market, out: Actions) -> None:
        """Note a trade that is not ours: it changed the balances, and nobody says why."""
        key = f"trade {market.instrument.symbol} {event.trade_id}"
        market.risk.blocked = True
        if market.account.unexplain(key, (event.instrument,)):
            self.alarm("trade-not-ours", f"{market.account.venue} {key}", out)

    def closed_by_venue(self, event: OrderClosed, out: Actions) -> None:
        """The order is over; fills that it still owes are waited for."""
        order = self.working.get(event.client_id)
        if order is not None:
            self._close(order, self.agents[order.agent], event.state, event.filled_lots, out)

    def _close(self, order: Order, agent: Agent, state: int, filled_lots: int, out: Actions) -> None:
        if filled_lots > order.filled_lots:
            if order.end_state == NO_END:
                order.end_ns = self.now_ns
            order.end_state, order.end_filled_lots = state, filled_lots
            surplus = order.open_lots - (filled_lots - order.filled_lots)
            if surplus > 0:
                order.open_lots -= surplus
                release(agent.risk, agent.market.risk, order.side, order.price_ticks, surplus)
            agent.market.account.want_fetch(self.now_ns)
            return
        if filled_lots < order.filled_lots:
            self.alarm("venue-total-below-fills", client_id_text(order.client_id), out)
        if order.filled_lots >= order.size_lots:
            state = FILLED
        elif (state == REJECTED and not legal(order.state, REJECTED)) or state == FILLED:
            state = EXPIRED
        self._end(order, agent, state)

    def owes_nothing(self, order: Order, counted: bool, out: Actions) -> None:
        """End an order whose missing fills were counted without it, or that the venue never listed."""
        if counted:
            order.filled_lots = order.end_filled_lots
        else:
            owed = order.end_filled_lots - order.filled_lots
            self.alarm("fills-missing", f"{client_id_text(order.client_id)} {owed} lots", out)
        self._close(order, self.agents[order.agent], order.end_state, order.filled_lots, out)

    def cancel_refused(self, event: CancelRefused, out: Actions) -> None:
        """The cancel met an order that is over or not known: ask which."""
        order = self.working.get(event.client_id)
        if order is not None and order.state == PENDING_CANCEL:
            self.doubt(order)

    def fate_unknown(self, event: FateUnknown, out: Actions) -> None:
        """A submit or a cancel got no clear answer."""
        order = self.working.get(event.client_id)
        if order is not None and order.in_flight:
            self.doubt(order)

    def status(self, event: OrderStatus, out: Actions) -> None:
        """The venue answered a query."""
        order = self.working.get(event.client_id)
        if order is None:
            return
        order.venue_order_id, order.not_found_ns = event.venue_order_id, 0
        agent = self.agents[order.agent]
        if event.state >= FILLED:
            self._close(order, agent, event.state, event.filled_lots, out)
            return
        if event.filled_lots > order.filled_lots:
            agent.market.account.want_fetch(self.now_ns)
        if order.state in (UNKNOWN, PENDING_NEW) and order.end_state == NO_END:
            self._stands(order, out)

    def not_found(self, event: OrderNotFound, out: Actions) -> None:
        """The venue does not know the id: proof only with a later account snapshot that shows no trade."""
        order = self.working.get(event.client_id)
        if order is None or self.now_ns - order.sent_ns < self.submit_window_ns:
            return
        if order.state != UNKNOWN:
            self.doubt(order)
        if order.not_found_ns == 0:
            order.not_found_ns = self.now_ns
        self.agents[order.agent].market.account.want_fetch(self.now_ns)
