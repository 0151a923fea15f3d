"""Binance's REST: signed queries, its clock, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from domain.errors import ExitCode, SwarmError
from domain.protocols import Clock
from market.venues.binance.limits import (
    KNOWN,
    LISTED,
    Limits,
    RateLimit,
    header_counts,
    held_until_ns,
    priority_of,
    weight_of,
)
from market.venues.binance.replies import UNKNOWN_FATE_CODES, WRONG_KEY_CODES, ApiError
from market.venues.binance.signing import Signer, signed_query
from market.venues.config import VenueConfig
from market.venues.quota import Quotas, Turns
from market.venues.rest import LIMIT_STATUSES, RestCalls, TryAgain, retry_after_s, wrong_key
from market.venues.steps import MS_NS

OUTSIDE_WINDOW = -1021
_ERROR = msgspec.json.Decoder(ApiError)


class _Rights(msgspec.Struct):
    enableWithdrawals: bool


class _Time(msgspec.Struct):
    serverTime: int


class RestClient(RestCalls):
    """Ask a venue over REST, within its limits. Without credentials only public calls work.

    `limits` are those that Binance documents until `learn_limits` has asked for the venue's own.
    """

    def __init__(
        self,
        config: VenueConfig,
        clock: Clock,
        credentials: tuple[str, str] | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        key, secret = credentials or ("", "")
        super().__init__(config, clock, {"X-MBX-APIKEY": key})
        self._signer, self._quotas = Signer(secret), quotas or Quotas()
        self._keep(Limits(Quotas(), config))

    def _keep(self, limits: Limits) -> None:
        self.limits, self._turns = limits, Turns(limits.quota, self.clock)

    async def learn_limits(self, symbol: str) -> None:
        """Ask for the venue's own limits (with one symbol: all are megabytes), where it tells any."""
        found: list[RateLimit] = []
        try:
            found = LISTED.decode(await self.get("/api/v3/exchangeInfo", {"symbol": symbol})).rateLimits
        except (SwarmError, ValueError, RecursionError):
            found = []
        self._keep(Limits(self._quotas, self.config, found or KNOWN))
        self.limits.refresh(self.clock.now_ns())

    async def get(
        self, path: str, parameters: dict[str, str | int] | None = None, sign: bool = False
    ) -> bytes:
        """Get a body, or raise VENUE_DOWN after `rest_attempts`, WRONG_KEY at once."""

        async def attempt() -> bytes:
            costs = self.limits.costs(weight_of(path, parameters or {}))
            if not await self._turns.take(costs, priority_of(path)):
                raise TryAgain("too many calls wait for their turn")
            return await self._once(path, parameters or {}, sign)

        return await self._persist(path, attempt)

    def _heed(self, status: int, headers: Mapping[str, str]) -> None:
        now_ns, retry_after = self.clock.now_ns(), headers.get("Retry-After")
        self.limits.told(header_counts(headers), now_ns)
        if status in (418, 429):
            seconds = int(retry_after) if retry_after is not None and _whole(retry_after) else None
            self.limits.hold(held_until_ns(seconds, now_ns))

    async def _once(self, path: str, parameters: dict[str, str | int], sign: bool) -> bytes:
        if sign:
            query = signed_query(
                self._signer,
                {**parameters, "recvWindow": self.config.recv_window_ms, "timestamp": self.timestamp_ms()},
            )
        else:
            query = "&".join(f"{name}={value}" for name, value in parameters.items())
        status, retry_after, body = await self._exchange("GET", f"{path}{'?' if query != '' else ''}{query}")
        return body if status == 200 else await self._refused(path, status, retry_after, body)

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
            raise TryAgain(text, retry_after_s(retry_after))
        raise self.refusal(path, text)

    async def can_withdraw(self) -> bool | None:
        """Ask whether the key may take money out, `None` where the venue does not tell."""
        try:
            body = await self.get("/sapi/v1/account/apiRestrictions", sign=True)
            return msgspec.json.decode(body, type=_Rights).enableWithdrawals
        except (ValueError, RecursionError):
            return None
        except SwarmError as error:
            if error.code != ExitCode.CONFIG:
                raise
            return None

    async def sync_time(self) -> None:
        """Learn how far the venue's clock is from ours, to half a round trip."""
        before_ns = self.clock.now_ns()
        self.limits.quota.count(self.limits.costs(1), before_ns)
        body = await self._once("/api/v3/time", {}, sign=False)
        middle_ms = (before_ns + self.clock.now_ns()) // (2 * MS_NS)
        try:
            self.time_offset_ms = msgspec.json.decode(body, type=_Time).serverTime - middle_ms
        except (ValueError, RecursionError):
            raise TryAgain("the venue's time cannot be read") from None


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10
