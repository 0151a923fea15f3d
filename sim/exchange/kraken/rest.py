"""The REST door: `/0/public/…` and `/0/private/…`."""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from sim.exchange.kraken.errors import KrakenError, invalid
from sim.exchange.kraken.keys import Keyring
from sim.exchange.kraken.numbers import read_json
from sim.exchange.kraken.rest_account import ACCOUNT_CALLS, Asked, PrivateCall
from sim.exchange.kraken.rest_market import PUBLIC_CALLS, PublicCall
from sim.exchange.kraken.rest_trading import TRADING_CALLS
from sim.exchange.kraken.voice import KrakenVoice
from sim.exchange.server_venue import Venue

_encode = msgspec.json.Encoder().encode


def answer(body: object, status: int = 200) -> web.Response:
    """Write a JSON answer."""
    return web.Response(body=_encode(body), status=status, content_type="application/json")


def refuse(text: str) -> web.Response:
    """Write a refusal; Kraken sends it with status 200."""
    return answer({"error": [text]})


def add_kraken_rest(app: web.Application, venue: Venue, voice: KrakenVoice) -> None:
    """Add every REST route."""
    for name, call in PUBLIC_CALLS.items():
        app.router.add_get(f"/0/public/{name}", _public(venue, voice, call))
    keyring = Keyring(venue.keys)
    for name, (private, cost) in {**ACCOUNT_CALLS, **TRADING_CALLS}.items():
        app.router.add_post(f"/0/private/{name}", _private(venue, voice, keyring, private, cost))
    app.router.add_route("*", "/0/{rest:.*}", _unknown)


def _public(venue: Venue, voice: KrakenVoice, call: PublicCall) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        values = dict(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))
        return answer({"error": [], "result": call(venue, voice, values)})

    return handle


def _private(venue: Venue, voice: KrakenVoice, keyring: Keyring, call: PrivateCall, cost: int) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.text()
        values, lists = _read(request, body)
        key = request.headers.get("API-Key")
        sign = request.headers.get("API-Sign")
        owner = keyring.owner(key, sign, request.path, values.get("nonce"), body)
        assert key is not None
        if not voice.limits.call(key, cost, venue.now_ns()):
            raise KrakenError("EAPI:Rate limit exceeded")
        asked = Asked(venue, voice, owner.account, key, values, lists)
        return answer({"error": [], "result": await venue.ask(lambda: _guarded(call, asked))})

    return handle


def _guarded(call: PrivateCall, asked: Asked) -> object:
    """Let no value that cannot be read end the work of everybody."""
    try:
        return call(asked)
    except (ValueError, OverflowError):
        raise invalid() from None


def _read(request: web.Request, body: str) -> tuple[dict[str, str], dict[str, list[object]]]:
    """Read a form or a JSON body; lists come apart."""
    if request.content_type != "application/json":
        return dict(parse_qsl(body, keep_blank_values=True)), {}
    message = read_json(body)
    if not isinstance(message, dict):
        raise invalid()
    values, lists = {}, {}
    for name, value in message.items():
        if isinstance(value, list):
            lists[name] = value
        elif value is not None:
            values[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return values, lists


async def _unknown(_: web.Request) -> web.StreamResponse:
    raise KrakenError("EGeneral:Unknown method")
