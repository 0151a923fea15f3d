"""One connection of an exchange with the faults in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from sim.exchange.faults import words
from sim.exchange.faults.config import Door
from sim.exchange.faults.faults import S_NS, Asked
from sim.exchange.faults.frames import plain, read_frame

if TYPE_CHECKING:
    from aiohttp import web

    from sim.exchange.faults.desk import FaultDesk
    from sim.exchange.stream_connection import Connection

LATE_MAX = 4_096
CHANGING = ("order.place", "order.cancel", "openOrders.cancelAll", "add_order", "cancel_order", "edit_order",
            "amend_order", "cancel_all", "batch_add", "batch_cancel")  # fmt: skip


class Tap:
    """Take a connection's frames and requests. More than `LATE_MAX` frames held back end the connection."""

    def __init__(self, desk: FaultDesk, connection: Connection, link: int, door: Door) -> None:
        self._desk, self._connection, self._door = desk, connection, door
        self.link, self.deaf, self.account = link, False, ""
        # When due, in which order taken, what; one timer for the first of them.
        self._late: list[tuple[int, int, bytes]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def takes(self, payload: bytes) -> bool:
        """Do with an outgoing frame what the faults say; `False` lets it pass as it is."""
        if self.deaf:
            return True
        if not self._desk.faults.any:
            return False
        now_ns = self._desk.now_ns()
        # An older user stream comes through the door of market streams, but it is somebody's own.
        own = self._door == Door.STREAM and self.account != ""
        frame = read_frame(self.link, Door.USER if own else self._door, self.account, payload)
        fate = self._desk.faults.frame(frame, now_ns)
        if fate.cut:
            self._connection.abort()
        if fate.freeze:
            self.freeze()
        for passage, due_ns in fate.passages:
            self._later(passage, due_ns, now_ns)
        return True

    def _later(self, payload: bytes, due_ns: int, now_ns: int) -> None:
        """Hold a frame back until it is due; where timers are late, nobody overtakes who was due before."""
        if due_ns <= now_ns:
            self._leave(due_ns)
            self._connection.push(payload)
        elif len(self._late) >= LATE_MAX:
            self._connection.abort()
        else:
            heappush(self._late, (due_ns, next(self._numbers), payload))
            if self._late[0][0] == due_ns:
                self._wait()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._late:
            first_ns = self._late[0][0]
            wait_s = max(0, first_ns - self._desk.now_ns()) / S_NS
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._leave, first_ns)

    def _leave(self, until_ns: int) -> None:
        if not self._late or self._late[0][0] > until_ns:
            return
        while self._late and self._late[0][0] <= until_ns:
            payload = heappop(self._late)[2]
            if not self.deaf:
                self._connection.push(payload)
        self._wait()

    def _forget(self) -> None:
        self._late.clear()
        self._wait()

    def answer(
        self, method: str, values: Mapping[str, str], answer: Callable[[object], None]
    ) -> Callable[[object], None]:
        """Give what answers a WebSocket request, which may be nothing at all, or raise the refusal."""
        if not self._desk.faults.any:
            return answer
        owner = self._desk.owner(values.get("apiKey")) or self.account
        symbol = plain(values.get("symbol", ""))
        verdict = self._desk.faults.request(
            Asked(Door.WS_API, symbol, owner, method in CHANGING), self._desk.now_ns()
        )
        if verdict is None:
            return answer
        if verdict.status > 0:
            raise words.refusal(verdict)
        return lambda _: None

    def freeze(self) -> None:
        """Leave the socket open and dead: nothing is sent, read or ponged."""
        self.deaf = True
        transport = self._connection.transport
        if transport is not None:
            transport.pause_reading()

    def thaw(self) -> None:
        """Read again; what was sent meanwhile is still there."""
        transport = self._connection.transport
        if self.deaf and transport is not None and not transport.is_closing():
            transport.resume_reading()
        self.deaf = False

    def stop(self) -> None:
        """Forget what was held back, and let a frozen socket close."""
        self._forget()
        self.thaw()

    def closed(self) -> None:
        """Hear that the connection ended."""
        self._forget()
        self._desk.left(self)


def tap_of(request: web.Request, connection: Connection) -> Tap | None:
    """Give the connection its tap where the exchange has a fault desk."""
    from sim.exchange.faults.desk import FAULTS

    desk = request.app.get(FAULTS)
    return None if desk is None else desk.tap(connection, request.path)
