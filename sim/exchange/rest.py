"""The REST door."""

from __future__ import annotations

import logging
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from sim.exchange import dialect_limits as limits
from sim.exchange import sign
from sim.exchange.dialect_call import Call
from sim.exchange.dialect_calls import REST_CALLS
from sim.exchange.dialect_errors import DialectError, missing
from sim.exchange.dialect_params import Params
from sim.exchange.server_venue import Venue
from sim.exchange.stream_keys import ListenKeys

LOG = logging.getLogger(__name__)
LISTEN_KEY_WEIGHT = 2
FORM = "application/x-www-form-urlencoded"

_encode = msgspec.json.Encoder().encode


def add_rest(app: web.Application, venue: Venue, listen_keys: ListenKeys) -> None:
    """Add every REST route."""
    for (method, path), call in REST_CALLS.items():
        app.router.add_route(method, path, _handler(venue, call))
    _Keys(venue, listen_keys).add(app)


@web.middleware
async def in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every failure in the dialect's form, never with a traceback."""
    try:
        return await handler(request)
    except DialectError as refused:
        return answer(refused.body(), refused.http, limits.retry_header(refused))
    except web.HTTPException as refused:
        return answer(
            {"code": -1020, "msg": f"This operation is not supported: {refused.reason}."}, refused.status
        )
    except (UnicodeDecodeError, ValueError):
        return answer({"code": -1100, "msg": "Illegal characters found in a parameter."}, 400)
    except Exception:
        LOG.exception("request failed")
        text = "An unknown error occurred while processing the request."
        return answer({"code": -1000, "msg": text}, 500)


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Write a JSON answer."""
    return web.Response(body=_encode(body), status=status, headers=headers, content_type="application/json")


def _handler(venue: Venue, call: Call) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        params, payload = await _read(request)
        address = request.remote or ""
        account = -1
        try:
            limits.charge_request(venue, address, call.cost(params))
            if call.signed or call.keyed:
                owner = sign.key_owner(venue.keys, request.headers.get("X-MBX-APIKEY"))
                if call.signed:
                    account = sign.check_signature(owner, params, payload, venue.now_ms())
            if call.orders > 0:
                limits.charge_orders(venue, account, call.orders)
            body, status = await _body(venue, call, params, account), 200
            told: dict[str, str] = {}
        except DialectError as refused:
            body, status, told = refused.body(), refused.http, limits.retry_header(refused)
        ordering = account if call.orders > 0 and account >= 0 else None
        return answer(body, status, {**limits.headers(venue, address, ordering), **told})

    return handle


async def _body(venue: Venue, call: Call, params: Params, account: int) -> object:
    if call.direct:
        return call.run(venue, params, account)
    return await venue.ask(lambda: call.run(venue, params, account))


async def _read(request: web.Request) -> tuple[Params, str]:
    query, body = request.rel_url.raw_query_string, await request.text()
    values = dict(parse_qsl(body, keep_blank_values=True))
    values.update(parse_qsl(query, keep_blank_values=True))
    return Params(values), sign.rest_payload(query, body)


class _Keys:
    """The older user stream's keys: asked for, kept alive and closed over REST."""

    def __init__(self, venue: Venue, listen_keys: ListenKeys) -> None:
        self._venue, self._listen_keys = venue, listen_keys

    def add(self, app: web.Application) -> None:
        for path in ("/api/v3/userDataStream", "/api/v1/userDataStream"):
            app.router.add_post(path, self._make)
            app.router.add_put(path, self._extend)
            app.router.add_delete(path, self._close)

    def _account(self, request: web.Request) -> int:
        limits.charge_request(self._venue, request.remote or "", LISTEN_KEY_WEIGHT)
        return sign.key_owner(self._venue.keys, request.headers.get("X-MBX-APIKEY")).account

    async def _make(self, request: web.Request) -> web.Response:
        account = self._account(request)
        return answer({"listenKey": self._listen_keys.make(account, self._venue.now_ns())})

    async def _extend(self, request: web.Request) -> web.Response:
        account, key = self._account(request), await self._named(request)
        self._listen_keys.extend(account, key, self._venue.now_ns())
        return answer({})

    async def _close(self, request: web.Request) -> web.Response:
        account, key = self._account(request), await self._named(request)
        self._listen_keys.close(account, key, self._venue.now_ns())
        return answer({})

    async def _named(self, request: web.Request) -> str:
        params, _ = await _read(request)
        key = params.text("listenKey")
        if key is None:
            raise missing("listenKey")
        return key
