"""The stream doors: `/ws`, `/ws/<stream or listen key>` and `/stream?streams=`."""

from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec
from aiohttp import web

from sim.exchange import dialect_limits as limits
from sim.exchange.server_venue import Venue
from sim.exchange.stream_connection import Connection, admit
from sim.exchange.stream_keys import ListenKeys

STREAMS_MAX = 1_024
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")

_encode = msgspec.json.Encoder().encode


class StreamError(Exception):
    """A control message that cannot be followed."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class StreamDoor:
    """Serve market streams and listen-key user streams of one exchange."""

    def __init__(self, venue: Venue, listen_keys: ListenKeys, connections: dict[Connection, None]) -> None:
        self._venue, self._listen_keys, self._connections = venue, listen_keys, connections

    def add(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/ws", self._raw)
        app.router.add_get("/ws/{streams:.+}", self._raw)
        app.router.add_get("/stream", self._combined)
        # Stock clients number their connections in the path, and know spot by the word `stream` in it.
        app.router.add_get("/stream/{number}", self._combined)

    async def _raw(self, request: web.Request) -> web.StreamResponse:
        streams = request.match_info.get("streams", "")
        account = self._listen_keys.account(streams, self._venue.now_ns())
        names = streams.split("/") if streams and account is None else []
        return await self._serve(request, names, account, combined=False)

    async def _combined(self, request: web.Request) -> web.StreamResponse:
        names = [name for name in request.query.get("streams", "").split("/") if name]
        return await self._serve(request, names, None, combined=True)

    async def _serve(
        self, request: web.Request, names: list[str], account: int | None, *, combined: bool
    ) -> web.StreamResponse:
        admit(self._connections)
        limits.charge_connection(self._venue, request.remote or "")
        connection = Connection(request, combined=combined)
        session = StreamSession(self._venue, connection)
        listener = _Own(connection)
        self._connections[connection] = None
        try:
            # A stream that does not exist is silent, as it is at Binance.
            session.listen(name for name in names[:STREAMS_MAX] if self._venue.hub.known(name))
            if account is not None:
                self._venue.users.subscribe(account, listener)
                if connection.tap is not None:
                    connection.tap.account = self._venue.config.accounts[account].name
            return await connection.serve(session.take)
        finally:
            session.leave()
            if account is not None:
                self._venue.users.unsubscribe(account, listener)
            del self._connections[connection]


class _Own:
    """Pass an account's events to its listen-key connection as they are."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def user_event(self, payload: bytes) -> None:
        self._connection.send(payload)


class StreamSession:
    """Follow one client's SUBSCRIBE and UNSUBSCRIBE."""

    def __init__(self, venue: Venue, connection: Connection) -> None:
        self._venue, self._connection = venue, connection
        self._streams: dict[str, None] = {}

    def listen(self, names: Iterable[str]) -> None:
        """Subscribe to streams."""
        for name in names:
            self._streams[name] = None
            self._venue.hub.subscribe(name, self._connection)

    def leave(self) -> None:
        """Unsubscribe from everything."""
        for name in self._streams:
            self._venue.hub.unsubscribe(name, self._connection)
        self._streams.clear()

    def take(self, text: str) -> None:
        """Answer a control message."""
        number: object = None
        try:
            message = _read(text)
            number = message.get("id")
            answer: object = {"result": self._do(message), "id": number}
        except StreamError as refused:
            answer = {"error": {"code": refused.code, "msg": refused.text}, "id": number}
        self._connection.send(_encode(answer))

    def _do(self, message: dict[str, object]) -> object:
        method = message.get("method")
        if method == "LIST_SUBSCRIPTIONS":
            return list(self._streams)
        if method in {"SET_PROPERTY", "GET_PROPERTY"}:
            return self._property(str(method), message.get("params"))
        if method not in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            expected = ", ".join(f"`{name}`" for name in METHODS)
            shown = str(method)[:64]
            raise StreamError(2, f"Invalid request: unknown variant `{shown}`, expected one of {expected}")
        names = message.get("params")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise StreamError(2, "Invalid request: params must be a list of stream names")
        if method == "SUBSCRIBE":
            self._subscribe(names)
        else:
            self._unsubscribe(names)
        return None

    def _property(self, method: str, params: object) -> object:
        if not isinstance(params, list) or not params or params[0] != "combined":
            raise StreamError(0, "Unknown property")
        if method == "GET_PROPERTY":
            return self._connection.combined
        if len(params) != 2 or not isinstance(params[1], bool):
            raise StreamError(1, "Invalid value type: expected Boolean")
        self._connection.combined = params[1]
        return None

    def _subscribe(self, names: list[str]) -> None:
        if len(self._streams) + len(names) > STREAMS_MAX:
            raise StreamError(2, f"Invalid request: more than {STREAMS_MAX} streams on one connection")
        for name in names:
            if not self._venue.hub.known(name):
                raise StreamError(2, f"Invalid request: no such stream `{name[:64]}`")
        self.listen(names)

    def _unsubscribe(self, names: list[str]) -> None:
        for name in names:
            if name in self._streams:
                del self._streams[name]
                self._venue.hub.unsubscribe(name, self._connection)


def _read(text: str) -> dict[str, object]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise StreamError(3, "Invalid JSON: not a JSON document") from None
    if not isinstance(message, dict):
        raise StreamError(2, "Invalid request: expected an object")
    number = message.get("id")
    if number is not None and not isinstance(number, int | str):
        raise StreamError(2, "Invalid request: request ID must be an integer, a string or null")
    return message
