"""A node with an arbitrage group over two venues in memory, each of which can be told to misbehave."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from agents.arbitrage.arbitrageur import Arbitrageur
from agents.config import RegionConfig
from agents.node import Node
from domain.actions import Action, Alarm, CancelOrder, FetchAccount, FetchBook, QueryOrder, SendOrder
from domain.control_events import Clocked, LeaseGranted, NodeStarted
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import BookSnapshot, FeedUp, Tick
from domain.order import OrderState
from domain.order_events import (
    AccountSnapshot,
    FateUnknown,
    OrderAcked,
    OrderClosed,
    OrderLinkLost,
    OrderLinkUp,
    OrderNotFound,
    OrderRefusedByVenue,
)
from domain.units import ATOMS_PER_UNIT
from tests.agents.builders import MS, S, Standing, VenueInMemory, agent_table, instrument

A, B = "a-x", "b-x"
# What an order meets: so many lots filled, or a way to fail.
Meets = int | str
SYMBOLS = ("BTCUSDT", "ETHUSDT", "ETHBTC")
BTC_A, ETH_A, CROSS_A, BTC_B, ETH_B, CROSS_B = range(6)
MID = {BTC_A: 10_000, ETH_A: 10_000, CROSS_A: 100_000, BTC_B: 10_000, ETH_B: 10_000, CROSS_B: 100_000}
BEGIN_NS = 1_000 * S


def venue_table(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "rest_url": "http://127.0.0.1:7101",
        "stream_url": "ws://127.0.0.1:7101",
        "api_url": "ws://127.0.0.1:7101/ws-api/v3",
        "account": "test",
        "api_key_env": "KEY",
        "api_secret_env": "SECRET",
        "symbols": SYMBOLS,
    }


def group_table(**changes: Any) -> dict[str, Any]:
    """Build a group's table: everything is worth sending that gains a little."""
    return {
        "name": "arb",
        "shard": 100,
        "losses": {"USDT": 5_000, "BTC": 50, "ETH": 50},
        "capital": 100_000,
        "limits": {"order_notional_max": 10_000, "position_notional_max": 50_000, "collar_bps": 500},
        "threshold": {"prior_bps": 0.0, "volatility_bps": 0.2, "floor_bps": 1.0},
        "shares": {"depth_frac_max": 1.0, "kelly_frac": 1.0, "route_frac_max": 1.0, "venue_frac_max": 1.0,
                   "asset_frac_max": 1.0},
        "reach_us": {"test": {A: 500, B: 2_000}},
        **changes,
    }  # fmt: skip


def region_config(*groups: dict[str, Any], **changes: Any) -> RegionConfig:
    return RegionConfig.model_validate(
        {
            "node": "test-1",
            "region": "test",
            "coordinator": {"address": "tcp://127.0.0.1:7070"},
            "venues": [venue_table(A), venue_table(B)],
            "agents": [agent_table(1, venue=A)],
            "arbitrage": groups or (group_table(),),
            **changes,
        }
    )


def instruments(fee_ppm: int = 100) -> tuple[Instrument, ...]:
    made = []
    for place, venue in enumerate((A, B)):
        common: dict[str, Any] = {"venue": venue, "taker_fee_ppm": fee_ppm}
        made += [
            instrument(3 * place, **common),
            instrument(3 * place + 1, "ETH", **common),
            instrument(3 * place + 2, "ETH", "BTC", tick="0.00001", notional_atoms_min=0, **common),
        ]
    return tuple(made)


