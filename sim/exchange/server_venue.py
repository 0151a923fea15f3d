"""One exchange behind its doors: every command and question in one order, durable before it is answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import msgspec

from domain.errors import ConfigError
from domain.protocols import Clock
from domain.units import atoms_text
from sim.exchange import dialect_orders
from sim.exchange.config import ExchangeConfig
from sim.exchange.dialect_errors import DialectError, overloaded
from sim.exchange.dialect_market import MS
from sim.exchange.kraken.keys import is_secret
from sim.exchange.messages import (
    AccountTrade,
    Command,
    DepthChange,
    Execution,
    Output,
    PublicTrade,
    Refused,
)
from sim.exchange.recovery import RecordedExchange
from sim.exchange.server_tickers import Tickers
from sim.exchange.sign import ApiKey, api_key, is_key
from sim.exchange.stream_hub import BestChanged, MarketHub, UserEvent, UserHub
from sim.exchange.stream_timed import TimedStreams
from sim.exchange.weights import Weights

QUEUE_MAX = 10_000
BATCH_MAX = 256
SNAPSHOT_CHECK_EVERY = 1_000

Work = Callable[[], object]
Deliver = Callable[[object], None]


class Voice(Protocol):
    """Speak another dialect than the built-in one: hear what a command did, tell it once that is durable."""

    def heard(self, command: Command, outputs: Sequence[Output]) -> Sequence[object]:
        """Give the events to tell; called inside the work that made them."""
        ...

    def tell(self, event: object) -> None:
        """Tell an event to those who listen."""
        ...


class Venue:
    """Serve one exchange. Work is done in the order of `submit`; answers leave after the commit.

    At most `QUEUE_MAX` pieces of work wait; more are refused as overloaded, so nothing was done for them.
    """

    def __init__(
        self,
        config: ExchangeConfig,
        recorded: RecordedExchange,
        clock: Clock,
        keys: Mapping[str, ApiKey],
    ) -> None:
        exchange = recorded.exchange
        self.config, self.exchange, self.clock, self.keys = config, exchange, clock, keys
        self.markets = {one.symbol: one for one in exchange.instruments}
        self.hub = MarketHub(exchange.instruments)
        self.users = UserHub()
        self.timed = TimedStreams(self)
        self.voice: Voice | None = None
        self.tickers = Tickers(exchange.instruments, lambda index: exchange.markets[index].last_ticks)
        self.weights = Weights(config.limits)
        self._recorded = recorded
        self._until_snapshot_check = SNAPSHOT_CHECK_EVERY
        self._keyed = {owner.account for owner in keys.values()}
        self._queue: deque[tuple[Work, Deliver]] = deque()
        self._wake = asyncio.Event()
        self._outbox: list[object] = []
        self._dirty = False
        self._bests = [self.best(one.index) for one in exchange.instruments]
        for one in exchange.instruments:
            for trade in exchange.public_trades(one.index, 1_000):
                self.tickers.add(trade)

    def now_ns(self) -> int:
        """Give the time."""
        return self.clock.now_ns()

    def now_ms(self) -> int:
        """Give the time in milliseconds."""
        return self.clock.now_ns() // MS

    @property
    def commands(self) -> int:
        """Count the commands accepted since the journal began."""
        return self._recorded.store.events

    def submit(self, work: Work, deliver: Deliver) -> None:
        """Queue work; `deliver` gets its result, or the `DialectError` it raised, once that is durable."""
        if len(self._queue) >= QUEUE_MAX:
            raise overloaded()
        self._queue.append((work, deliver))
        self._wake.set()

    async def ask(self, work: Work) -> object:
        """Queue work and wait for its result."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.submit(work, lambda result: None if answer.done() else answer.set_result(result))
        result = await answer
        if isinstance(result, DialectError):
            raise result
        return result

    async def run(self) -> None:
        """Work off the queue for ever: a batch, one commit, then its answers and events."""
        with ThreadPoolExecutor(1, f"commit-{self.config.name}") as worker:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    await self._batch(worker)

    async def _batch(self, worker: ThreadPoolExecutor) -> None:
        done: list[tuple[Deliver, object, list[object]]] = []
        while self._queue and len(done) < BATCH_MAX:
            work, deliver = self._queue.popleft()
            result = self._do(work)
            done.append((deliver, result, self._outbox))
            self._outbox = []
        loop = asyncio.get_running_loop()
        if self._dirty:
            self._dirty = False
            await loop.run_in_executor(worker, self._recorded.commit)
        for deliver, result, events in done:
            deliver(result)
            for event in events:
                self._publish(event)
        if self._until_snapshot_check <= 0:
            self._until_snapshot_check = SNAPSHOT_CHECK_EVERY
            # Nothing steps meanwhile: the queue is worked off by this task alone.
            await loop.run_in_executor(worker, self._recorded.snapshot_if_due)

    def _do(self, work: Work) -> object:
        try:
            return work()
        except DialectError as refused:
            return refused

    def apply(self, command: Command, cancel_name: str = "") -> Sequence[Output]:
        """Give a command to the exchange; only inside submitted work."""
        outputs = self._recorded.step(command)
        if isinstance(outputs[0], Refused):
            return outputs
        self._dirty = True
        self._until_snapshot_check -= 1
        if self.voice is not None:
            self._outbox.extend(self.voice.heard(command, outputs))
            return outputs
        touched: dict[int, None] = {}
        for output in outputs:
            if isinstance(output, Execution):
                if output.order.account in self._keyed:
                    touched[output.order.account] = None
                    self._report(output, cancel_name)
            elif isinstance(output, PublicTrade):
                self.tickers.add(output)
                self._outbox.append(output)
            elif isinstance(output, DepthChange):
                self._changed(output)
        for account in touched:
            self._tell_balances(account, command)
        return outputs

    def close(self) -> None:
        """Keep what happened; nothing may be running."""
        self._recorded.keep_snapshot()

    def best(self, instrument: int) -> tuple[int, int, int, int]:
        """Give best bid and its size, best ask and its size; 0 where there is none."""
        _, bids, asks = self.exchange.depth(instrument, 1)
        return (*(bids[0] if bids else (0, 0)), *(asks[0] if asks else (0, 0)))

    def trades(
        self, account: int, instrument: int, first: int | None, limit: int, order_id: int | None
    ) -> list[AccountTrade]:
        """List an account's trades."""
        if order_id is None:
            return self.exchange.trades(account, instrument, first, limit)
        kept = self.config.account_trades_kept
        found = self.exchange.trades(account, instrument, first, kept)
        return [one for one in found if one.order_id == order_id][:limit]

    def balances(self, account: int) -> list[tuple[str, int, int]]:
        """List (asset, free, locked)."""
        found = self.exchange.balances(account)
        return [(asset, free, locked) for asset, (free, locked) in found.items()]

    def fees(self, account: int) -> tuple[int, int]:
        """Give an account's maker and taker fee."""
        accounts = self.exchange.accounts
        return accounts.maker_ppm[account], accounts.taker_ppm[account]

    def _changed(self, change: DepthChange) -> None:
        self._outbox.append(change)
        best = self.best(change.instrument)
        if best != self._bests[change.instrument]:
            self._bests[change.instrument] = best
            self._outbox.append(BestChanged(change.instrument, change.update_id, best))

    def _report(self, report: Execution, cancel_name: str) -> None:
        market = self.exchange.instruments[report.order.instrument]
        payload = msgspec.json.encode(dialect_orders.execution_report(market, report, cancel_name))
        self._outbox.append(UserEvent(report.order.account, payload))

    def _tell_balances(self, account: int, command: Command) -> None:
        market = self.exchange.instruments[command.instrument]
        held, at_ms = self.exchange.balances(account), command.now_ns // MS
        event = {
            "e": "outboundAccountPosition",
            "E": at_ms,
            "u": at_ms,
            "B": [
                {"a": asset, "f": atoms_text(held[asset][0]), "l": atoms_text(held[asset][1])}
                for asset in (market.base, market.quote)
            ],
        }
        self._outbox.append(UserEvent(account, msgspec.json.encode(event)))

    def _publish(self, event: object) -> None:
        if self.voice is not None:
            self.voice.tell(event)
        elif isinstance(event, UserEvent):
            self.users.publish(event)
        else:
            self.hub.publish(event)


