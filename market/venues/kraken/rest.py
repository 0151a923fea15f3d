"""Kraken's REST: public calls, signed ones in the order of their nonces, and what its errors mean."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from domain.errors import ExitCode, SwarmError
from domain.protocols import Clock
from market.venues.config import VenueConfig
from market.venues.kraken.faults import unclear, wrong
from market.venues.kraken.limits import CALLS, STARTER, Tier, call_costs, quota_of
from market.venues.kraken.names import ListedAsset, ListedPair, Names
from market.venues.quota import Turns
from market.venues.rest import LIMIT_STATUSES, RestCalls, TryAgain, retry_after_s, wrong_key

Parameters = Mapping[str, str | int]
INVALID_NONCE = "EAPI:Invalid nonce"


class _Envelope(msgspec.Struct):
    error: list[str] = []
    result: msgspec.Raw = msgspec.Raw(b"null")


class _Time(msgspec.Struct):
    unixtime: int


class _Token(msgspec.Struct):
    token: str


class _Key(msgspec.Struct):
    permissions: list[str]


_ENVELOPE, _TOKEN = msgspec.json.Decoder(_Envelope), msgspec.json.Decoder(_Token)
_KEY = msgspec.json.Decoder(_Key)
_ASSETS = msgspec.json.Decoder(dict[str, ListedAsset])
_PAIRS = msgspec.json.Decoder(dict[str, ListedPair])


def signature(secret: bytes, path: str, nonce: int, body: str) -> str:
    """Sign a call: HMAC-SHA512 of its path and of SHA-256 over nonce and body.

    >>> signature(b"secret", "/0/private/Balance", 1, "nonce=1")[:12]
    'nY4IAKuG38Vp'
    """
    message = path.encode() + hashlib.sha256(f"{nonce}{body}".encode()).digest()
    return base64.b64encode(hmac.digest(secret, message, "sha512")).decode()


class RestClient(RestCalls):
    """Ask a venue over REST. Signed calls go one after another, because their nonces must rise."""

    def __init__(self, config: VenueConfig, clock: Clock, credentials: tuple[str, str]) -> None:
        super().__init__(config, clock, {"User-Agent": "murmuration"})
        self._key, secret = credentials
        try:
            self._secret = base64.b64decode(secret, validate=True)
        except binascii.Error:
            # Not a secret of Kraken's: let the venue say so.
            self._secret = secret.encode()
        self._turn, self._nonce = asyncio.Lock(), 0
        self._tier, self.quota = STARTER, quota_of(config.name, config.account, STARTER)
        self._turns = Turns(self.quota, clock)

    def pace(self, tier: Tier) -> None:
        """Keep to a tier's limits from now on; what was counted stays counted."""
        if tier != self._tier:
            now_ns = self.clock.now_ns()
            counted = self.quota.used(CALLS, now_ns)
            self._tier, self.quota = tier, quota_of(self.config.name, self.config.account, tier)
            self.quota.count(((CALLS, counted),), now_ns)
            self._turns = Turns(self.quota, self.clock)

    async def public(self, name: str, parameters: Parameters | None = None) -> bytes:
        """Give a public call's result."""
        query = urlencode(parameters or {})
        path = f"/0/public/{name}{'?' if query != '' else ''}{query}"

        async def attempt() -> bytes:
            return self._result(name, *await self._exchange("GET", path))

        return await self._persist(name, attempt)

    async def private(self, name: str, parameters: Parameters | None = None) -> bytes:
        """Give a signed call's result."""

        costs, priority = call_costs(name)

        async def attempt() -> bytes:
            if not await self._turns.take(costs, priority):
                raise TryAgain("too many calls wait for their turn")
            async with self._turn:
                return self._result(name, *await self._signed(f"/0/private/{name}", parameters or {}))

        return await self._persist(name, attempt)

    async def _signed(self, path: str, parameters: Parameters) -> tuple[int, str | None, bytes]:
        self._nonce = nonce = max(self._nonce + 1, self.clock.now_ns() // 1_000)
        body = urlencode({"nonce": nonce, **parameters})
        headers = {
            "API-Key": self._key,
            "API-Sign": signature(self._secret, path, nonce, body),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return await self._exchange("POST", path, body=body, headers=headers)

    def _result(self, name: str, status: int, retry_after: str | None, body: bytes) -> bytes:
        try:
            answer = _ENVELOPE.decode(body)
        except (ValueError, RecursionError):
            answer = _Envelope(["no readable answer"])
        # A text that begins with W is a warning beside a good result.
        errors = [text for text in answer.error if not text.startswith("W")]
        if status == 200 and not errors:
            return bytes(answer.result)
        first, text = (errors or ["no reason given"])[0], f"{status} {', '.join(errors)[:160]}"
        if wrong(first):
            raise wrong_key(self.config, text)
        if status >= 500 or status in LIMIT_STATUSES or unclear(first) or first == INVALID_NONCE:
            raise TryAgain(text, 0.0 if first == INVALID_NONCE else retry_after_s(retry_after))
        raise self.refusal(name, text)

    async def sync_time(self) -> None:
        """Learn whether the venue answers; its time is in whole seconds, so the sockets tell it better."""
        body = self._result("Time", *await self._exchange("GET", "/0/public/Time"))
        try:
            msgspec.json.decode(body, type=_Time)
        except ValueError:
            raise TryAgain("the venue's time cannot be read") from None

    async def token(self) -> str:
        """Get a token for the private socket; it must be used within 15 minutes."""
        try:
            return _TOKEN.decode(await self.private("GetWebSocketsToken")).token
        except ValueError as error:
            raise self.down(f"GetWebSocketsToken: {error}") from None

    async def can_withdraw(self) -> bool | None:
        """Learn whether the key may take money out; `None` where the venue does not tell."""
        try:
            return any(
                "withdraw" in one.lower()
                for one in _KEY.decode(await self.private("GetApiKeyInfo")).permissions
            )
        except ValueError:
            return None
        except SwarmError as error:
            if error.code == ExitCode.CONFIG:
                return None
            raise

    async def names(self) -> Names:
        """Learn the names of assets and pairs."""
        assets, pairs = await self.public("Assets"), await self.public("AssetPairs")
        try:
            return Names(_ASSETS.decode(assets), _PAIRS.decode(pairs))
        except ValueError as error:
            raise self.down(f"Assets and AssetPairs cannot be read: {error}") from None
