"""Who asks: keys, signatures, nonces, and tokens for the WebSocket.

Source: docs.kraken.com, "Spot REST authentication": API-Sign is base64 of HMAC-SHA512, under the
secret, over the path and SHA-256 of nonce and body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from itertools import count

from sim.exchange.kraken.errors import KrakenError
from sim.exchange.kraken.limits import S_NS
from sim.exchange.kraken.numbers import digits
from sim.exchange.sign import ApiKey

TOKEN_S = 900
NONCE_MAX = (1 << 64) - 1


def signature(secret: str, path: str, nonce: str, body: str) -> str:
    """Sign a request as clients do; raise `ValueError` for a secret that is no base64."""
    digest = hashlib.sha256((nonce + body).encode()).digest()
    key = base64.b64decode(secret, validate=True)
    return base64.b64encode(hmac.new(key, path.encode() + digest, hashlib.sha512).digest()).decode()


def is_secret(text: str) -> bool:
    """Tell whether a secret has Kraken's form."""
    try:
        return len(base64.b64decode(text, validate=True)) > 0
    except binascii.Error:
        return False


class Keyring:
    """Check requests. A key's nonces rise for as long as the process lives."""

    def __init__(self, keys: Mapping[str, ApiKey]) -> None:
        self._keys = keys
        self._nonces: dict[str, int] = {}

    def owner(self, key: str | None, sign: str | None, path: str, nonce: str | None, body: str) -> ApiKey:
        """Give whose request it is, or raise the refusal."""
        known = self._keys.get(key or "")
        if key is None or known is None:
            raise KrakenError("EAPI:Invalid key")
        if nonce is None or not digits(nonce, 20) or int(nonce) > NONCE_MAX:
            raise KrakenError("EAPI:Invalid nonce")
        if not _signed(known, sign or "", path, nonce, body):
            raise KrakenError("EAPI:Invalid signature")
        if int(nonce) <= self._nonces.get(key, -1):
            raise KrakenError("EAPI:Invalid nonce")
        self._nonces[key] = int(nonce)
        return known


def _signed(known: ApiKey, sign: str, path: str, nonce: str, body: str) -> bool:
    try:
        wanted = signature(known.secret.decode(), path, nonce, body)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(wanted.encode(), sign.encode())


class Tokens:
    """Give tokens and read them back. One that was used on a connection stays good on it."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._owners: dict[str, tuple[int, int]] = {}

    def make(self, account: int, secret: bytes, now_ns: int) -> str:
        """Make a token; those that ran out are forgotten."""
        for old in [token for token, (_, until_ns) in self._owners.items() if until_ns < now_ns]:
            del self._owners[old]
        seed = b"%d %d " % (next(self._numbers), now_ns) + secret
        token = base64.b64encode(hashlib.sha256(seed).digest()).decode().rstrip("=")
        self._owners[token] = (account, now_ns + TOKEN_S * S_NS)
        return token

    def account(self, token: object, now_ns: int) -> int:
        """Give a token's account, or raise the refusal."""
        account, until_ns = self._owners.get(str(token), (-1, -1))
        if until_ns < now_ns:
            raise KrakenError("ESession:Invalid session")
        return account
