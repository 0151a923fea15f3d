"""Small builders of nodes, and a venue in memory that answers a node's actions."""

from __future__ import annotations

from typing import Any

from agents.config import RegionConfig
from agents.node import Node
from domain.actions import Action, CancelOrder, FetchAccount, FetchBook, QueryOrder, SendOrder
from domain.control_events import Clocked, LeaseGranted, NodeStarted
from domain.desire import Desire, Quote, QuoteSet, TargetPosition, Urgency
from domain.events import Event
from domain.ids import client_id_text
from domain.instrument import Instrument
from domain.market_events import BookSnapshot, FeedUp, Tick
from domain.order import OrderState, TimeInForce
from domain.order_events import (
    AccountSnapshot,
    CancelRefused,
    Fill,
    OpenOrder,
    OrderAcked,
    OrderClosed,
    OrderLinkUp,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from domain.protocols import View
from domain.units import ATOMS_PER_UNIT

MS = 1_000_000
S = 1_000_000_000
VENUE = "test-x"


def instrument(index: int = 0, base: str = "BTC", quote: str = "USDT", **changes: Any) -> Instrument:
    """Build a market: tick 0.01, lot 0.001, minimum notional 10."""
    wanted: dict[str, Any] = {
        "tick": "0.01",
        "lot": "0.001",
        "size_min": "0.001",
        "notional_atoms_min": 10 * ATOMS_PER_UNIT,
        "venue": VENUE,
        **changes,
    }
    venue = wanted.pop("venue")
    return Instrument.of(index, venue, base, quote, **wanted)


def agent_table(shard: int = 1, strategy: str = "momentum", symbol: str = "BTCUSDT", **changes: Any) -> Any:
    """Build an agent's table."""
    return {
        "name": f"{strategy}-{shard}",
        "shard": shard,
        "strategy": strategy,
        "venue": VENUE,
        "symbol": symbol,
        "warm_ticks": 0,
        **changes,
    }


def config(*agents: Any, **changes: Any) -> RegionConfig:
    """Build a region with one venue."""
    return RegionConfig.model_validate(
        {
            "node": "test-1",
            "region": "test",
            "coordinator": {"address": "tcp://127.0.0.1:7070"},
            "venues": [
                {
                    "name": VENUE,
                    "rest_url": "http://127.0.0.1:7101",
                    "stream_url": "ws://127.0.0.1:7101",
                    "api_url": "ws://127.0.0.1:7101/ws-api/v3",
                    "account": "test",
                    "api_key_env": "KEY",
                    "api_secret_env": "SECRET",
                    "symbols": ("BTCUSDT", "ETHUSDT", "ETHBTC"),
                }
            ],
            "agents": agents or (agent_table(),),
            **changes,
        }
    )


SNAPSHOT_LOTS = 5


class Scripted:
    """A strategy that wants what a script says, tick by tick, and then nothing new.

    The touch that a snapshot brings is not of the script: it comes whenever a book is synchronised.
    """

    config = None

    def __init__(self, *wanted: Desire | None) -> None:
        self.wanted = list(wanted)
        self.seen: list[Event] = []

    def step(self, view: View, event: Event) -> Desire | None:
        self.seen.append(event)
        scripted = type(event) is Tick and event.bid_lots != SNAPSHOT_LOTS
        return self.wanted.pop(0) if scripted and self.wanted else None

    def state(self) -> bytes:
        return bytes([len(self.wanted)])

    def restore(self, state: bytes) -> None:
        assert state == self.state()


def quotes(*wanted: tuple[int, int, int], index: int = 0) -> QuoteSet:
    """Want quotes given as (side, price, size)."""
    return QuoteSet(index, tuple(Quote(*each) for each in wanted))


def target(lots: int, urgency: str = "normal", index: int = 0) -> TargetPosition:
    """Want a position."""
    return TargetPosition(index, lots, int(Urgency[urgency.upper()]))


class Standing:
    """An order at the venue in memory."""

    def __init__(self, number: int, sent: SendOrder) -> None:
        intent = sent.approved.intent
        self.number, self.client_id, self.intent = number, sent.client_id, intent
        self.filled, self.state = 0, int(OrderState.OPEN)

    @property
    def left(self) -> int:
        return self.intent.size_lots - self.filled


class VenueInMemory:
    """Keep orders, trades and balances as a venue does; every call gives the events that it would send."""

    def __init__(self, instruments: tuple[Instrument, ...], balances: dict[str, int]) -> None:
        self.instruments = {one.index: one for one in instruments}
        self.totals = {asset: units * ATOMS_PER_UNIT for asset, units in balances.items()}
        self.orders: dict[int, Standing] = {}
        self.trades: list[Fill] = []
        self.strangers: list[OpenOrder] = []
        self.trade_id = 0

    def answer(self, action: Action, now_ns: int) -> list[Event]:
        """Do what an action asks."""
        match action:
            case SendOrder():
                return self.place(action, now_ns)
            case CancelOrder(client_id, _):
                return self.cancel(client_id, now_ns)
            case QueryOrder(client_id, _):
                return self.query(client_id, now_ns)
            case FetchAccount(_, since):
                return [self.account(dict(since), now_ns)]
            case FetchBook(index):
                return [BookSnapshot(index, now_ns, now_ns, 1, ((9_999, 5),), ((10_001, 5),))]
            case _:
                return []

    def place(self, sent: SendOrder, now_ns: int) -> list[Event]:
        """Take an order; IOC ends at once unless a test fills it."""
        if sent.client_id in self.orders:
            return [OrderRefusedByVenue(sent.client_id, now_ns, -2010, "Duplicate order sent.")]
        order = self.orders[sent.client_id] = Standing(len(self.orders) + 1, sent)
        events: list[Event] = [OrderAcked(sent.client_id, now_ns, order.number)]
        if order.intent.tif == TimeInForce.IOC:
            events += self.fill(sent.client_id, order.left, now_ns)
        return events

    def fill(self, client_id: int, size_lots: int, now_ns: int) -> list[Event]:
        """Let somebody trade with an order."""
        order = self.orders[client_id]
        size_lots = min(size_lots, order.left)
        if order.state >= OrderState.FILLED or size_lots <= 0:
            return []
        intent, market = order.intent, self.instruments[order.intent.instrument]
        order.filled += size_lots
        order.state = int(OrderState.FILLED if order.left == 0 else OrderState.PARTIALLY_FILLED)
        self.trade_id += 3
        buys = intent.side > 0
        fee_asset = market.base if buys else market.quote
        notional = market.notional_atoms(intent.price_ticks, size_lots)
        got = size_lots * market.lot_atoms if buys else notional
        fee = got // 1000
        fill = Fill(
            client_id,
            now_ns,
            intent.instrument,
            self.trade_id,
            order.number,
            intent.side,
            intent.price_ticks,
            size_lots,
            fee,
            fee_asset,
            True,
            now_ns,
        )
        self.trades.append(fill)
        self.totals[market.base] += intent.side * size_lots * market.lot_atoms
        self.totals[market.quote] -= intent.side * notional
        self.totals[fee_asset] -= fee
        return [fill]

    def cancel(self, client_id: int, now_ns: int) -> list[Event]:
        """Cancel an order, or refuse to."""
        order = self.orders.get(client_id)
        if order is None or order.state >= OrderState.FILLED:
            return [CancelRefused(client_id, now_ns, -2011)]
        order.state = int(OrderState.CANCELLED)
        return [OrderClosed(client_id, now_ns, int(OrderState.CANCELLED), order.filled)]

    def query(self, client_id: int, now_ns: int) -> list[Event]:
        """Tell an order's fate."""
        order = self.orders.get(client_id)
        if order is None:
            return [OrderNotFound(client_id, now_ns)]
        return [OrderStatus(client_id, now_ns, order.number, order.state, order.filled)]

    def account(self, since: dict[int, int], now_ns: int) -> AccountSnapshot:
        """Tell balances, open orders and trades."""
        listed = [
            OpenOrder(
                order.client_id,
                client_id_text(order.client_id),
                order.number,
                order.intent.instrument,
                order.intent.side,
                order.intent.tif,
                order.intent.price_ticks,
                order.intent.size_lots,
                order.filled,
            )
            for order in self.orders.values()
            if order.state < OrderState.FILLED
        ]
        fills = tuple(fill for fill in self.trades if fill.trade_id > since.get(fill.instrument, 0))
        balances = {asset: (atoms, 0) for asset, atoms in self.totals.items()}
        return AccountSnapshot(VENUE, now_ns, balances, (*listed, *self.strangers), fills)


class Rig:
    """A node and its venue, stepped together; `log` keeps every action."""

    def __init__(self, *agents: Any, **changes: Any) -> None:
        self.config = config(*agents, **changes)
        self.instruments = (
            instrument(0),
            instrument(1, "ETH"),
            instrument(2, "ETH", "BTC", tick="0.00001", notional_atoms_min=0),
        )
        self.node = Node(self.config, self.instruments)
        self.venue = VenueInMemory(self.instruments, {"BTC": 100, "ETH": 1000, "USDT": 1_000_000})
        self.now_ns = S
        self.log: list[Action] = []
        self.inputs: list[Event] = []

    def step(self, event: Event, answered: bool = True) -> list[Action]:
        """Step the node, and feed back what the venue answers until it is quiet."""
        self.inputs.append(event)
        actions = self.node.step(event)
        self.log += actions
        made = list(actions)
        if answered:
            for action in actions:
                for reply in self.venue.answer(action, self.now_ns):
                    made += self.step(reply)
        return made

    def start(self, epoch: int = 1) -> None:
        """Start, connect, reconcile and take a lease."""
        self.step(NodeStarted(self.now_ns, "config", "build"))
        self.step(OrderLinkUp(VENUE, self.now_ns))
        self.step(FeedUp(VENUE, self.now_ns))
        self.lease(epoch)

    def lease(self, epoch: int, seconds: int = 3600, budget: int = 1_000_000) -> list[Action]:
        """Take a lease."""
        expires_ns = self.now_ns + seconds * S
        return self.step(LeaseGranted(self.now_ns, epoch, expires_ns, budget * ATOMS_PER_UNIT))

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass, with a timer that ticks 20 times a second."""
        made = []
        for _ in range(round(seconds * 20)):
            self.now_ns += 50 * MS
            made += self.step(Clocked(self.now_ns))
        return made

    def tick(self, bid: int = 9_999, ask: int = 10_001, index: int = 0, lots: int = 1000) -> list[Action]:
        """Move the top of the book, 10 ms later."""
        self.now_ns += 10 * MS
        return self.step(self.tick_event(bid, ask, index, lots))

    def tick_event(self, bid: int = 9_999, ask: int = 10_001, index: int = 0, lots: int = 1000) -> Tick:
        """Make a tick of now."""
        return Tick(index, self.now_ns, self.now_ns, bid, lots, ask, lots, self.now_ns)
