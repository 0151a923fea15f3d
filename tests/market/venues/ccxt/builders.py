"""A simulated exchange with faults at hand, and an exchange object that does exactly what a test wants."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

import aiohttp
import ccxt
import pytest

from domain.ids import client_id, client_id_text
from domain.instrument import Instrument
from hw.clock import SystemClock
from market.venues.ccxt.venue import CcxtVenue
from market.venues.config import VenueConfig
from sim.exchange.faults.admin import TOKEN_HEADER
from sim.exchange.server import Stand, bind, serve
from tests.market.venue_server import Dialect, Heard, Simulated

TOKEN = "let-me-in"
ONE, TWO = client_id(3, 2, 1), client_id(3, 2, 2)
BTC = Instrument.of(0, "test-x", "BTC", "USDT", tick="0.01", lot="0.00001")
SYMBOL = "BTC/USDT"


class Faulty(Simulated):
    """A simulated exchange whose admin door is open."""

    async def start(self) -> None:
        """Listen, and take faults."""
        await super().start()
        await super().stop()
        served = self.served
        assert served is not None
        (socket,) = bind([("test-x", self.port)])
        self._stop, ready = asyncio.Event(), asyncio.Event()
        stand = Stand(served, socket, None, TOKEN)
        self._task = asyncio.get_running_loop().create_task(serve([stand], ready.set, self._stop))
        await ready.wait()

    async def fault(self, **spec: Any) -> int:
        """Put a fault in."""
        url, headers = f"http://127.0.0.1:{self.port}/admin/faults", {TOKEN_HEADER: TOKEN}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url, json=spec) as answer,
        ):
            assert answer.status == 201, await answer.text()
            return int((await answer.json())["id"])

    async def mend(self, number: int) -> None:
        """Take a fault out."""
        url, headers = f"http://127.0.0.1:{self.port}/admin/faults/{number}", {TOKEN_HEADER: TOKEN}
        async with aiohttp.ClientSession(headers=headers) as session, session.delete(url) as answer:
            assert answer.status == 200

    def ccxt_config(self, **changes: Any) -> VenueConfig:
        """Say how ccxt reaches it."""
        return self.venue_config(dialect="ccxt", exchange=self.config.dialect, **changes)


@asynccontextmanager
async def faulty(dialect: Dialect = "binance") -> AsyncIterator[Faulty]:
    """Run an exchange with an open admin door."""
    one = Faulty(dialect)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


def config(**changes: Any) -> VenueConfig:
    """Say how a scripted exchange is reached, with short waits."""
    values: dict[str, Any] = {
        "name": "test-x", "dialect": "ccxt", "exchange": "kraken", "rest_url": "http://127.0.0.1:1",
        "stream_url": "ws://127.0.0.1:1", "api_url": "ws://127.0.0.1:1", "account": "ours",
        "api_key_env": "TEST_X_KEY", "api_secret_env": "TEST_X_SECRET", "backoff_min_s": 0.01,
        "backoff_max_s": 0.05, "start_timeout_s": 2.0, "request_timeout_s": 0.2, "rest_timeout_s": 0.5,
        "rest_attempts": 2, "recv_window_ms": 1, "ping_idle_s": 30.0,
    }  # fmt: skip
    return VenueConfig(**{**values, **changes})


class Script:
    """What an exchange answers, call by call: a value, an exception, or a function of what was asked."""

    def __init__(self, name: str = "scripted", **answers: Any) -> None:
        self.name, self.cost, self.headers = name, 1.0, dict[str, str]()
        self.has = dict.fromkeys(
            ("fetchOrder", "fetchOpenOrders", "fetchClosedOrders", "watchOrders", "watchMyTrades",
             "watchTrades", "fetchTrades"), True,
        )  # fmt: skip
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.answers: dict[str, Any] = {
            "fetch_balance": {"total": {}}, "fetch_my_trades": [], "fetch_open_orders": [],
            "fetch_closed_orders": [], "fetch_trades": [], "fetch_order": ccxt.OrderNotFound("none"),
            **answers,
        }  # fmt: skip
        self.told: dict[str, asyncio.Queue[Any]] = {}
        self.made: list[ScriptedExchange] = []

    def exchange(self, *_: Any) -> ScriptedExchange:
        """Make an exchange object of it."""
        self.made.append(ScriptedExchange(self))
        return self.made[-1]

    def asked(self, name: str) -> list[tuple[Any, ...]]:
        """Give what was asked under a name."""
        return [values for called, values in self.calls if called == name]

    def tell(self, watched: str, value: Any) -> None:
        """Let a stream tell something."""
        self.told.setdefault(watched, asyncio.Queue()).put_nowait(value)

    @asynccontextmanager
    async def venue(
        self, monkeypatch: pytest.MonkeyPatch, **changes: Any
    ) -> AsyncIterator[tuple[CcxtVenue, Heard]]:
        """Connect the adapter to it."""
        monkeypatch.setattr("market.venues.ccxt.client.exchange_of", self.exchange)
        heard = Heard()
        async with CcxtVenue(config(**changes), (BTC,), SystemClock(), heard.append) as venue:
            yield venue, heard


class ScriptedExchange:
    """Stand where an object of ccxt would."""

    precisionMode = ccxt.TICK_SIZE
    markets: ClassVar[dict[str, Any]] = {
        SYMBOL: {"symbol": SYMBOL, "id": "X", "base": "BTC", "quote": "USDT", "spot": True}
    }
    currencies: ClassVar[dict[str, Any]] = {}

    def __init__(self, script: Script) -> None:
        self.script, self.id, self.has, self.rateLimit = script, script.name, script.has, 1
        self.clients: dict[str, Any] = {}
        self.options: dict[str, Any] = {}
        self.closed = 0

    @property
    def last_response_headers(self) -> dict[str, str]:
        return self.script.headers

    def set_markets(self, *_: Any) -> None:
        """Take the markets of another."""

    def calculate_rate_limiter_cost(self, *_: Any) -> float:
        return self.script.cost

    def handle_message(self, socket: Any, message: Any) -> None:
        if message == "broken":
            raise KeyError(message)
        if isinstance(message, Exception):
            raise message

    def client(self, url: str) -> Any:
        return self.clients.setdefault(url, SimpleNamespace(connection=1, connecting=False, send=None))

    def nonce(self) -> int:
        return 5

    async def load_markets(self) -> None:
        """They are there."""

    async def close(self) -> None:
        self.closed += 1

    async def fetch(self, name: str, values: tuple[Any, ...]) -> Any:
        self.script.calls.append((name, values))
        answer = self.script.answers[name]
        answer = answer(*values) if callable(answer) and not isinstance(answer, Exception) else answer
        answer = await answer if inspect.isawaitable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def fetch2(self, path: str, api: Any, method: str, params: Any, config: Any) -> Any:
        return await self.fetch(path, params["values"])

    async def _call(self, name: str, *values: Any) -> Any:
        return await self.fetch2(name, "private", "POST", {"values": values}, {})

    async def _watch(self, name: str, *_: Any) -> Any:
        self.clients.setdefault("ws", SimpleNamespace(connection=1, connecting=False))
        told = await self.script.told.setdefault(name, asyncio.Queue()).get()
        told = told() if callable(told) and not isinstance(told, Exception) else told
        if isinstance(told, Exception):
            raise told
        return told

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("watch_"):
            return partial(self._watch, name)
        if name.startswith(("fetch_", "create_", "cancel_", "load_", "sapi_", "private_")):
            return partial(self._call, name)
        raise AttributeError(name)


def order(**changes: Any) -> dict[str, Any]:
    """An order as ccxt tells it."""
    return {"id": "77", "clientOrderId": client_id_text(ONE), "symbol": SYMBOL, "status": "open",
            "side": "buy", "price": 50_000.0, "amount": 0.002, "filled": 0.0, "timestamp": 1,
            **changes}  # fmt: skip


def own_trade(number: int, **changes: Any) -> dict[str, Any]:
    """A trade of the account as ccxt tells it."""
    return {"id": str(number), "order": "77", "symbol": SYMBOL, "timestamp": number, "side": "buy",
            "info": {}, "price": 50_000.0, "amount": 0.001, "takerOrMaker": "maker",
            "fee": {"cost": 0.01, "currency": "USDT"}, **changes}  # fmt: skip
