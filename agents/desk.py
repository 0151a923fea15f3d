"""The order desk: gives ids, sends what the gate approved, and follows every order to its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from agents.account import Account
from agents.agent import Agent
from agents.config import DeskConfig
from agents.market import Market
from agents.order import (
    CANCELLED,
    CHANGES,
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
from domain.actions import Action, Alarm, CancelOrder, QueryOrder, ReserveIds, SendOrder
from domain.desire import Quote
from domain.ids import EPOCH_BITS, SEQUENCE_BITS, SEQUENCE_MAX, client_id, client_id_parts, client_id_text
from domain.order import ApprovedOrder, OrderIntent, RefusalReason, RefusedOrder
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    Fill,
    OpenOrder,
    OrderAcked,
    OrderClosed,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from risk.exposure import PRICE_MAX, release, reserve
from risk.gate import Gate

Actions = list[Action]
_SHARD_SHIFT = EPOCH_BITS + SEQUENCE_BITS


def _ns(seconds: float) -> int:
    return round(seconds * 1_000_000_000)


class Desk:
    """Keep all orders of a node. Everything that follows from an event is appended to `out`."""

    __slots__ = (
        "agents",
        "alarms",
        "cancel_timeout_ns",
        "closed",
        "closed_max",
        "config",
        "ended",
        "fills",
        "gate",
        "hold_ns",
        "ids_block",
        "markets",
        "now_ns",
        "query_ns",
        "query_ns_max",
        "requote_ppm",
        "submit_timeout_ns",
        "submit_window_ns",
        "take_bps",
        "working",
    )

    def __init__(self, config: DeskConfig, gate: Gate, markets: dict[int, Market]) -> None:
        self.config, self.gate, self.markets = config, gate, markets
        self.agents: dict[int, Agent] = {}
        self.working: dict[int, Order] = {}
        self.closed: dict[int, Order] = {}
        self.ended: deque[int] = deque()
        self.alarms: list[str] = []
        self.now_ns = self.fills = 0
        self.submit_timeout_ns = _ns(config.submit_timeout_s)
        self.submit_window_ns = _ns(config.submit_window_s)
        self.cancel_timeout_ns = _ns(config.cancel_timeout_s)
        self.query_ns, self.query_ns_max = _ns(config.query_backoff_s), _ns(config.query_backoff_max_s)
        self.hold_ns, self.ids_block = _ns(config.refusal_hold_s), config.ids_block
        self.closed_max = config.closed_orders_max
        self.requote_ppm, self.take_bps = config.requote_ppm, config.take_bps

    # Sending

    def submit(
        self, agent: Agent, side: int, tif: int, price_ticks: int, size_lots: int, out: Actions
    ) -> None:
        """Put one intent through the gate and send it."""
        if self.now_ns < (agent.hold_buy_ns if side > 0 else agent.hold_sell_ns):
            return
        intent = OrderIntent(agent.shard, agent.instrument, side, tif, price_ticks, size_lots)
        agent.intended += 1
        if self._reserved(agent, 1, out):
            number = agent.id_base + agent.sequence
            verdict = self.gate.check(intent, agent.risk, agent.market.risk, self.now_ns, number)
            self._carry_out(agent, (verdict,), out)
        else:
            self._exhausted(agent, intent, out)

    def submit_all(self, agent: Agent, quotes: Sequence[Quote], tif: int, out: Actions) -> None:
        """Put wanted quotes through the gate and send what it approves."""
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

    def cancel(self, order: Order, out: Actions) -> None:
        """Cancel an order, at once where its standing is known and the link is up, else as soon as it is."""
        agent = self.agents[order.agent]
        if order.state in (OPEN, PARTIALLY_FILLED) and agent.market.account.link_up:
            self._to(order, agent, PENDING_CANCEL)
            order.cancel_wanted = True
            self.gate.count_cancel(agent.risk, self.now_ns)
            out.append(CancelOrder(order.client_id, order.instrument))
        elif order.state != PENDING_CANCEL:
            order.cancel_wanted = True

    def cancel_all(self, out: Actions) -> None:
        """Cancel everything that stands."""
        for order in self.working.values():
            self.cancel(order, out)

    # What the venue says

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

    def _stands(self, order: Order, out: Actions) -> None:
        self._to(order, self.agents[order.agent], OPEN if order.filled_lots == 0 else PARTIALLY_FILLED)
        order.queries = order.not_found_ns = 0
        if order.cancel_wanted:
            self.cancel(order, out)

    def refused_by_venue(self, event: OrderRefusedByVenue, out: Actions) -> None:
        """The venue said no. A duplicate id says that the order is there already: its fate is asked for."""
        order = self.working.get(event.client_id)
        if order is None:
            return
        agent = self.agents[order.agent]
        if "duplicate" in event.text.lower() or order.filled_lots > 0 or not legal(order.state, REJECTED):
            self.doubt(order, 0)
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
                ended.filled_lots += size
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

    @staticmethod
    def _book(event: Fill, market: Market, agent: Agent | None) -> None:
        """Add a fill to the balances that we expect and to the position that it is attributed to."""
        risk, account = market.risk, market.account
        account.activity += 1
        lots = event.side * event.size_lots
        base_atoms = lots * risk.lot_atoms
        quote_atoms = -event.price_ticks * lots * risk.tick_lot_atoms
        fee = event.fee_atoms
        if fee != 0:
            instrument, asset = market.instrument, event.fee_asset
            in_base = fee if asset == instrument.base else 0
            in_quote = fee if in_base == 0 and asset == instrument.quote else 0
            in_other = fee - in_base - in_quote
            base_atoms -= in_base
            quote_atoms -= in_quote
            if in_other != 0:
                account.wallet(asset).total_atoms -= in_other
            if agent is not None:
                held = agent.holding
                held.fee_base_atoms += in_base
                held.fee_quote_atoms += in_quote
                held.fee_other_atoms += in_other
        risk.base.total_atoms += base_atoms
        risk.quote.total_atoms += quote_atoms
        if agent is not None:
            held = agent.holding
            held.net_lots = agent.risk.position_lots = held.net_lots + lots
            held.base_atoms += base_atoms
            held.quote_atoms += quote_atoms
            held.fills += 1

    def _stray(self, event: Fill, market: Market, out: Actions) -> None:
        """Note a trade that is not ours: it changed the balances, and nobody says why."""
        key = f"trade {market.instrument.symbol} {event.trade_id}"
        if market.account.unexplain(key, (event.instrument,)):
            self.alarm("trade-not-ours", f"{market.account.venue} {key}", out)

    def closed_by_venue(self, event: OrderClosed, out: Actions) -> None:
        """The order is over; fills that it still owes are waited for."""
        order = self.working.get(event.client_id)
        if order is not None:
            self._close(order, self.agents[order.agent], event.state, event.filled_lots, out)

    def _close(self, order: Order, agent: Agent, state: int, filled_lots: int, out: Actions) -> None:
        if filled_lots > order.filled_lots:
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

    def cancel_refused(self, event: CancelRefused, out: Actions) -> None:
        """The cancel met an order that is over or not known: ask which."""
        order = self.working.get(event.client_id)
        if order is not None and order.state == PENDING_CANCEL:
            self.doubt(order, 0)

    def fate_unknown(self, event: FateUnknown, out: Actions) -> None:
        """A submit or a cancel got no clear answer."""
        order = self.working.get(event.client_id)
        if order is not None and order.in_flight:
            self.doubt(order, 0)

    def doubt(self, order: Order, wait_ns: int) -> None:
        """Take an order for unknown, to be asked for."""
        if order.state != UNKNOWN:
            self._to(order, self.agents[order.agent], UNKNOWN)
            order.queries, order.next_query_ns = 0, self.now_ns + wait_ns

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
            self.doubt(order, 0)
        if order.not_found_ns == 0:
            order.not_found_ns = self.now_ns
        self.agents[order.agent].market.account.want_fetch(self.now_ns)

    # Time and truth

    def watch(self, out: Actions) -> None:
        """Doubt what has waited too long, and ask for what is unknown."""
        now_ns = self.now_ns
        for order in self.working.values():
            if order.state == PENDING_NEW:
                if now_ns - order.changed_ns >= self.submit_timeout_ns:
                    self.doubt(order, 0)
            elif order.state == PENDING_CANCEL and now_ns - order.changed_ns >= self.cancel_timeout_ns:
                self.doubt(order, 0)
            if order.state == UNKNOWN and now_ns >= order.next_query_ns:
                self._ask(order, out)
            elif order.cancel_wanted and order.state in (OPEN, PARTIALLY_FILLED):
                self.cancel(order, out)

    def _ask(self, order: Order, out: Actions) -> None:
        account = self.markets[order.instrument].account
        if not account.link_up:
            return
        wait_ns = min(self.query_ns << min(order.queries, 10), self.query_ns_max)
        order.queries, order.next_query_ns = order.queries + 1, self.now_ns + wait_ns
        if order.end_state != NO_END or order.not_found_ns > 0:
            account.want_fetch(self.now_ns)
        out.append(QueryOrder(order.client_id, order.instrument))

    def listed_open(self, listed: OpenOrder, out: Actions) -> None:
        """An account snapshot lists one of our orders as open: adopt it, if only to cancel it."""
        order = self.working.get(listed.client_id)
        if order is None:
            order = self._adopt(listed)
            order.cancel_wanted = True
        order.venue_order_id, order.not_found_ns = listed.venue_order_id, 0
        if order.state in (UNKNOWN, PENDING_NEW) and order.end_state == NO_END:
            self._stands(order, out)

    def _adopt(self, listed: OpenOrder) -> Order:
        agent = self.agents[client_id_parts(listed.client_id)[0]]
        open_lots = listed.size_lots - listed.filled_lots
        order = Order(
            listed.client_id,
            agent.shard,
            listed.instrument,
            listed.side,
            listed.tif,
            listed.price_ticks,
            listed.size_lots,
            open_lots,
            self.now_ns,
            self.now_ns,
            state=UNKNOWN,
            filled_lots=listed.filled_lots,
        )
        self.count(order)
        return order

    def count(self, order: Order) -> None:
        """Count an order that did not come through `submit` (adopted, or from a snapshot)."""
        agent = self.agents[order.agent]
        self.working[order.client_id] = agent.orders[order.client_id] = order
        reserve(
            agent.risk, agent.market.risk, order.client_id, order.side, order.price_ticks, order.open_lots
        )
        if order.in_flight:
            agent.risk.in_flight += 1
            self.gate.in_flight += 1
        agent.unknown += order.state == UNKNOWN

    def unlisted(self, order: Order, asked_ns: int) -> None:
        """An account snapshot, asked for at `asked_ns`, does not list a working order of ours."""
        if order.state == UNKNOWN and order.end_state == NO_END:
            if 0 < order.not_found_ns <= asked_ns:
                never_stood = order.venue_order_id == 0 and order.filled_lots == 0
                self._end(order, self.agents[order.agent], REJECTED if never_stood else CANCELLED)
        elif order.state in (OPEN, PARTIALLY_FILLED) and order.changed_ns < asked_ns:
            self.doubt(order, 0)

    def started(self) -> None:
        """Begin again: what stood is unknown until asked for, and is only to be cancelled."""
        for order in self.working.values():
            order.cancel_wanted = True
            self.doubt(order, 0)
            order.queries, order.next_query_ns = 0, self.now_ns

    def link_up(self, account: Account) -> None:
        """Ask again at once for what became unknown while the link was down."""
        for order in self.working.values():
            if order.state == UNKNOWN and self.markets[order.instrument].account is account:
                order.queries, order.next_query_ns = 0, self.now_ns

    def link_lost(self, account: Account) -> None:
        """Doubt whatever was in flight on a link that broke."""
        for order in self.working.values():
            if order.in_flight and self.markets[order.instrument].account is account:
                self.doubt(order, 0)

    def alarm(self, kind: str, text: str, out: Actions) -> None:
        """Tell the operator, and keep the newest few alarms for reports."""
        out.append(Alarm(kind, text))
        self.alarms = [*self.alarms[-15:], f"{kind}: {text}"]

    # Bookkeeping

    def _to(self, order: Order, agent: Agent, after: int) -> None:
        before = order.state
        change = CHANGES[before][after]
        assert change is not None, f"{client_id_text(order.client_id)}: {before} may not become {after}"
        order.state, order.changed_ns = after, self.now_ns
        if change != 0:
            agent.risk.in_flight += change
            self.gate.in_flight += change
        if after == UNKNOWN:
            agent.unknown += 1
        elif before == UNKNOWN:
            agent.unknown -= 1

    def _end(self, order: Order, agent: Agent, state: int) -> None:
        """End an order: nothing of it counts any more."""
        self._to(order, agent, state)
        market, number = agent.market.risk, order.client_id
        if order.open_lots > 0:
            release(agent.risk, market, order.side, order.price_ticks, order.open_lots)
            order.open_lots = 0
        del self.working[number], agent.orders[number]
        if order.side > 0:
            own = market.own_bids
            del own[number]
            if not own:
                market.own_bid_top = 0
        else:
            own = market.own_asks
            del own[number]
            if not own:
                market.own_ask_floor = PRICE_MAX
        if state == FILLED:
            agent.filled += 1
        agent.market.account.activity += 1
        self.remember(order)

    def remember(self, order: Order) -> None:
        """Keep an ended order for late words about it; the oldest makes room."""
        self.closed[order.client_id] = order
        ended = self.ended
        ended.append(order.client_id)
        if len(ended) > self.closed_max:
            del self.closed[ended.popleft()]
