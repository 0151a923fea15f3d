"""Binance's REST: signed queries, its clock, and what its refusals mean."""

from __future__ import annotations

import msgspec

from domain.protocols import Clock
from market.venues.binance.replies import UNKNOWN_FATE_CODES, WRONG_KEY_CODES, ApiError
from market.venues.binance.signing import Signer, signed_query
from market.venues.config import VenueConfig
from market.venues.rest import LIMIT_STATUSES, RestCalls, TryAgain, retry_after_s, wrong_key
from market.venues.steps import MS_NS

OUTSIDE_WINDOW = -1021
_ERROR = msgspec.json.Decoder(ApiError)


class _Time(msgspec.Struct):
    serverTime: int


class RestClient(RestCalls):
    """Ask a venue over REST. Without credentials only public calls work."""

    def __init__(self, config: VenueConfig, clock: Clock, credentials: tuple[str, str] | None = None) -> None:
        key, secret = credentials or ("", "")
        super().__init__(config, clock, {"X-MBX-APIKEY": key})
        self._signer = Signer(secret)

    async def get(
        self, path: str, parameters: dict[str, str | int] | None = None, sign: bool = False
    ) -> bytes:
        """Get a body, or raise VENUE_DOWN after `rest_attempts`, WRONG_KEY at once."""
        return await self._persist(path, lambda: self._once(path, parameters or {}, sign))

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

    async def sync_time(self) -> None:
        """Learn how far the venue's clock is from ours, to half a round trip."""
        before_ns = self.clock.now_ns()
        body = await self._once("/api/v3/time", {}, sign=False)
        middle_ms = (before_ns + self.clock.now_ns()) // (2 * MS_NS)
        try:
            self.time_offset_ms = msgspec.json.decode(body, type=_Time).serverTime - middle_ms
        except (ValueError, RecursionError):
            raise TryAgain("the venue's time cannot be read") from None
