"""REST calls with a stated end: so many attempts, so long each, then one error that says which venue."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from domain.draws import stream
from domain.errors import ExitCode, SwarmError
from domain.protocols import Clock
from market.venues.backoff import Backoff
from market.venues.binance.replies import LIMIT_STATUSES, UNKNOWN_FATE_CODES, WRONG_KEY_CODES, ApiError
from market.venues.binance.signing import Signer, signed_query
from market.venues.config import VenueConfig
from market.venues.steps import MS_NS

OUTSIDE_WINDOW = -1021
RETRY_AFTER_S_MAX = 60.0
_ERROR = msgspec.json.Decoder(ApiError)


class _Time(msgspec.Struct):
    serverTime: int


class TryAgain(Exception):
    """This attempt failed in a way that another one may mend."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class RestClient:
    """Ask a venue over REST. Without credentials only public calls work."""

    def __init__(self, config: VenueConfig, clock: Clock, credentials: tuple[str, str] | None = None) -> None:
        self.config, self.clock = config, clock
        self._key, secret = credentials or ("", "")
        self._signer = Signer(secret)
        self._session: aiohttp.ClientSession | None = None
        self.draws = stream(0, "rest", config.name, config.account)
        self.time_offset_ms = 0

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self.config.rest_timeout_s)
        self._session = aiohttp.ClientSession(timeout=timeout, headers={"X-MBX-APIKEY": self._key})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    def timestamp_ms(self) -> int:
        """Give the venue's time as far as we know it."""
        return self.clock.now_ns() // MS_NS + self.time_offset_ms

    async def get(
        self, path: str, parameters: dict[str, str | int] | None = None, sign: bool = False
    ) -> bytes:
        """Get a body, or raise VENUE_DOWN after `rest_attempts`, WRONG_KEY at once."""
        config = self.config
        backoff = Backoff(config.backoff_min_s, config.backoff_max_s, self.draws)
        why = ""
        for attempt in range(config.rest_attempts):
            try:
                return await self._once(path, parameters or {}, sign)
            except TryAgain as error:
                why = str(error)
                wait_s = backoff.next_s() if error.wait_s is None else error.wait_s
            if attempt + 1 < config.rest_attempts:
                await asyncio.sleep(wait_s)
        raise self.down(f"{path}: {why}")

    def down(self, why: str) -> SwarmError:
        """Say that the venue does not answer."""
        return SwarmError(
            f"venue {self.config.name} is down: {why}",
            where=self.config.rest_url,
            mend="start the venue, or correct its url",
            code=ExitCode.VENUE_DOWN,
            retryable=True,
        )

    async def _once(self, path: str, parameters: dict[str, str | int], sign: bool) -> bytes:
        assert self._session is not None
        if sign:
            query = signed_query(
                self._signer,
                {**parameters, "recvWindow": self.config.recv_window_ms, "timestamp": self.timestamp_ms()},
            )
        else:
            query = "&".join(f"{name}={value}" for name, value in parameters.items())
        url = f"{self.config.rest_url.rstrip('/')}{path}{'?' if query != '' else ''}{query}"
        try:
            async with self._session.get(url) as response:
                body = await response.read()
                if response.status == 200:
                    return body
                return await self._refused(path, response.status, response.headers.get("Retry-After"), body)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TryAgain(_one_line(error)) from None

    async def _refused(self, path: str, status: int, retry_after: str | None, body: bytes) -> bytes:
        try:
            error = _ERROR.decode(body)
        except (ValueError, RecursionError):
            error = ApiError(0, "no reason given")
        text = f"{status} {error.code} {error.msg[:120]}"
        if error.code in WRONG_KEY_CODES:
            raise wrong_key(self.config, text)
        if error.code == OUTSIDE_WINDOW:
            await self.sync_time()
            raise TryAgain(text, 0.0)
        if status >= 500 or status in LIMIT_STATUSES or error.code in UNKNOWN_FATE_CODES:
            raise TryAgain(text, _retry_after_s(retry_after))
        raise SwarmError(
            f"venue {self.config.name} refused {path}: {text}",
            where=self.config.rest_url,
            mend="correct the venue's url, account or symbols",
            code=ExitCode.CONFIG,
        )

    async def sync_time(self) -> None:
        """Learn how far the venue's clock is from ours, to half a round trip."""
        before_ns = self.clock.now_ns()
        body = await self._once("/api/v3/time", {}, sign=False)
        middle_ms = (before_ns + self.clock.now_ns()) // (2 * MS_NS)
        try:
            self.time_offset_ms = msgspec.json.decode(body, type=_Time).serverTime - middle_ms
        except ValueError:
            raise TryAgain("the venue's time cannot be read") from None

    async def wait_up(self) -> None:
        """Wait for the venue to answer, at most `start_timeout_s`."""
        config = self.config
        backoff, why = Backoff(config.backoff_min_s, 1.0, self.draws), "no answer"
        try:
            async with asyncio.timeout(config.start_timeout_s):
                while True:
                    try:
                        return await self.sync_time()
                    except TryAgain as error:
                        why = str(error)
                    await asyncio.sleep(backoff.next_s())
        except TimeoutError:
            raise self.down(why) from None


def wrong_key(config: VenueConfig, text: str) -> SwarmError:
    """Say that the venue does not take the key."""
    return SwarmError(
        f"venue {config.name} refused the key of account {config.account}: {text}",
        where=config.rest_url,
        mend=f"put the right key and secret into {config.api_key_env} and {config.api_secret_env}",
        code=ExitCode.WRONG_KEY,
    )


def _retry_after_s(text: str | None) -> float | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(float(text), RETRY_AFTER_S_MAX)


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".replace("\n", " ").strip()[:160]
