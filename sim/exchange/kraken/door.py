"""Kraken's doors: WebSocket v2 at `/v2` and `/v2/auth`, REST at `/0`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from itertools import count

from aiohttp import web
from aiohttp.typedefs import Handler

from sim.exchange.dialect_errors import DialectError
from sim.exchange.kraken.errors import text_of
from sim.exchange.kraken.rest import add_kraken_rest, answer, refuse
from sim.exchange.kraken.session import Session
from sim.exchange.kraken.voice import KrakenVoice
from sim.exchange.server_venue import Venue
from sim.exchange.stream_connection import Connection, admit

LOG = logging.getLogger(__name__)
MIND_S = 0.05
CONNECTION_ID_FIRST = 6_447_481_662_169_813_000


@web.middleware
async def in_kraken_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every failure in Kraken's form, never with a traceback."""
    try:
        return await handler(request)
    except DialectError as refused:
        return refuse(text_of(refused))
    except web.HTTPException as refused:
        return answer({"error": [f"EGeneral:{refused.reason}"]}, refused.status)
    except (UnicodeDecodeError, ValueError):
        return refuse("EGeneral:Invalid arguments")
    except Exception:
        LOG.exception("request failed")
        return answer({"error": ["EGeneral:Internal error"]}, 500)


def add_kraken(app: web.Application, venue: Venue, connections: dict[Connection, None]) -> None:
    """Let an exchange speak Kraken's dialect only."""
    voice = KrakenVoice(venue)
    venue.voice = voice
    add_kraken_rest(app, venue, voice)
    app.cleanup_ctx.append(_minding(venue, voice))
    _Sockets(venue, voice, connections).add(app)


def _minding(venue: Venue, voice: KrakenVoice) -> Callable[[web.Application], AsyncIterator[None]]:
    """Look after orders whose time runs out, while the application lives."""

    async def mind() -> None:
        while True:
            await asyncio.sleep(MIND_S)
            if voice.desk.due(venue.now_ns()):
                # A full queue is tried again at the next look.
                with suppress(DialectError):
                    venue.submit(voice.desk.expire, lambda _: None)

    async def minding(_: web.Application) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(mind())
            yield
            task.cancel()

    return minding


class _Sockets:
    """Serve WebSocket v2. Both paths serve everything: what is private asks for a token."""

    def __init__(self, venue: Venue, voice: KrakenVoice, connections: dict[Connection, None]) -> None:
        self._venue, self._voice, self._connections = venue, voice, connections
        self._numbers = count(CONNECTION_ID_FIRST)

    def add(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/v2", self._serve)
        app.router.add_get("/v2/auth", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        admit(self._connections)
        connection = Connection(request, combined=False)
        session = Session(self._venue, self._voice, connection, next(self._numbers))
        self._connections[connection] = None
        session.greet()
        try:
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(session.beat())
                served = await connection.serve(session.take)
                beating.cancel()
            return served
        finally:
            session.leave()
            del self._connections[connection]
