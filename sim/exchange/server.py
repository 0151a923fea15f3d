"""The venue process: several exchanges, one port each, in one event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiohttp import web

from domain.errors import ExitCode, SwarmError
from sim.exchange.faults.admin import FaultAdmin
from sim.exchange.faults.desk import FAULTS, FaultDesk
from sim.exchange.kraken.door import add_kraken, in_kraken_words
from sim.exchange.rest import add_rest, in_words
from sim.exchange.server_flow import FlowDriver, flush_depth
from sim.exchange.server_venue import Venue
from sim.exchange.stream import StreamDoor
from sim.exchange.stream_connection import Connection
from sim.exchange.stream_keys import ListenKeys
from sim.exchange.ws_api import WsApiDoor
from sim.market.flow import MarketFlow

HOST = "127.0.0.1"
BODY_BYTES_MAX = 64 * 1024
GOODBYE_S = 0.3


@dataclass(frozen=True)
class Stand:
    """One exchange with its port, bound already, and its crowd, if it has one."""

    venue: Venue
    port: socket.socket
    flow: MarketFlow | None
    admin_token: str | None = None

    @property
    def url(self) -> str:
        """Give the address to talk to."""
        return f"http://{HOST}:{self.port.getsockname()[1]}"


def bind(ports: Sequence[tuple[str, int]]) -> list[socket.socket]:
    """Take every port before anything starts; 0 lets the system choose."""
    taken: list[socket.socket] = []
    for name, port in ports:
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        taken.append(one)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
        except (OSError, OverflowError) as error:
            for each in taken:
                each.close()
            raise _refused(name, port, error) from None
    return taken


def _refused(name: str, port: int, error: OSError | OverflowError) -> SwarmError:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return SwarmError(
            f"port {port} is in use",
            where=name,
            mend="stop what listens there, or choose other ports with --port-base",
            code=ExitCode.PORT_IN_USE,
        )
    return SwarmError(
        f"port {port} cannot be bound: {error}",
        where=name,
        mend="choose other ports with --port-base",
        code=ExitCode.CONFIG,
    )


async def serve(stands: Sequence[Stand], ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve until `stop`; then say goodbye, finish what was accepted, and keep it."""
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []
        async with AsyncExitStack() as doors:
            for stand in stands:
                tasks.append(group.create_task(stand.venue.run()))
                await doors.enter_async_context(_Door(stand))
                tasks.append(group.create_task(flush_depth(stand.venue)))
                if stand.flow is not None:
                    tasks.append(group.create_task(FlowDriver(stand.venue, stand.flow).run()))
            ready()
            await stop.wait()
        for task in tasks:
            task.cancel()


class _Door:
    """Listen while the context lasts."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._connections: dict[Connection, None] = {}
        self._runner = web.AppRunner(
            application(stand.venue, self._connections, stand.admin_token),
            access_log=None,
            shutdown_timeout=GOODBYE_S,
            handle_signals=False,
        )

    async def __aenter__(self) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, self._stand.port).start()

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(GOODBYE_S), asyncio.TaskGroup() as group:
                for connection in list(self._connections):
                    group.create_task(connection.goodbye())
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
        await self._runner.cleanup()


def application(
    venue: Venue, connections: dict[Connection, None], admin_token: str | None = None
) -> web.Application:
    """Put all doors of one exchange into one application; faults stand before all but their own door."""
    desk = FaultDesk(venue, connections)
    kraken = venue.config.dialect == "kraken"
    words = in_kraken_words if kraken else in_words
    app = web.Application(middlewares=[desk.middleware, words], client_max_size=BODY_BYTES_MAX)
    app[FAULTS] = desk
    app.on_startup.append(desk.start)
    app.on_cleanup.append(desk.stop)
    if admin_token is not None:
        FaultAdmin(desk, admin_token).add(app)
    if kraken:
        add_kraken(app, venue, connections)
        return app
    listen_keys = ListenKeys()
    add_rest(app, venue, listen_keys)
    StreamDoor(venue, listen_keys, connections).add(app)
    WsApiDoor(venue, connections).add(app)
    return app
