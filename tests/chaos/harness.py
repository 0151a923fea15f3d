"""Ten minutes of an exchange that goes wrong, in virtual time: real server, real sockets, real adapter."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any
from unittest.mock import patch

from bus.journal_memory import MemoryJournal
from domain.draws import stream
from domain.events import Event
from domain.instrument import Instrument
from market.venues import order_line
from market.venues.config import VenueConfig
from market.venues.venue import Venue, load_instruments, venue_of
from sim.exchange import server_flow
from sim.exchange.config import ExchangeConfig
from sim.exchange.faults.config import FaultSpec
from sim.exchange.faults.desk import FAULTS, FaultDesk
from sim.exchange.faults.faults import Fault
from sim.exchange.recovery import RecordedExchange
from sim.exchange.server import Stand, _Door, bind
from sim.exchange.server_flow import FlowDriver, flush_depth
from sim.exchange.server_venue import Venue as Served
from sim.exchange.sign import ApiKey
from sim.market.config import FlowConfig, price_config
from sim.market.prices import PriceProcess
from sim.market.view import crowd
from tests.chaos.followers import Trader, Truth, Watcher
from tests.chaos.virtual_loop import VirtualClock, VirtualLoop
from tests.market.venue_server import KEY, KRAKEN_SECRET, SECRET

MINUTES, SETTLE_S, QUIET_S = 10, 60.0, 5.0
WATCH_S, TRADE_S, ASK_S, SLOWER_S = 0.5, 3.0, 1.0, 0.5
SYMBOLS = ("BTCUSDT", "ETHUSDT")
# A quiet market: two changes of each book a second are enough to see every mistake.
FLOW = FlowConfig(maker_rate=0.7, noise_rate=0.3, momentum_rate=0.2, maker_levels=8)


class Chaos:
    """One exchange, one adapter, and everything that was noticed."""

    def __init__(self, seed: int, clock: VirtualClock, dialect: str = "binance") -> None:
        self.config, self.clock = exchange_config(dialect), clock
        self.store = MemoryJournal("chaos")
        recorded = RecordedExchange.recover(self.config, self.store)
        self.exchange = recorded.exchange
        self.served = Served(self.config, recorded, clock, {KEY: ApiKey(0, _secret(dialect).encode())})
        self.truth = Truth(self.exchange)
        self._tell_truth()
        prices = PriceProcess(price_config([self.config]), seed, (self.config.name,))
        (port,) = bind([(self.config.name, 0)])
        self.stand = Stand(self.served, port, crowd(FLOW, self.config, prices, seed))
        self.venue: Venue | None = None
        self.watcher = Watcher(self.truth, len(SYMBOLS), lambda: self.venue, numbered=dialect != "kraken")
        self.trader = Trader(self.exchange, lambda: self.venue)
        self.faults: list[Fault] = []
        self.instruments: tuple[Instrument, ...] = ()
        self.bad_frames = 0
        self.desk: FaultDesk

    def _tell_truth(self) -> None:
        apply = self.served.apply

        def told(command: Any, *rest: Any, **named: Any) -> Any:
            outputs = apply(command, *rest, **named)
            self.truth.heard(list(outputs), self.clock.now_ns())
            return outputs

        self.served.apply = told  # type: ignore[method-assign]

    def deliver(self, event: Event) -> None:
        """Take an event of the adapter, as a node's shell would."""
        self.watcher.event(event, self.clock.now_ns())
        self.trader.event(event)

    async def every(self, wait_s: float, work: Callable[[], None]) -> None:
        """Do something for ever."""
        while True:
            await asyncio.sleep(wait_s)
            work()

    def differences(self) -> list[str]:
        """Say which books are not the exchange's own."""
        told = []
        for place, book in enumerate(self.watcher.books):
            update_id, bids, asks = self.exchange.depth(place, 1_000)
            if book.stale:
                told.append(f"market {place} is stale: {book.reason!r}")
            elif self.watcher.shown(place) != (tuple(bids), tuple(asks)):
                told.append(f"market {place} is at {book.sequence}, the exchange at {update_id}")
        return told

    def add(self, spec: FaultSpec) -> None:
        """Put a fault in."""
        problem = self.desk.problem(spec)
        assert problem is None, problem
        number = self.desk.add(spec)
        (fault,) = (one for one in self.desk.faults.all() if one.number == number)
        self.faults.append(fault)

    async def run(
        self,
        specs: Sequence[FaultSpec],
        before: Callable[[Chaos], Awaitable[None]] | None,
        run_s: float,
        account_every_s: float | None,
    ) -> None:
        """Live through the faults; the last minute has none, and in its last seconds the market is quiet."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.served.run())]
            async with AsyncExitStack() as doors:
                door = _Door(self.stand)
                await doors.enter_async_context(door)
                self.desk = door._runner.app[FAULTS]
                tasks.append(group.create_task(flush_depth(self.served)))
                assert self.stand.flow is not None
                flow = group.create_task(FlowDriver(self.served, self.stand.flow).run())
                await asyncio.sleep(1.0)
                if before is not None:
                    await before(self)
                config = venue_config(self.stand.url, self.config.dialect)
                self.instruments = await load_instruments(config, SYMBOLS, self.clock)
                self._scale()
                venue = venue_of(config, self.instruments, self.clock, self.deliver)
                async with venue:
                    self.venue = venue
                    tasks.append(group.create_task(self.every(WATCH_S, self._watch)))
                    tasks.append(group.create_task(self.every(ASK_S, self.trader.clocked)))
                    if account_every_s is not None:
                        tasks.append(group.create_task(self.every(account_every_s, self._account)))
                    trading = group.create_task(self.every(TRADE_S, self.trader.act))
                    for spec in specs:
                        self.add(spec)
                    await asyncio.sleep(run_s - SETTLE_S)
                    trading.cancel()
                    await asyncio.sleep(SETTLE_S - QUIET_S)
                    flow.cancel()
                    self.trader.ask_all()
                    await asyncio.sleep(QUIET_S)
                    self.venue, self.bad_frames = None, venue.bad_frames
            for task in tasks:
                task.cancel()

    def _scale(self) -> None:
        """Learn how many of the exchange's ticks one of the adapter's is."""
        pairs = zip(self.instruments, self.exchange.instruments, strict=False)
        self.watcher.scales = [round(told.tick.value(1) / own.tick.value(1)) for told, own in pairs]
        self.trader.scale = self.watcher.scales[0]

    def _account(self) -> None:
        if self.venue is not None:
            self.venue.fetch_account(tuple((one.index, 0) for one in self.instruments))

    def _watch(self) -> None:
        self.watcher.clocked(self.clock.now_ns())

    @property
    def strikes(self) -> int:
        """Count how often a fault struck."""
        return sum(max(fault.struck, fault.began) for fault in self.faults)


def _secret(dialect: str) -> str:
    return KRAKEN_SECRET if dialect == "kraken" else SECRET


def exchange_config(dialect: str = "binance") -> ExchangeConfig:
    """Two markets, our account and a crowd's accounts."""
    market = {"size_max": "1000", "notional_min": "5", "quote": "USDT"}
    return ExchangeConfig.model_validate(
        {
            "name": "chaos-x",
            "dialect": dialect,
            "kraken_tier": "none",
            "assets": ["BTC", "ETH", "USDT"],
            "markets": [
                {**market, "base": "BTC", "tick": "0.01", "lot": "0.00001", "start_price": "60000"},
                {**market, "base": "ETH", "tick": "0.01", "lot": "0.0001", "start_price": "3000"},
            ],
            "accounts": [
                {"name": "ours", "balances": {"BTC": "10", "ETH": "100", "USDT": "100000000"}},
                *(
                    {"name": f"flow-{name}", "unlimited": True, "open_orders_max": 10_000}
                    for name in ("maker", "noise", "momentum")
                ),
            ],
        }
    )


