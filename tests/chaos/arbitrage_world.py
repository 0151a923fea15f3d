"""Two exchanges on real sockets in virtual time, and a node between them that may be killed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from unittest.mock import patch

from agents.config import RegionConfig
from agents.node import Node
from agents.record import Recorder, recover
from bus.journal_memory import MemoryJournal
from domain.actions import Alarm, CancelOrder, FetchAccount, FetchBook, QueryOrder, SendOrder
from domain.control_events import Clocked, LeaseGranted, NodeStarted, StopRequested
from domain.events import Event
from domain.instrument import Instrument
from domain.order import Side, TimeInForce
from market.venues.venue import Venue, load_instruments, venue_of
from sim.exchange.config import ExchangeConfig
from sim.exchange.faults.config import FaultSpec
from sim.exchange.faults.desk import FAULTS, FaultDesk
from sim.exchange.messages import CancelPlaced, PlaceOrder, SelfTradePrevention
from sim.exchange.recovery import RecordedExchange
from sim.exchange.server import Stand, _Door, bind
from sim.exchange.server_flow import flush_depth
from sim.exchange.server_venue import Venue as Served
from sim.exchange.sign import ApiKey
from tests.chaos.virtual_loop import VirtualClock, VirtualLoop
from tests.market.venue_server import KEY, SECRET

A, B = "a-x", "b-x"
MID, HALF, GAP, LOTS, LEVELS = 6_000_000, 300, 30_000, 20_000, 3
CLOCK_S, QUOTE_S, COMMIT_S = 0.05, 0.6, 0.02
S = 1_000_000_000


def exchange_config(name: str) -> ExchangeConfig:
    market = {"base": "BTC", "quote": "USDT", "tick": "0.01", "lot": "0.00001", "size_max": "100"}
    return ExchangeConfig.model_validate(
        {
            "name": name,
            "assets": ["BTC", "USDT"],
            "taker_fee_ppm": 200,
            "markets": [{**market, "notional_min": "5", "start_price": "60000"}],
            "accounts": [
                {"name": "ours", "balances": {"BTC": "10", "USDT": "1000000"}},
                {"name": "crowd", "unlimited": True, "open_orders_max": 1000},
            ],
        }
    )


class Exchange:
    """One exchange with its door, its faults, and a book that the test moves."""

    def __init__(self, name: str, clock: VirtualClock) -> None:
        self.name, self.clock, self.mid = name, clock, MID
        config = exchange_config(name)
        recorded = RecordedExchange.recover(config, MemoryJournal(name))
        self.core = recorded.exchange
        self.served = Served(config, recorded, clock, {KEY: ApiKey(0, SECRET.encode())})
        (port,) = bind([(name, 0)])
        self.stand = Stand(self.served, port, None)
        self.desk: FaultDesk

    async def open(self, stack: AsyncExitStack) -> None:
        door = _Door(self.stand)
        await stack.enter_async_context(door)
        self.desk = door._runner.app[FAULTS]

    def add(self, **spec: Any) -> None:
        wanted = FaultSpec.model_validate(spec)
        problem = self.desk.problem(wanted)
        assert problem is None, problem
        self.desk.add(wanted)

    def calm(self) -> None:
        for fault in list(self.desk.faults.all()):
            self.desk.remove(fault.number)

    async def quote(self) -> None:
        """Put a fresh book around the middle in the place of the last one."""
        now_ns, apply = self.clock.now_ns(), self.served.apply
        standing = [order.order_id for order in self.core.open_orders(1, 0)]

        def renew() -> None:
            for order_id in standing:
                apply(CancelPlaced(now_ns, 1, 0, order_id))
            for place in range(LEVELS):
                for side in (Side.BUY, Side.SELL):
                    price = self.mid - int(side) * (HALF + 100 * place)
                    # The touch breathes, so that the book is heard of.
                    lots = LOTS + (now_ns // 1_000_000) % 97
                    apply(
                        PlaceOrder(
                            now_ns, 1, 0, int(side), int(TimeInForce.GTC), price, lots,
                            self_trade=SelfTradePrevention.NONE,
                        )
                    )  # fmt: skip

        await self.served.ask(renew)

    def balances(self) -> dict[str, int]:
        return {asset: free + locked for asset, (free, locked) in self.core.balances(0).items()}


def region_config(exchanges: list[Exchange]) -> RegionConfig:
    """Reach both exchanges as a node would, with the defaults of a node."""
    venues = []
    for one in exchanges:
        base = one.stand.url.removeprefix("http://")
        venues.append(
            {
                "name": one.name,
                "rest_url": f"http://{base}",
                "stream_url": f"ws://{base}",
                "api_url": f"ws://{base}/ws-api/v3",
                "account": "ours",
                "api_key_env": "TEST_X_KEY",
                "api_secret_env": "TEST_X_SECRET",
                "symbols": ("BTCUSDT",),
            }
        )
    idle = {"name": "idle", "shard": 1, "strategy": "momentum", "venue": A, "symbol": "BTCUSDT"}
    group = {
        "name": "arb",
        "shard": 100,
        "losses": {"USDT": 2_000},
        "limits": {"order_notional_max": 10_000, "position_notional_max": 50_000, "collar_bps": 500},
        "reach_us": {"test": {A: 500, B: 500}},
        "shares": {"venue_frac_max": 1.0, "asset_frac_max": 1.0},
        "threshold": {"prior_bps": 0.0},
    }
    return RegionConfig.model_validate(
        {
            "node": "test-1",
            "region": "test",
            "coordinator": {"address": "tcp://127.0.0.1:1"},
            "venues": venues,
            "agents": [{**idle, "parameters": {"enter_bps": 10_000.0}}],
            "arbitrage": [group],
            "authority": {"reconcile_s": 3.0},
        }
    )


class World:
    """Exchanges, node and time."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.exchanges = {name: Exchange(name, clock) for name in (A, B)}
        self.store = MemoryJournal("node")
        self.alarms: list[str] = []
        self.epoch = 0
        self.recorder: Recorder | None = None
        self._life: AsyncExitStack | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._venues: dict[str, Venue] = {}
        self._by_instrument: list[Venue] = []
        self.instruments: tuple[Instrument, ...] = ()

    @property
    def node(self) -> Node:
        assert self.recorder is not None and isinstance(self.recorder.core, Node)
        return self.recorder.core

    # The node's life

    async def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Start a node on its journal, connect it, and lease it its authority."""
        config = region_config(list(self.exchanges.values()))
        found: list[Instrument] = []
        for venue in config.venues:
            found += await load_instruments(venue, venue.symbols, self.clock, first_index=len(found))
        self.instruments = tuple(found)
        self.recorder, _ = recover(self.store, config, self.instruments)
        self.deliver(NodeStarted(self.clock.now_ns(), "", ""))
        self._life, self._venues, self._by_instrument = AsyncExitStack(), {}, []
        for venue in config.venues:
            own = [one for one in self.instruments if one.venue == venue.name]
            made = venue_of(venue, own, self.clock, self.deliver)
            self._venues[venue.name] = made
            self._by_instrument.extend(made for _ in own)
        for made in self._venues.values():
            await self._life.enter_async_context(made)
        self.epoch += 1
        self.deliver(LeaseGranted(self.clock.now_ns(), self.epoch, 1 << 62, 10**17))
        self._tasks = [
            tasks.create_task(self._every(CLOCK_S, lambda: self.deliver(Clocked(self.clock.now_ns())))),
            tasks.create_task(self._every(COMMIT_S, self._commit)),
        ]

    async def kill(self) -> None:
        """End the node in the middle of whatever it does; what was not committed is lost."""
        for task in self._tasks:
            task.cancel()
        self.recorder, life = None, self._life
        assert life is not None
        await life.aclose()
        kept = MemoryJournal("node")
        for _, record in self.store.read(1):
            kept.append(record)
        kept.commit()
        self.store = kept

    async def end(self) -> None:
        self.deliver(StopRequested(self.clock.now_ns()))
        await asyncio.sleep(2)
        await self.kill()

    def _commit(self) -> None:
        self.store.commit()

    @staticmethod
    async def _every(wait_s: float, work: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(wait_s)
            work()

    def deliver(self, event: Event) -> None:
        """Step the node and carry out what it decides, as its shell does."""
        if self.recorder is None:
            return
        for action in self.recorder.step(event):
            match action:
                case SendOrder(client_id, approved):
                    self._by_instrument[approved.intent.instrument].send(client_id, approved)
                case CancelOrder(client_id, instrument):
                    self._by_instrument[instrument].cancel(client_id, instrument)
                case QueryOrder(client_id, instrument):
                    self._by_instrument[instrument].query(client_id, instrument)
                case FetchAccount(venue, since):
                    self._venues[venue].fetch_account(since)
                case FetchBook(instrument):
                    self._by_instrument[instrument].fetch_book(instrument)
                case Alarm(kind, text):
                    self.alarms.append(f"{kind}: {text}")

    # The market

    async def gap(self) -> None:
        """Let BTC cost 50 bps more at B."""
        self.exchanges[B].mid = MID + GAP
        await self.exchanges[B].quote()

    async def close(self) -> None:
        """Let it cost the same again."""
        self.exchanges[B].mid = MID
        await self.exchanges[B].quote()

    async def quote(self) -> None:
        while True:
            await asyncio.sleep(QUOTE_S)
            for exchange in self.exchanges.values():
                await exchange.quote()

    # What must hold

    def differences(self) -> list[str]:
        """Say in what the node's accounts differ from the exchanges' own."""
        report, told = self.node.report(self.clock.now_ns()), []
        for name, exchange in self.exchanges.items():
            mine = {asset: report.balances[name].get(asset, 0) for asset in exchange.balances()}
            if mine != exchange.balances():
                told.append(f"{name}: {exchange.balances()}, we count {mine}")
        return told if report.reconciled else [*told, "not reconciled", *report.unexplained]


def live(scenario: Callable[[World, asyncio.TaskGroup], Awaitable[None]]) -> World:
    """Run a scenario to its end."""
    loop = VirtualLoop()
    with (
        patch.dict(os.environ, {"TEST_X_KEY": KEY, "TEST_X_SECRET": SECRET}),
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        world = World(VirtualClock(loop))

        async def run() -> None:
            async with asyncio.TaskGroup() as tasks:
                serving = [tasks.create_task(one.served.run()) for one in world.exchanges.values()]
                async with AsyncExitStack() as doors:
                    for one in world.exchanges.values():
                        await one.open(doors)
                        serving.append(tasks.create_task(flush_depth(one.served)))
                    for one in world.exchanges.values():
                        await one.quote()
                    serving.append(tasks.create_task(world.quote()))
                    await world.begin(tasks)
                    await asyncio.sleep(3)
                    await scenario(world, tasks)
                    await world.kill()
                for task in serving:
                    task.cancel()

        runner.run(run())
    return world