class Venue(VenueInMemory):
    """A venue that fills IOC orders as far as it is told to, at their price."""

    def __init__(self, name: str, markets: tuple[Instrument, ...], fee_ppm: int = 100) -> None:
        own = tuple(one for one in markets if one.venue == name)
        super().__init__(own, {"BTC": 100, "ETH": 1000, "USDT": 1_000_000})
        self.name, self.fee_ppm = name, fee_ppm
        # What each next order meets: lots filled, or a way to fail; nothing means that it is filled whole.
        self.script: deque[Meets] = deque()
        self.hidden: list[Event] = []
        self.opening = dict(self.totals)

    def place(self, sent: SendOrder, now_ns: int) -> list[Event]:
        meets = self.script.popleft() if self.script else 1 << 40
        if meets == "reject":
            return [OrderRefusedByVenue(sent.client_id, now_ns, -2010, "Filter failure")]
        if meets == "never":  # lost on its way, and nobody says so
            return [FateUnknown(sent.client_id, now_ns, "timed out")]
        if meets == "unsent":
            return [OrderRefusedByVenue(sent.client_id, now_ns, 1, "not sent: no link")]
        order = self.orders[sent.client_id] = Standing(len(self.orders) + 1, sent)
        events: list[Event] = [OrderAcked(sent.client_id, now_ns, order.number)]
        if meets == "rest":
            return events
        events += self.fill(sent.client_id, meets if isinstance(meets, int) else 1 << 40, now_ns)
        if order.state < OrderState.FILLED:
            order.state = int(OrderState.EXPIRED)
            events.append(OrderClosed(sent.client_id, now_ns, order.state, order.filled))
        if meets == "silent":  # accepted and filled, and the answers are lost
            self.hidden += events
            return [FateUnknown(sent.client_id, now_ns, "5xx")]
        if meets == "mute":
            self.hidden += events
            return []
        return events

    def fill(self, client_id: int, size_lots: int, now_ns: int) -> list[Event]:
        """Fill as any venue here does, at this venue's own fee."""
        before = dict(self.totals)
        if not super().fill(client_id, size_lots, now_ns):
            return []
        fill = self.trades[-1]
        got = fill.fee_asset
        gross = self.totals[got] - before[got] + fill.fee_atoms
        fee = -(-gross * self.fee_ppm // 1_000_000)
        self.totals[got] = before[got] + gross - fee
        self.trades[-1] = msgspec.structs.replace(fill, fee_atoms=fee, maker=False)
        return [self.trades[-1]]

    def account(self, since: dict[int, int], now_ns: int) -> AccountSnapshot:
        return msgspec.structs.replace(super().account(since, now_ns), venue=self.name)

    def query(self, client_id: int, now_ns: int) -> list[Event]:
        if client_id not in self.orders:
            return [OrderNotFound(client_id, now_ns)]
        return super().query(client_id, now_ns)


class Rig:
    """The node and its venues, stepped together; `inputs` keeps every event and `log` every action."""

    def __init__(self, *groups: dict[str, Any], fee_ppm: int = 100, **changes: Any) -> None:
        self.config = region_config(*groups, **changes)
        self.instruments = instruments(fee_ppm)
        self.node = Node(self.config, self.instruments)
        self.venues = {name: Venue(name, self.instruments, fee_ppm) for name in (A, B)}
        self.now_ns = BEGIN_NS
        self.inputs: list[Event] = []
        self.log: list[Action] = []
        self.cut: set[str] = set()

    @property
    def group(self) -> Arbitrageur:
        (group,) = self.node.groups
        return group

    def step(self, event: Event, *, answered: bool = True) -> list[Action]:
        """Step the node, and feed back what the venues answer until all is quiet."""
        self.inputs.append(event)
        actions = self.node.step(event)
        self.log += actions
        made = list(actions)
        if answered:
            for action in actions:
                for reply in self.answer(action):
                    made += self.step(reply)
        return made

    def answer(self, action: Action) -> list[Event]:
        """Do what an action asks, where the venue can be reached."""
        if isinstance(action, FetchAccount):
            return [] if action.venue in self.cut else self.venues[action.venue].answer(action, self.now_ns)
        if isinstance(action, FetchBook):
            mid = MID[action.instrument]
            levels = ((mid - 1, 5000),), ((mid + 1, 5000),)
            return [BookSnapshot(action.instrument, self.now_ns, self.now_ns, 1, *levels)]
        if isinstance(action, SendOrder):
            index = action.approved.intent.instrument
        elif isinstance(action, CancelOrder | QueryOrder):
            index = action.instrument
        else:
            return []
        name = self.instruments[index].venue
        return [] if name in self.cut else self.venues[name].answer(action, self.now_ns)

    def start(self, epoch: int = 1) -> None:
        """Start, connect both venues, reconcile, take a lease, and hear of every market."""
        self.step(NodeStarted(self.now_ns, "config", "build"))
        for name in self.venues:
            self.step(OrderLinkUp(name, self.now_ns))
            self.step(FeedUp(name, self.now_ns))
        self.lease(epoch)
        self.settle()

    def lease(self, epoch: int = 1, seconds: float = 3_600) -> list[Action]:
        expires_ns = self.now_ns + round(seconds * S)
        return self.step(LeaseGranted(self.now_ns, epoch, expires_ns, 1_000_000 * ATOMS_PER_UNIT))

    def settle(self) -> None:
        """Hear of every market at its middle, and let time pass."""
        for _ in range(3):
            for index, mid in MID.items():
                self.tick(index, mid - 1, mid + 1)
            self.wait(0.1)

    def tick(
        self, index: int, bid: int, ask: int, lots: int = 2_000, *, answered: bool = True
    ) -> list[Action]:
        """Move the touch of a market, a millisecond later."""
        self.now_ns += MS
        at = self.now_ns
        return self.step(Tick(index, at, at, bid, lots, ask, lots, at), answered=answered)

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass, with a timer that ticks 20 times a second."""
        made = []
        for _ in range(round(seconds * 20)):
            self.now_ns += 50 * MS
            made += self.step(Clocked(self.now_ns))
        return made

    def quiet(self, seconds: float) -> list[Action]:
        """Let time pass while every market is heard of at its middle."""
        made = []
        for _ in range(round(seconds * 2)):
            for index, mid in MID.items():
                made += self.tick(index, mid - 1, mid + 1)
            made += self.wait(0.5)
        return made

    def gap(self, lots: int = 2_000, *, answered: bool = True) -> list[Action]:
        """Let BTC be bought at A for less than it is sold at B: 30 bps between them."""
        return self.tick(BTC_B, 10_030, 10_032, lots, answered=answered)

    def lose(self, name: str) -> None:
        """Cut the order connection to a venue."""
        self.cut.add(name)
        self.step(OrderLinkLost(name, self.now_ns, "test"))

    def find(self, name: str) -> None:
        """Let the connection stand again."""
        self.cut.discard(name)
        self.step(OrderLinkUp(name, self.now_ns))

    def restart(self, epoch: int) -> None:
        """Kill the node and start another one from what a snapshot kept."""
        state = self.node.state()
        self.node = Node(self.config, self.instruments)
        self.node.restore(state)
        self.start(epoch)

    def balances_agree(self) -> bool:
        """Tell whether the node counts what the venues have."""
        report = self.node.report(self.now_ns)
        return all(
            {asset: atoms for asset, atoms in report.balances[name].items() if atoms}
            == {asset: atoms for asset, atoms in venue.totals.items() if atoms}
            for name, venue in self.venues.items()
        )

    def moved(self, asset: str) -> int:
        """Give by how many atoms of an asset all venues together have changed."""
        return sum(venue.totals[asset] - venue.opening[asset] for venue in self.venues.values())


def sent(actions: list[Action]) -> list[tuple[int, int, int]]:
    """Give (market, side, lots) of every order."""
    intents = [action.approved.intent for action in actions if isinstance(action, SendOrder)]
    return [(intent.instrument, intent.side, intent.size_lots) for intent in intents]


def alarms(actions: list[Action]) -> list[str]:
    return [action.kind for action in actions if isinstance(action, Alarm)]