def venue_config(url: str, dialect: str) -> VenueConfig:
    """Reach it as a node would, with the defaults of a node."""
    base = url.removeprefix("http://")
    stream, api = ("/v2", "/v2/auth") if dialect == "kraken" else ("", "/ws-api/v3")
    return VenueConfig(
        name="chaos-x",
        rest_url=f"http://{base}",
        dialect=dialect,
        stream_url=f"ws://{base}{stream}",
        api_url=f"ws://{base}{api}",
        account="ours",
        api_key_env="TEST_X_KEY",
        api_secret_env="TEST_X_SECRET",
    )


def windows(seed: int, kind: str, number: int = 8, **spec: Any) -> list[FaultSpec]:
    """Draw when a fault strikes: windows of 5 to 40 s between the first seconds and the settling."""
    draws = stream(seed, "chaos", kind)
    room_s = (MINUTES * 60.0 - SETTLE_S - 60.0) / number
    return [
        FaultSpec.model_validate(
            {
                "kind": kind,
                "after_s": 10.0 + room_s * place + draws.uniform(0, room_s / 3),
                "for_s": draws.uniform(5.0, min(40.0, room_s * 0.6)),
                "seed": seed + place,
                **spec,
            }
        )
        for place in range(number)
    ]


def live_through(
    seed: int,
    specs: Sequence[FaultSpec],
    before: Callable[[Chaos], Awaitable[None]] | None = None,
    *,
    minutes: int = MINUTES,
    dialect: str = "binance",
    account_every_s: float | None = None,
) -> Chaos:
    """Run ten minutes; `before` is done while nobody is connected."""
    loop = VirtualLoop()
    with (
        patch.dict(os.environ, {"TEST_X_KEY": KEY, "TEST_X_SECRET": _secret(dialect)}),
        # All look around more often than a slow market needs.
        patch.object(server_flow, "TICK_S", SLOWER_S),
        patch.object(order_line, "SWEEP_S", SLOWER_S),
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        chaos = Chaos(seed, VirtualClock(loop), dialect)
        runner.run(chaos.run(specs, before, minutes * 60.0, account_every_s))
    return chaos
