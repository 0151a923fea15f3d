"""One exchange object of ccxt with our addresses, our limits and our clock in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from ccxt import InvalidNonce, NetworkError

from domain.draws import stream
from domain.errors import ExitCode, SwarmError
from domain.protocols import Clock
from market.venues.backoff import Backoff
from market.venues.ccxt.calls import CALL, Call, Gate, NotSent
from market.venues.ccxt.fate import Fate, fate_of, one_line
from market.venues.ccxt.making import exchange_of, gate_of
from market.venues.config import VenueConfig
from market.venues.quota import Address, Priority, Quota, Quotas, Reserve, Rule, Turns

Answer = TypeVar("Answer")
BAD_IN_A_ROW_MAX = 16
MESSAGES_AT_ONCE, MESSAGES_PER_S, MESSAGES_WAITING_MAX = 5, 4.0, 1 << 16


class Refused(SwarmError):
    """The exchange will not answer this, however often it is asked."""

    def __init__(self, config: VenueConfig, what: str, why: str, fate: Fate) -> None:
        super().__init__(
            f"venue {config.name} refused {what}: {why}",
            where=config.rest_url,
            mend="correct the venue's exchange, url, account or symbols",
            code=ExitCode.CONFIG,
        )
        self.fate = fate


class Client:
    """Call an exchange through ccxt. Its own throttler is off: our gate stands in front of every request."""

    def __init__(
        self,
        config: VenueConfig,
        clock: Clock,
        quotas: Quotas | None = None,
        *,
        keys: bool = True,
        gate: Gate | None = None,
    ) -> None:
        self.config, self.clock, self._keys = config, clock, keys
        self.exchange = exchange = exchange_of(config, keys)
        self.gate = gate or gate_of(config, exchange, quotas or Quotas(), clock)
        self.draws = stream(0, "ccxt", config.name, config.account)
        self._bad_in_a_row, self._asking = 0, 0
        self._handle: Callable[[Any, Any], None] = exchange.handle_message
        self._request, self._fetch, self._socket = exchange.fetch2, exchange.fetch, exchange.client
        self._nonce: Callable[[], int] = exchange.nonce
        exchange.handle_message, exchange.client = self._guarded, self._paced
        exchange.fetch2, exchange.fetch = self._passed, self._fetched
        if self.gate.serial:
            exchange.nonce = lambda: self.gate.nonce(int(self._nonce()))

    async def _passed(
        self, path: str, api: Any = "public", method: str = "GET", params: Any = None, config: Any = None
    ) -> Any:
        """Stand where ccxt would throttle: before a request is signed."""
        params, config = params or {}, config or {}
        cost = float(self.exchange.calculate_rate_limiter_cost(api, method, path, params, config))
        self._asking += 1
        try:
            async with self.gate.passing(cost):
                return await self._request(path, api, method, params, config)
        finally:
            self._asking -= 1

    async def _fetched(self, *values: Any, **named: Any) -> Any:
        """Heed a limit whoever met it, ccxt's own requests in the background too."""
        try:
            return await self._fetch(*values, **named)
        except Exception as error:
            if fate_of(error) == Fate.LIMITED:
                headers = self.exchange.last_response_headers or {}
                told = {name.lower(): value for name, value in headers.items()}
                self.gate.hold(told.get("retry-after"))
            raise

    def _paced(self, url: str) -> Any:
        """Give a socket, on which messages go out no faster than exchanges take them."""
        known = url in (self.exchange.clients or {})
        socket = self._socket(url)
        if not known:
            rule = Rule("MESSAGES", MESSAGES_AT_ONCE, decay_per_s=MESSAGES_PER_S)
            quota = Quota((rule,), Address(), Reserve())
            pace, send = Turns(quota, self.clock, MESSAGES_WAITING_MAX), socket.send

            async def paced(message: Any) -> None:
                await pace.take((("MESSAGES", 1),), Priority.CANCEL)
                await send(message)

            socket.send = paced
        return socket

    def _guarded(self, socket: Any, message: Any) -> None:
        """Read a message: what ccxt raises there would end its reading in silence, and the socket stand."""
        try:
            self._handle(socket, message)
        except Exception as error:
            if isinstance(message, dict) and message.get("data") == []:
                return  # it stumbles over lists of nothing, which say nothing
            self.gate.bad(one_line(error))
            self._bad_in_a_row += 1
            if fate_of(error) == Fate.WRONG_KEY:
                socket.on_error(error)
            elif self._bad_in_a_row >= BAD_IN_A_ROW_MAX:
                socket.on_error(NetworkError(f"{self._bad_in_a_row} unusable messages in a row"))
        else:
            self._bad_in_a_row = 0

    def renewed(self) -> Client:
        """Give a client that remembers no book, trade or order, and shares markets and quota."""
        fresh = Client(self.config, self.clock, keys=self._keys, gate=self.gate)
        fresh.exchange.set_markets(self.exchange.markets, self.exchange.currencies)
        fresh.exchange.options["timeDifference"] = self.exchange.options.get("timeDifference", 0)
        return fresh

    async def sockets(self) -> None:
        """Wait, at most `connect_timeout_s`, for every socket that the watching begun so far needs."""
        async with asyncio.timeout(self.config.connect_timeout_s):
            stood = 0
            # Twice, because a sign-in that has just ended makes its socket in the next turn of the loop.
            while stood < 2:
                await asyncio.sleep(0.005)
                stood = stood + 1 if self._stands() else 0

    def _stands(self) -> bool:
        sockets = list(self.exchange.clients.values())
        # Some exchanges' sign-in leaves a socket that is never opened.
        opened = [each.connection is not None for each in sockets]
        ready = self._asking == 0 and any(opened)
        return ready and not any(each.connecting and each.connection is None for each in sockets)

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

    async def once(
        self, make: Callable[[], Awaitable[Answer]], timeout_s: float, call: Call | None = None
    ) -> Answer:
        """Make one call within a time; `NotSent` says that nothing of it reached the exchange."""
        call = call or Call()
        call.timeout_s, token = timeout_s, CALL.set(call)
        try:
            async with asyncio.timeout(timeout_s) as call.deadline:
                call.begun = True
                return await make()
        except TimeoutError:
            if call.unsent:
                raise NotSent("its time was up") from None
            raise
        except NotSent as error:
            if call.granted > 0:
                raise NetworkError(f"begun, then {error}") from error
            raise
        finally:
            CALL.reset(token)

    async def ask(
        self, what: str, make: Callable[[], Awaitable[Answer]], priority: Priority = Priority.DATA
    ) -> Answer:
        """Make a call that changes nothing, as often as it may be repeated, then raise VENUE_DOWN."""
        config = self.config
        backoff, why = Backoff(config.backoff_min_s, config.backoff_max_s, self.draws), ""
        for attempt in range(config.rest_attempts):
            try:
                return await self.once(make, config.rest_timeout_s, Call(priority))
            except Exception as error:
                why = one_line(error)
                self._raise_for_good(error, what, why)
                if isinstance(error, InvalidNonce):
                    await self.sync_time()
            if attempt + 1 < config.rest_attempts:
                await asyncio.sleep(backoff.next_s())
        raise self.down(f"{what}: {why}")

    async def sync_time(self) -> None:
        """Learn how far the exchange's clock is off, where requests are signed with the time."""
        if not self.gate.serial and self.has("fetchTime"):
            with suppress(Exception):
                await self.once(self.exchange.load_time_difference, self.config.rest_timeout_s)

    def _raise_for_good(self, error: Exception, what: str, why: str) -> None:
        fate = fate_of(error)
        if fate == Fate.WRONG_KEY:
            raise self.wrong_key(why) from None
        if fate in (Fate.REFUSED, Fate.NOT_FOUND, Fate.DUPLICATE):
            raise Refused(self.config, what, why, fate) from None

    async def wait_up(self) -> None:
        """Load the markets; wait for that at most `start_timeout_s`."""
        backoff, why = Backoff(self.config.backoff_min_s, 1.0, self.draws), "no answer"
        try:
            async with asyncio.timeout(self.config.start_timeout_s):
                while True:
                    try:
                        await self.once(self.exchange.load_markets, self.config.rest_timeout_s)
                        await self.sync_time()
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
