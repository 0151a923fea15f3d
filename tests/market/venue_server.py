"""A real simulated exchange on an ephemeral port, in the test's own loop."""

from __future__ import annotations

import asyncio
import base64
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
import uvloop

from bus.journal_memory import MemoryJournal
from domain.events import Event
from domain.market_events import MarketRows
from domain.order import ApprovedOrder, OrderIntent, Side, TimeInForce
from hw.clock import SystemClock
from market.rows import events_of
from market.venues.config import VenueConfig
from sim.exchange.config import AccountConfig, ExchangeConfig, MarketConfig
from sim.exchange.exchange import Exchange
from sim.exchange.messages import PlaceOrder, SelfTradePrevention
from sim.exchange.recovery import RecordedExchange
from sim.exchange.server import Stand, bind, serve
from sim.exchange.server_venue import Venue as Served
from sim.exchange.sign import ApiKey

KEY, SECRET = "k" * 64, "s" * 64
# Kraken's secrets are base64.
KRAKEN_SECRET = base64.b64encode(b"s" * 64).decode()
SYMBOLS = ("BTCUSDT", "ETHUSDT")
Dialect = Literal["binance", "kraken"]


def exchange_config(dialect: Dialect = "binance") -> ExchangeConfig:
    """Two markets, our account and a crowd's."""
    return ExchangeConfig(
        name="test-x",
        dialect=dialect,
        kraken_tier="none",
        assets=("BTC", "ETH", "USDT"),
        maker_fee_ppm=200,
        taker_fee_ppm=500,
        markets=(
            MarketConfig(base="BTC", quote="USDT", tick="0.01", lot="0.00001", size_max="100",
                         notional_min="5", start_price="60000"),
            MarketConfig(base="ETH", quote="USDT", tick="0.01", lot="0.0001", size_max="1000",
                         notional_min="5", start_price="3000"),
        ),
        accounts=(
            AccountConfig(name="ours", balances={"BTC": "10", "ETH": "100", "USDT": "1000000"}),
            AccountConfig(name="crowd", unlimited=True),
        ),
    )  # fmt: skip


class Simulated:
    """One exchange that can be stopped, and recovers on the same port when it is started again."""

    def __init__(self, dialect: Dialect = "binance") -> None:
        self.config = exchange_config(dialect)
        self.store = MemoryJournal("test-x")
        self.exchange = Exchange(self.config)
        self.clock = SystemClock()
        self.port = 0
        self.served: Served | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen."""
        secret = KRAKEN_SECRET if self.config.dialect == "kraken" else SECRET
        keys = {KEY: ApiKey(0, secret.encode())}
        recorded = RecordedExchange.recover(self.config, self.store)
        self.exchange = recorded.exchange
        self.served = Served(self.config, recorded, self.clock, keys)
        (socket,) = bind([("test-x", self.port)])
        self.port = socket.getsockname()[1]
        self._stop, ready = asyncio.Event(), asyncio.Event()
        stand = Stand(self.served, socket, None)
        self._task = asyncio.get_running_loop().create_task(serve([stand], ready.set, self._stop))
        await ready.wait()

    async def stop(self) -> None:
        """Go away; clients are cut off."""
        self._stop.set()
        assert self._task is not None
        await self._task

    async def crowd(self, instrument: int, side: Side, price_ticks: int, size_lots: int) -> None:
        """Place a limit order of somebody else."""
        served = self.served
        assert served is not None
        order = PlaceOrder(
            self.clock.now_ns(),
            1,
            instrument,
            int(side),
            int(TimeInForce.GTC),
            price_ticks,
            size_lots,
            self_trade=SelfTradePrevention.NONE,
        )
        await served.ask(lambda: served.apply(order))

    def venue_config(self, **changes: Any) -> VenueConfig:
        """Say how to reach it, with short waits."""
        base = f"127.0.0.1:{self.port}"
        kraken = self.config.dialect == "kraken"
        values: dict[str, Any] = {
            "name": "test-x",
            "dialect": self.config.dialect,
            "rest_url": f"http://{base}",
            "stream_url": f"ws://{base}/v2" if kraken else f"ws://{base}",
            "api_url": f"ws://{base}/v2/auth" if kraken else f"ws://{base}/ws-api/v3",
            "account": "ours",
            "api_key_env": "TEST_X_KEY",
            "api_secret_env": "TEST_X_SECRET",
            "backoff_min_s": 0.02,
            "backoff_max_s": 0.2,
            "start_timeout_s": 3.0,
            "request_timeout_s": 1.0,
            "rest_timeout_s": 2.0,
        }
        return VenueConfig(**{**values, **changes})


@asynccontextmanager
async def simulated(dialect: Dialect = "binance") -> AsyncIterator[Simulated]:
    """Run an exchange."""
    one = Simulated(dialect)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


class Heard(list[Event]):
    """All events that a venue delivered, rows as the events that they tell."""

    def append(self, event: Event) -> None:
        """Keep an event; rows hold only until the next ones come, so they are read at once."""
        if isinstance(event, MarketRows):
            self.extend(events_of(event.rows))
        else:
            super().append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        """Give the events of one kind."""
        return [event for event in self if type(event) is kind]


async def until(true: Callable[[], object], what: str = "the condition", limit_s: float = 5.0) -> None:
    """Wait for a condition; fail at the deadline."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + limit_s
    while not true():
        assert clock() < deadline, f"waited {limit_s} s for {what}"
        await asyncio.sleep(0.005)


def approved(intent: OrderIntent) -> ApprovedOrder:
    """Make an approval without the gate, whose seal these tests must not take."""
    order = ApprovedOrder.__new__(ApprovedOrder)
    order.intent, order.epoch, order.approved_ts_ns = intent, 1, 1
    return order


def buy(
    price_ticks: int, size_lots: int, tif: TimeInForce = TimeInForce.GTC, instrument: int = 0
) -> ApprovedOrder:
    """Approve a buy."""
    return approved(OrderIntent(0, instrument, int(Side.BUY), int(tif), price_ticks, size_lots))


def with_keys(monkeypatch: pytest.MonkeyPatch, key: str = KEY, secret: str = SECRET) -> None:
    """Put a key into the environment."""
    monkeypatch.setenv("TEST_X_KEY", key)
    monkeypatch.setenv("TEST_X_SECRET", secret)


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in a loop of its own, of the kind that nodes use."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(asyncio.wait_for(test(*arguments, **named), 30))

    return run
