"""The REST door: `/0/public/…` and `/0/private/…`."""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from sim.exchange.kraken.errors import KrakenError
from sim.exchange.kraken.rest_market import PUBLIC_CALLS, PublicCall
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
    app.router.add_route("*", "/0/{rest:.*}", _unknown)


def _public(venue: Venue, voice: KrakenVoice, call: PublicCall) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        values = dict(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))
        return answer({"error": [], "result": call(venue, voice, values)})

    return handle


async def _unknown(_: web.Request) -> web.StreamResponse:
    raise KrakenError("EGeneral:Unknown method")
