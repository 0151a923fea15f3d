"""One exchange object of ccxt with our addresses, our limits and our clock in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from ccxt import NetworkError

from domain.draws import stream
from domain.errors import ConfigError, ExitCode, SwarmError
from domain.protocols import Clock
from market.venues.backoff import Backoff
from market.venues.ccxt.fate import Fate, fate_of, one_line
from market.venues.ccxt.turnstile import Turnstile
from market.venues.config import VenueConfig
from market.venues.quota import Priority, Quota, Quotas, Rule, Turns

Answer = TypeVar("Answer")
LIMIT_HOLD_NS = 10_000_000_000
BAD_IN_A_ROW_MAX = 16
# These sign a time, which may come out of order; others want a number that only rises.
_ANY_ORDER = ("binance", "bitget", "bybit", "gate", "htx", "kucoin", "mexc", "okx")
WINDOW_NS = 60_000_000_000


class Client:
    """Call an exchange through ccxt. Its own throttler is off: the quota stands in front of every request."""

    def __init__(
        self, config: VenueConfig, clock: Clock, quotas: Quotas | None = None, *, keys: bool = True
    ) -> None:
        self.config, self.clock, self._keys = config, clock, keys
        self._quotas = quotas or Quotas()
        self.exchange = _exchange(config, keys)
        self.quota = _quota(config, self.exchange, self._quotas)
        self._turns = Turns(self.quota, clock)
        self._turnstile, self._serial = Turnstile(), not self.exchange.id.startswith(_ANY_ORDER)
        self.draws = stream(0, "ccxt", config.name, config.account)
        self.bad_frames, self._bad_in_a_row, self.last_bad = 0, 0, ""
        self._handle: Callable[[Any, Any], None] = self.exchange.handle_message
        self.exchange.handle_message = self._guarded

    def _guarded(self, socket: Any, message: Any) -> None:
        """Read a message: what ccxt raises there would end its reading in silence, and the socket stand."""
        try:
            self._handle(socket, message)
        except Exception as error:
            self.bad_frames += 1
            self._bad_in_a_row += 1
            self.last_bad = one_line(error)
            if self._bad_in_a_row >= BAD_IN_A_ROW_MAX:
                socket.on_error(NetworkError(f"{self._bad_in_a_row} unusable messages in a row"))
        else:
            self._bad_in_a_row = 0

    def renewed(self) -> Client:
        """Give a client that remembers no book, trade or order, and shares markets and quota."""
        fresh = Client(self.config, self.clock, self._quotas, keys=self._keys)
        fresh.exchange.set_markets(self.exchange.markets, self.exchange.currencies)
        return fresh

    async def sockets(self) -> None:
        """Wait, at most `connect_timeout_s`, for every socket that the watching begun so far needs."""
        async with asyncio.timeout(self.config.connect_timeout_s):
            while not self._stands():  # noqa: ASYNC110 - ccxt tells nobody when it makes or opens one
                await asyncio.sleep(0.005)

    def _stands(self) -> bool:
        sockets = list(self.exchange.clients.values())
        # Some exchanges' sign-in leaves a socket that is never opened.
        opened = [each.connection is not None for each in sockets]
        return any(opened) and not any(each.connecting and each.connection is None for each in sockets)

    async def close(self) -> None:
        """Close every connection; what is still waited for there ends with an error."""
        await self.exchange.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def has(self, ability: str) -> bool:
        """Tell whether ccxt can do something at this exchange."""
        return bool(self.exchange.has.get(ability))

    def room(self, priority: Priority) -> bool:
        """Count an order's request; False says that it must not be sent now."""
        return self.quota.ask((("REQUESTS", 1),), priority, self.clock.now_ns()) == 0

    async def once(
        self, call: Callable[[], Awaitable[Answer]], timeout_s: float, priority: Priority = Priority.DATA
    ) -> Answer:
        """Make one call within a time; a limit that it meets holds back everything for a while."""
        try:
            async with self._turnstile.passing(priority) if self._serial else nullcontext():
                async with asyncio.timeout(timeout_s):
                    return await call()
        except Exception as error:
            if fate_of(error) == Fate.LIMITED:
                self.quota.hold(self.clock.now_ns() + LIMIT_HOLD_NS)
            raise

    async def ask(self, what: str, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Make a call that changes nothing, as often as it may be repeated, then raise VENUE_DOWN."""
        config = self.config
        backoff, why = Backoff(config.backoff_min_s, config.backoff_max_s, self.draws), ""
        for attempt in range(config.rest_attempts):
            if not await self._turns.take((("REQUESTS", 1),), Priority.DATA):
                raise self.down(f"{what}: too many requests wait")
            try:
                return await self.once(call, config.rest_timeout_s)
            except Exception as error:
                why = one_line(error)
                self._raise_for_good(error, what, why)
            if attempt + 1 < config.rest_attempts:
                await asyncio.sleep(backoff.next_s())
        raise self.down(f"{what}: {why}")

    def _raise_for_good(self, error: Exception, what: str, why: str) -> None:
        fate = fate_of(error)
        if fate == Fate.WRONG_KEY:
            raise self.wrong_key(why) from None
        if fate in (Fate.REFUSED, Fate.NOT_FOUND, Fate.DUPLICATE):
            raise SwarmError(
                f"venue {self.config.name} refused {what}: {why}",
                where=self.config.rest_url,
                mend="correct the venue's exchange, url, account or symbols",
                code=ExitCode.CONFIG,
            ) from None

    async def wait_up(self) -> None:
        """Load the markets; wait for that at most `start_timeout_s`."""
        backoff, why = Backoff(self.config.backoff_min_s, 1.0, self.draws), "no answer"
        try:
            async with asyncio.timeout(self.config.start_timeout_s):
                while True:
                    try:
                        await self.exchange.load_markets()
                        return
                    except Exception as error:
                        why = one_line(error)
                        if fate_of(error) == Fate.WRONG_KEY:
                            raise self.wrong_key(why) from None
                    await asyncio.sleep(backoff.next_s())
        except TimeoutError:
            raise self.down(why) from None

    def down(self, why: str) -> SwarmError:
        """Say that the venue does not answer."""
        return SwarmError(
            f"venue {self.config.name} is down: {why}",
            where=self.config.rest_url,
            mend="start the venue, or correct its url",
            code=ExitCode.VENUE_DOWN,
            retryable=True,
        )

    def wrong_key(self, why: str) -> SwarmError:
        """Say that the venue does not take the key."""
        return SwarmError(
            f"venue {self.config.name} refused the key of account {self.config.account}: {why}",
            where=self.config.rest_url,
            mend="put the right key and secret where the config says that they are",
            code=ExitCode.WRONG_KEY,
        )


def _exchange(config: VenueConfig, keys: bool) -> Any:
    import ccxt.pro

    kind = getattr(ccxt.pro, config.exchange or "", None)
    if config.exchange is None or kind is None:
        raise ConfigError(
            f"ccxt knows no exchange named {config.exchange}",
            where=config.name,
            mend=f"set exchange to one of its {len(ccxt.pro.exchanges)} names, such as binance or kraken",
        )
    settings: dict[str, Any] = {
        "enableRateLimit": False,
        "timeout": round(config.rest_timeout_s * 1000),
        "options": {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "warnOnFetchOpenOrdersWithoutSymbol": False,
        },
    }
    if keys:
        settings["apiKey"], settings["secret"] = config.credentials()
    exchange = kind(settings)
    exchange.has["fetchCurrencies"] = False  # of no use here, and of other rights than trading
    if config.simulated:
        exchange.urls["api"] = _moved(exchange.urls["api"], config)
    return exchange


def _moved(urls: Any, config: VenueConfig) -> Any:
    """Point every address at the simulated venue; what is left out could reach a real one."""
    if isinstance(urls, dict):
        return {name: _moved(each, config) for name, each in urls.items()}
    if not isinstance(urls, str):
        return urls
    own = urlsplit(config.stream_url if urls.startswith("ws") else config.rest_url)
    return urlsplit(urls)._replace(scheme=own.scheme, netloc=own.netloc).geturl()


def _quota(config: VenueConfig, exchange: Any, quotas: Quotas) -> Quota:
    """Take the pace that ccxt states for the exchange: one request each `rateLimit` milliseconds."""
    pace_ms = float(exchange.rateLimit or 100)
    rule = Rule("REQUESTS", max(10, int(WINDOW_NS / 1e6 / pace_ms)), span_ns=WINDOW_NS)
    return quotas.of(urlsplit(config.rest_url).netloc, config.account, (rule,))
