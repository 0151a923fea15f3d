"""REST calls with a stated end: so many attempts, so long each, then one error that says which venue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

import aiohttp

from domain.draws import stream
from domain.errors import ExitCode, SwarmError
from domain.protocols import Clock
from market.venues.backoff import Backoff
from market.venues.config import VenueConfig
from market.venues.steps import MS_NS

# The venue, or something before it, limits us or is not well: another attempt may do better.
LIMIT_STATUSES = frozenset({403, 409, 418, 429})
RETRY_AFTER_S_MAX = 60.0


class TryAgain(Exception):
    """This attempt failed in a way that another one may mend."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class RestCalls:
    """Ask a venue over REST; a dialect says what a call looks like and what its answer means."""

    def __init__(self, config: VenueConfig, clock: Clock, headers: Mapping[str, str]) -> None:
        self.config, self.clock = config, clock
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None
        self.draws = stream(0, "rest", config.name, config.account)
        self.time_offset_ms = 0

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self.config.rest_timeout_s)
        self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    def timestamp_ms(self) -> int:
        """Give the venue's time as far as we know it."""
        return self.clock.now_ns() // MS_NS + self.time_offset_ms

    def down(self, why: str) -> SwarmError:
        """Say that the venue does not answer."""
        return SwarmError(
            f"venue {self.config.name} is down: {why}",
            where=self.config.rest_url,
            mend="start the venue, or correct its url",
            code=ExitCode.VENUE_DOWN,
            retryable=True,
        )

    def refusal(self, what: str, text: str) -> SwarmError:
        """Say that the venue will not answer this, however often it is asked."""
        return SwarmError(
            f"venue {self.config.name} refused {what}: {text}",
            where=self.config.rest_url,
            mend="correct the venue's url, account or symbols",
            code=ExitCode.CONFIG,
        )

    async def sync_time(self) -> None:
        """Learn how far the venue's clock is from ours, and that the venue answers at all."""
        raise NotImplementedError

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

    async def _persist(self, what: str, attempt: Callable[[], Awaitable[bytes]]) -> bytes:
        """Give what an attempt gives, or raise VENUE_DOWN after `rest_attempts` of them."""
        config = self.config
        backoff = Backoff(config.backoff_min_s, config.backoff_max_s, self.draws)
        why = ""
        for number in range(config.rest_attempts):
            try:
                return await attempt()
            except TryAgain as error:
                why = str(error)
                wait_s = backoff.next_s() if error.wait_s is None else error.wait_s
            if number + 1 < config.rest_attempts:
                await asyncio.sleep(wait_s)
        raise self.down(f"{what}: {why}")

    async def _exchange(
        self, method: str, path: str, *, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str | None, bytes]:
        """Make one call; gives status, Retry-After and body, and asks to try again where there is none."""
        assert self._session is not None
        url = f"{self.config.rest_url.rstrip('/')}{path}"
        try:
            async with self._session.request(method, url, data=body, headers=headers) as response:
                read = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TryAgain(_one_line(error)) from None
        self._heed(response.status, response.headers)
        return response.status, response.headers.get("Retry-After"), read

    def _heed(self, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer's headers what the venue counted; not every dialect tells there."""


def wrong_key(config: VenueConfig, text: str) -> SwarmError:
    """Say that the venue does not take the key."""
    source = config.vault_path or f"{config.api_key_env} and {config.api_secret_env}"
    return SwarmError(
        f"venue {config.name} refused the key of account {config.account}: {text}",
        where=config.rest_url,
        mend=f"put the right key and secret into {source}",
        code=ExitCode.WRONG_KEY,
    )


def retry_after_s(text: str | None) -> float | None:
    """Read a Retry-After header; `None` where it says nothing usable."""
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(float(text), RETRY_AFTER_S_MAX)


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".replace("\n", " ").strip()[:160]
