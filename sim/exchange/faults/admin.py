"""The admin endpoint: put faults in, look at them, take them out. Off unless a token was given."""

from __future__ import annotations

import hmac

import msgspec
from aiohttp import web

from sim.exchange.faults.config import spec_of
from sim.exchange.faults.desk import FaultDesk
from sim.exchange.faults.faults import FAULTS_MAX

LOOPBACK = ("127.0.0.1", "::1")
TOKEN_HEADER = "X-Admin-Token"


class FaultAdmin:
    """Serve `/admin/faults` to whoever shows the token from this machine; to others there is no such page."""

    def __init__(self, desk: FaultDesk, token: str) -> None:
        assert token != "", "an empty token would let everybody in"
        self._desk, self._token = desk, token.encode()

    def add(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_post("/admin/faults", self._post)
        app.router.add_get("/admin/faults", self._list)
        app.router.add_delete("/admin/faults", self._clear)
        app.router.add_delete("/admin/faults/{number:[0-9]{1,9}}", self._delete)

    def _check(self, request: web.Request) -> None:
        given = request.headers.get(TOKEN_HEADER, "").encode()
        if request.remote not in LOOPBACK or not hmac.compare_digest(given, self._token):
            raise web.HTTPNotFound

    async def _post(self, request: web.Request) -> web.Response:
        self._check(request)
        spec = spec_of(await request.read())
        wrong = spec if isinstance(spec, str) else self._desk.problem(spec)
        if wrong is not None or isinstance(spec, str):
            return _answer({"error": wrong}, 400)
        number = self._desk.add(spec)
        if number == 0:
            return _answer({"error": f"there are {FAULTS_MAX} faults already; delete one"}, 409)
        return _answer({"id": number}, 201)

    async def _list(self, request: web.Request) -> web.Response:
        self._check(request)
        now_ns = self._desk.now_ns()
        return _answer({"faults": [fault.told(now_ns) for fault in self._desk.faults.all()]})

    async def _delete(self, request: web.Request) -> web.Response:
        self._check(request)
        number = int(request.match_info["number"])
        if not self._desk.remove(number):
            return _answer({"error": f"there is no fault {number}"}, 404)
        return _answer({"deleted": [number]})

    async def _clear(self, request: web.Request) -> web.Response:
        self._check(request)
        numbers = [fault.number for fault in self._desk.faults.all()]
        return _answer({"deleted": [number for number in numbers if self._desk.remove(number)]})


def _answer(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
