"""All orders of a node and where each of them stands: counted until the venue said that it is over."""

from __future__ import annotations

from collections import deque

from agents.account import Account
from agents.agent import Agent
from agents.config import DeskConfig
from agents.market import Market
from agents.order import (
    CANCELLED,
    CHANGES,
    FILLED,
    NO_END,
    OPEN,
    PARTIALLY_FILLED,
    PENDING_CANCEL,
    PENDING_NEW,
    REJECTED,
    UNKNOWN,
    Order,
)
from domain.actions import Action, Alarm, CancelOrder, QueryOrder
from domain.ids import client_id_parts, client_id_text
from domain.order_events import (
    Fill,
    OpenOrder,
)
from risk.exposure import PRICE_MAX, release, reserve
from risk.gate import Gate

Actions = list[Action]


def _ns(seconds: float) -> int:
    return round(seconds * 1_000_000_000)


class Orders:
    """Keep all orders of a node, from the moment of sending to their end."""

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

    def cancel(self, order: Order, out: Actions) -> None:
        """Cancel an order, at once where its standing is known and the link is up, else as soon as it is."""
        agent = self.agents[order.agent]
        if order.end_state != NO_END:
            return
        if order.state in (OPEN, PARTIALLY_FILLED) and agent.market.account.link_up:
            self._to(order, agent, PENDING_CANCEL)
            order.cancel_wanted = True
            self.gate.count_cancel(agent.risk, self.now_ns)
            out.append(CancelOrder(order.client_id, order.instrument))
        elif order.state != PENDING_CANCEL:
            order.cancel_wanted = True

    def doubt(self, order: Order) -> None:
        """Take an order for unknown, to be asked for."""
        if order.state != UNKNOWN:
            self._to(order, self.agents[order.agent], UNKNOWN)
            order.queries, order.next_query_ns = 0, self.now_ns

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

    def watch(self, out: Actions) -> None:
        """Doubt what has waited too long, and ask for what is unknown."""
        now_ns = self.now_ns
        for order in self.working.values():
            if order.state == PENDING_NEW:
                if now_ns - order.changed_ns >= self.submit_timeout_ns:
                    self.doubt(order)
            elif order.state == PENDING_CANCEL and now_ns - order.changed_ns >= self.cancel_timeout_ns:
                self.doubt(order)
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

    def _stands(self, order: Order, out: Actions) -> None:
        self._to(order, self.agents[order.agent], OPEN if order.filled_lots == 0 else PARTIALLY_FILLED)
        order.queries = order.not_found_ns = 0
        if order.cancel_wanted:
            self.cancel(order, out)

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

    def unlisted(self, order: Order, asked_ns: int) -> None:
        """An account snapshot, asked for at `asked_ns`, does not list a working order of ours."""
        if order.state == UNKNOWN and order.end_state == NO_END:
            if 0 < order.not_found_ns <= asked_ns:
                never_stood = order.venue_order_id == 0 and order.filled_lots == 0
                self._end(order, self.agents[order.agent], REJECTED if never_stood else CANCELLED)
        elif order.state in (OPEN, PARTIALLY_FILLED) and order.changed_ns < asked_ns:
            self.doubt(order)

    def started(self) -> None:
        """Begin again: what stood is unknown until asked for, and is only to be cancelled."""
        for order in self.working.values():
            order.cancel_wanted = True
            self.doubt(order)
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
                self.doubt(order)

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
            agent.risk.position_lots += lots
            held.base_atoms += base_atoms
            held.quote_atoms += quote_atoms
            held.fills += 1
            if agent.heard is not None:
                agent.heard.append(event)

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
        before = order.state
        if CHANGES[before][state] == 0 and before != UNKNOWN:
            order.state, order.changed_ns = state, self.now_ns
        else:
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
        closed, ended = self.closed, self.ended
        closed[number] = order
        ended.append(number)
        if len(ended) > self.closed_max:
            del closed[ended.popleft()]

    def alarm(self, kind: str, text: str, out: Actions) -> None:
        """Tell the operator, and keep the newest few alarms for reports."""
        out.append(Alarm(kind, text))
        self.alarms = [*self.alarms[-15:], f"{kind}: {text}"]
