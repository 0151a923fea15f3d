"""Who asks, and is it really them: API keys, HMAC-SHA256 signatures, timestamps."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

import msgspec

from sim.exchange.dialect_errors import DialectError, missing
from sim.exchange.dialect_params import Params

RECV_WINDOW_MS = 5_000
RECV_WINDOW_MS_MAX = 60_000
AHEAD_MS_MAX = 1_000

_KEY = re.compile(r"[A-Za-z0-9_-]{8,128}")


class ApiKey(msgspec.Struct, frozen=True):
    """One key: whose it is and the secret it signs with or, for an Ed25519 key, the public half."""

    account: int
    secret: bytes
    public: bytes | None = None


def signature(secret: bytes, payload: str) -> str:
    """Sign a payload as clients do."""
    return hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()


def rest_payload(query: str, body: str) -> str:
    """Give what a REST client signed: query and body as sent, without the signature itself."""
    return "".join(_unsigned(part) for part in (query, body))


def ws_payload(params: Mapping[str, str]) -> str:
    """Give what a WebSocket client signed: its parameters in order of name."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")


def is_key(name: str) -> bool:
    """Tell whether a text has the form of an API key."""
    return _KEY.fullmatch(name) is not None


def key_owner(keys: Mapping[str, ApiKey], name: str | None) -> ApiKey:
    """Look a key up."""
    if name is None or not is_key(name):
        raise DialectError(-2014, "API-key format invalid.", 401)
    owner = keys.get(name)
    if owner is None:
        raise DialectError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    return owner


def check_signature(owner: ApiKey, params: Params, payload: str, now_ms: int) -> int:
    """Give the account that signed this request, or raise the refusal."""
    if params.integer("timestamp") is None:
        raise missing("timestamp")
    given = params.need("signature")
    if not _signed_by(owner, given, payload):
        raise DialectError(-1022, "Signature for this request is not valid.")
    check_time(params, now_ms)
    return owner.account


def check_time(params: Params, now_ms: int) -> None:
    """Refuse a request that was sent too long ago or in the future."""
    stamp = params.integer("timestamp")
    if stamp is None:
        raise missing("timestamp")
    # Binance takes milliseconds or, since 2025, microseconds.
    sent_ms = stamp // 1_000 if stamp > 10**14 else stamp
    window_ms = params.integer("recvWindow")
    if window_ms is not None and window_ms > RECV_WINDOW_MS_MAX:
        raise DialectError(-1131, "recvWindow must be less than 60000")
    if sent_ms >= now_ms + AHEAD_MS_MAX:
        raise DialectError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent_ms > (RECV_WINDOW_MS if window_ms is None else window_ms):
        raise DialectError(-1021, "Timestamp for this request is outside of the recvWindow.")


def api_key(account: int, secret: str) -> ApiKey:
    """Make a key from what its owner was given: a shared secret, or an Ed25519 key in PEM form."""
    if "PRIVATE KEY" not in secret and "PUBLIC KEY" not in secret:
        return ApiKey(account, secret.encode())
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    if "PRIVATE KEY" in secret:
        own = load_pem_private_key(secret.encode(), None)
        if not isinstance(own, Ed25519PrivateKey):
            raise ValueError("not an Ed25519 key")
        return ApiKey(account, b"", own.public_key().public_bytes_raw())
    public = load_pem_public_key(secret.encode())
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return ApiKey(account, b"", public.public_bytes_raw())


def _signed_by(owner: ApiKey, given: str, payload: str) -> bool:
    if owner.public is None:
        return hmac.compare_digest(given.encode(), signature(owner.secret, payload).encode())
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = base64.b64decode(given, validate=True)
        Ed25519PublicKey.from_public_bytes(owner.public).verify(raw, payload.encode())
    except (ValueError, InvalidSignature):
        return False
    return True


def _unsigned(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
