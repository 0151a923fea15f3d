"""Sessions on the WebSocket API: Ed25519 keys log on; shared secrets do not."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from domain.errors import ConfigError
from sim.exchange.server_venue import read_keys
from tests.sim.exchange.ccxt_clients import BTC, books, stock
from tests.sim.exchange.server_builders import KEYS, ask, config, hear, running


def pem(key: Any) -> str:
    """Write a private key."""
    text: str = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return text


def public_pem(key: Any) -> str:
    """Write the public half."""
    text: str = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return text


def test_an_ed25519_key_logs_on_and_needs_no_more_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    key = Ed25519PrivateKey.generate()
    monkeypatch.setitem(KEYS, "A_SECRET", public_pem(key))

    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            params: dict[str, Any] = {"apiKey": KEYS["A_KEY"], "timestamp": at.venue.now_ms()}
            payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
            wrong = await ask(socket, 0, "session.logon", {**params, "signature": "AAAA"})
            assert wrong["error"]["code"] == -1022
            unsigned = await ask(socket, 1, "userDataStream.subscribe", {})
            assert (unsigned["status"], unsigned["error"]["code"]) == (401, -1002)
            signature = base64.b64encode(key.sign(payload.encode())).decode()
            logged = await ask(socket, 2, "session.logon", {**params, "signature": signature})
            assert logged["result"]["apiKey"] == KEYS["A_KEY"]
            assert (await ask(socket, 3, "userDataStream.subscribe", {}))["result"] == {"subscriptionId": 0}
            order = {**at.order("BUY", "59000", "0.01"), "timestamp": at.venue.now_ms()}
            assert (await ask(socket, 4, "order.place", order))["result"]["status"] == "NEW"
            assert (await hear(socket))["event"]["x"] == "NEW"
            assert (await hear(socket))["event"]["e"] == "outboundAccountPosition"
            late = await ask(socket, 5, "account.status", {"timestamp": 1_600_000_000_000})
            assert late["error"]["code"] == -1021
            listed = await ask(socket, 6, "session.subscriptions", {})
            assert listed["result"] == [{"subscriptionId": 0}]
            status = await ask(socket, 7, "session.status", {})
            assert status["result"]["userDataStream"] is True
            assert (await ask(socket, 8, "session.logout", {}))["result"]["apiKey"] is None
            assert (await ask(socket, 9, "order.place", order))["error"]["code"] == -2014

    asyncio.run(check())


def test_the_stock_client_signs_with_an_ed25519_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KEYS, "A_SECRET", pem(Ed25519PrivateKey.generate()))

    async def check() -> None:
        async with running() as at:
            await books(at)
            async with stock(at) as alice:
                assert (await alice.create_order(BTC, "market", "buy", 0.01))["status"] == "closed"
                assert (await alice.create_order_ws(BTC, "limit", "buy", 0.01, 59_000))["status"] == "open"

    asyncio.run(check())


def test_a_shared_secret_cannot_log_on() -> None:
    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            refused = await ask(socket, 1, "session.logon", at.signed("A"))
            assert refused["error"]["code"] == -4056

    asyncio.run(check())


@pytest.mark.parametrize("half", [pem, public_pem])
def test_a_key_of_another_kind_is_refused_at_the_start(half: Any) -> None:
    other = half(generate_private_key(SECP256R1()))
    with pytest.raises(ConfigError, match="A_SECRET holds no usable key"):
        read_keys(config(), {**KEYS, "A_SECRET": other})
