"""The WebSocket API door: signed requests and, on the same connection, the account's own events."""

from __future__ import annotations

import json
from functools import partial
from itertools import count

import msgspec
from aiohttp import web

from sim.exchange import dialect_limits as limits
from sim.exchange import sign
from sim.exchange.dialect_calls import WS_CALLS, unknown_method
from sim.exchange.dialect_errors import DialectError
from sim.exchange.dialect_params import Params
from sim.exchange.server_venue import Deliver, Venue
from sim.exchange.stream_connection import Connection, admit

SUBSCRIBE = "userDataStream.subscribe.signature"
SUBSCRIBE_SESSION = "userDataStream.subscribe"
UNSUBSCRIBE = "userDataStream.unsubscribe"
CONNECTION_WEIGHT = 2
SUBSCRIPTIONS_MAX = 16

_encode = msgspec.json.Encoder().encode
_RATES = {"true": True, "false": False}


class WsApiDoor:
    """Serve the WebSocket API of one exchange."""

    def __init__(self, venue: Venue, connections: dict[Connection, None]) -> None:
        self._venue, self._connections = venue, connections

    def add(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get("/ws-api/v3", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        admit(self._connections)
        limits.charge_connection(self._venue, request.remote or "")
        limits.charge_request(self._venue, request.remote or "", CONNECTION_WEIGHT)
        connection = Connection(request, combined=False)
        session = WsApiSession(self._venue, connection)
        self._connections[connection] = None
        try:
            return await connection.serve(session.take)
        finally:
            session.leave()
            del self._connections[connection]


class _Subscription:
    """Wrap an account's events as the WebSocket API does."""

    def __init__(self, connection: Connection, number: int, account: int) -> None:
        self._connection, self._head = connection, b'{"subscriptionId":%d,"event":' % number
        self.account = account

    def user_event(self, payload: bytes) -> None:
        self._connection.send(self._head + payload + b"}")


class WsApiSession:
    """Answer one client's requests in the order in which they came."""

    def __init__(self, venue: Venue, connection: Connection) -> None:
        self._venue, self._connection = venue, connection
        self._numbers = count()
        self._subscriptions: dict[int, _Subscription] = {}
        self._returning = _RATES.get(connection.query("returnRateLimits"), True)
        self._key: str | None = None
        self._connected_ms = self._since_ms = venue.now_ms()

    def leave(self) -> None:
        """Drop every subscription."""
        for one in self._subscriptions.values():
            self._venue.users.unsubscribe(one.account, one)
        self._subscriptions.clear()

    def take(self, text: str) -> None:
        """Take one request; its answer is sent when it is durable."""
        number: object = None
        try:
            number, method, params = _read(text)
            self._start(number, method, params)
        except DialectError as refused:
            self._told(number, refused)

    def _start(self, number: object, method: str, values: dict[str, str]) -> None:
        call = WS_CALLS.get(method)
        params, account = Params(values), -1
        returning = _RATES.get(values.get("returnRateLimits", ""), self._returning)
        answer: Deliver = partial(self._answer, number, None, returning)
        limits.charge_request(self._venue, self._connection.address, 2 if call is None else call.cost(params))
        if call is None:
            self._session_call(number, method, params, values)
            return
        if call.signed:
            account = self._signed(values)
        if call.orders > 0:
            answer = partial(self._answer, number, account, returning)
        if self._connection.tap is not None:
            answer = self._connection.tap.answer(method, values, answer)
        if call.orders > 0:
            limits.charge_orders(self._venue, account, call.orders)
        if call.direct:
            answer(call.run(self._venue, params, account))
        else:
            self._venue.submit(partial(call.run, self._venue, params, account), answer)

    def _session_call(self, number: object, method: str, params: Params, values: dict[str, str]) -> None:
        """Follow what concerns this connection alone."""
        if method in {SUBSCRIBE, SUBSCRIBE_SESSION}:
            account = self._signed(values) if method == SUBSCRIBE else self._logged_on()
            self._venue.submit(_nothing, lambda _: self._subscribe(number, account))
        elif method == UNSUBSCRIBE:
            self._unsubscribe(params.integer("subscriptionId"))
            self._told(number, {})
        elif method == "session.subscriptions":
            self._told(number, [{"subscriptionId": place} for place in self._subscriptions])
        elif method == "session.logon":
            owner = sign.key_owner(self._venue.keys, values.get("apiKey"))
            if owner.public is None:
                raise DialectError(-4056, "HMAC_SHA256 API key is not supported.")
            self._signed(values)
            self._key, self._since_ms = str(values["apiKey"]), self._venue.now_ms()
            self._told(number, self._status())
        elif method in {"session.status", "session.logout"}:
            if method == "session.logout":
                self._key = None
            self._told(number, self._status())
        else:
            raise unknown_method(method)

    def _status(self) -> dict[str, object]:
        return {
            "apiKey": self._key,
            "authorizedSince": None if self._key is None else self._since_ms,
            "connectedSince": self._connected_ms,
            "returnRateLimits": self._returning,
            "serverTime": self._venue.now_ms(),
            "userDataStream": bool(self._subscriptions),
        }

    def _logged_on(self) -> int:
        if self._key is None:
            raise DialectError(-1002, "You are not authorized to execute this request.", 401)
        return sign.key_owner(self._venue.keys, self._key).account

    def _signed(self, values: dict[str, str]) -> int:
        if self._key is not None and "signature" not in values:
            sign.check_time(Params(values), self._venue.now_ms())
            return self._logged_on()
        owner = sign.key_owner(self._venue.keys, values.get("apiKey"))
        return sign.check_signature(owner, Params(values), sign.ws_payload(values), self._venue.now_ms())

    def _subscribe(self, number: object, account: int) -> None:
        """Begin after everything that was queued before, and before anything queued later."""
        if self._connection.closed:
            return
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            self._told(number, DialectError(-1034, "Too many subscriptions on this connection."))
            return
        place = next(self._numbers)
        self._subscriptions[place] = _Subscription(self._connection, place, account)
        self._told(number, {"subscriptionId": place})
        self._venue.users.subscribe(account, self._subscriptions[place])
        if self._connection.tap is not None:
            self._connection.tap.account = self._venue.config.accounts[account].name

    def _unsubscribe(self, place: int | None) -> None:
        for number in list(self._subscriptions) if place is None else [place]:
            one = self._subscriptions.pop(number, None)
            if one is None:
                raise DialectError(-1130, "Data sent for parameter 'subscriptionId' is not valid.")
            self._venue.users.unsubscribe(one.account, one)

    def _told(self, number: object, result: object) -> None:
        self._answer(number, None, self._returning, result)

    def _answer(self, number: object, account: int | None, returning: bool, result: object) -> None:
        if isinstance(result, DialectError):
            body = {"id": number, "status": result.http, "error": result.body()}
        else:
            body = {"id": number, "status": 200, "result": result}
        if returning:
            body["rateLimits"] = limits.counts(self._venue, self._connection.address, account)
        self._connection.send(_encode(body))


def _nothing() -> None:
    return None


def _read(text: str) -> tuple[object, str, dict[str, str]]:
    try:
        # Numbers with a fraction stay text, so that a signature is checked over what was sent.
        message = json.loads(text, parse_float=str)
    except (ValueError, RecursionError):
        raise DialectError(-1135, "Invalid JSON Request") from None
    if not isinstance(message, dict):
        raise DialectError(-1135, "Invalid JSON Request")
    number, method, params = message.get("id"), message.get("method"), message.get("params", {})
    if number is not None and not isinstance(number, int | str):
        raise DialectError(-1135, "Invalid JSON Request: 'id' must be an integer, a string or null")
    if not isinstance(method, str) or not isinstance(params, dict):
        raise DialectError(-1135, "Invalid JSON Request: 'method' must be a string, 'params' an object")
    return number, method, {name: _text(value) for name, value in params.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
