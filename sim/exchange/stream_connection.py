"""One WebSocket: a bounded queue outwards; who reads too slowly is cut off."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import WSMsgType, web

from sim.exchange.dialect_errors import DialectError
from sim.exchange.faults.tap import tap_of

QUEUE_MAX = 4_096
CONNECTIONS_MAX = 256
FRAME_BYTES_MAX = 64 * 1024
HEARTBEAT_S = 20.0


def admit(connections: Mapping[Connection, None]) -> None:
    """Refuse one connection too many."""
    if len(connections) >= CONNECTIONS_MAX:
        raise DialectError(-1034, "Too many new connections.", 429)


class Connection:
    """Hold one client. More than `QUEUE_MAX` waiting messages end the connection at once."""

    def __init__(self, request: web.Request, *, combined: bool, queue_max: int = QUEUE_MAX) -> None:
        self.combined = combined
        self.closed = False
        self._queue_max = queue_max
        self._request = request
        self.tap = tap_of(request, self)
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._socket = web.WebSocketResponse(
            max_msg_size=FRAME_BYTES_MAX, heartbeat=HEARTBEAT_S, compress=False, timeout=0.2
        )

    @property
    def address(self) -> str:
        """Tell where the client is."""
        return self._request.remote or ""

    def query(self, name: str) -> str:
        """Give a parameter of the address that was connected to, "" where absent."""
        return self._request.query.get(name, "")

    @property
    def transport(self) -> asyncio.Transport | None:
        """Give the socket beneath."""
        return self._request.transport

    def send(self, payload: bytes) -> None:
        """Queue a message, unless a fault has something else in mind."""
        if self.tap is None or not self.tap.takes(payload):
            self.push(payload)

    def push(self, payload: bytes) -> None:
        """Queue a message."""
        if self.closed:
            return
        if len(self._queue) >= self._queue_max:
            self.abort()
            return
        self._queue.append(payload)
        self._wake.set()

    def abort(self) -> None:
        """End the connection without another word."""
        self.closed = True
        self._wake.set()
        if self.transport is not None:
            self.transport.abort()

    async def goodbye(self) -> None:
        """End the connection because the server stops."""
        self.closed = True
        self._wake.set()
        await self._socket.close(code=1001, message=b"server stops")

    async def serve(self, text: Callable[[str], None]) -> web.StreamResponse:
        """Read until the client leaves; every text frame goes to `text`."""
        try:
            await self._socket.prepare(self._request)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write())
                try:
                    async for message in self._socket:
                        self._take(message, text)
                finally:
                    self.closed = True
                    self._wake.set()
        except ConnectionError:
            # It went away before it was there: nobody will read this.
            self.abort()
            if not self._socket.prepared:
                return web.Response(status=400)
        finally:
            if self.tap is not None:
                self.tap.closed()
        return self._socket

    def _take(self, message: Any, text: Callable[[str], None]) -> None:
        if self.tap is not None and self.tap.deaf:
            return
        if message.type == WSMsgType.TEXT:
            text(message.data)
        elif message.type == WSMsgType.BINARY:
            text(message.data.decode(errors="replace"))

    async def _write(self) -> None:
        while not self.closed:
            await self._wake.wait()
            self._wake.clear()
            while self._queue and not self.closed:
                try:
                    await self._socket.send_frame(self._queue.popleft(), WSMsgType.TEXT)
                except (ConnectionError, RuntimeError):
                    self.abort()