def read_keys(config: ExchangeConfig, environment: Mapping[str, str]) -> dict[str, ApiKey]:
    """Take API keys and secrets from the environment variables that the config names."""
    keys = {}
    for place, account in enumerate(config.accounts):
        if account.api_key_env is None or account.api_secret_env is None:
            continue
        name, secret = (
            _variable(config.name, environment, one) for one in (account.api_key_env, account.api_secret_env)
        )
        if config.dialect == "binance" and not is_key(name):
            raise ConfigError(
                f"environment variable {account.api_key_env} is no API key: every request with it is refused",
                where=config.name,
                mend="give it 8 to 128 letters, digits, - or _",
            )
        if config.dialect == "kraken" and not is_secret(secret):
            raise ConfigError(
                f"environment variable {account.api_secret_env} is not base64, as Kraken's secrets are",
                where=config.name,
                mend="give it a secret in base64",
            )
        try:
            keys[name] = api_key(place, secret)
        except ValueError as error:
            raise ConfigError(
                f"environment variable {account.api_secret_env} holds no usable key: {error}",
                where=config.name,
                mend="put the HMAC secret or an Ed25519 key in PEM form into it",
            ) from None
    return keys


def _variable(where: str, environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if value == "":
        raise ConfigError(
            f"environment variable {name} is not set", where=where, mend=f"export {name}=… or use `swarm up`"
        )
    return value
