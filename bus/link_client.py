"""The side of a link that connects, and keeps connecting."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from typing import Self

import zmq
from zmq.utils.monitor import parse_monitor_message

from bus.frame import Frame, FrameKind, asked_about, read_frame, write_ask
from bus.keys import KeyPair
from bus.link_config import LinkConfig, LinkCounts
from bus.link_inbox import Inbox
from bus.link_sequence import Incoming, Outgoing, Snapshot
from bus.link_server import new_session
from bus.link_socket import LoopSocket, bound_socket, connect
from domain.errors import ExitCode, SwarmError

_WATCHED = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_DISCONNECTED
)


class LinkClient:
    """Connect to a `LinkServer` under our key. Use as an async context manager.

    `snapshot()` gives the state that replaces what the other side missed. While there is no connection `send`
    drops and says so. A wrong key on either side raises WRONG_KEY in `connected` and in the reader.
    """

    def __init__(
        self,
        address: str,
        keys: KeyPair | None,
        server_key: bytes | None,
        snapshot: Callable[[], bytes] = bytes,
        config: LinkConfig | None = None,
    ) -> None:
        self.address = address
        self.counts = LinkCounts()
        self.up = False
        self._config = config or LinkConfig()
        self._keys, self._server_key, self._state = keys, server_key, snapshot
        self._outgoing = Outgoing(
            new_session(), queue_max=self._config.send_queue_max, batch_bytes=self._config.batch_bytes
        )
        self._incoming = Incoming()
        self._inbox: Inbox[bytes] = Inbox(self._config.receive_queue_max, self._poke)
        self._unsent: bytes | None = None
        self._ask_due = self._snapshot_due = self._beacon_due = False
        self._failures = 0

    async def __aenter__(self) -> Self:
        """Begin to connect."""
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._error: SwarmError | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = self._context.socket(zmq.DEALER)
        bound_socket(socket, self._config)
        socket.set(zmq.IMMEDIATE, 1)
        if self._keys is not None and self._server_key is not None:
            socket.set(zmq.CURVE_SERVERKEY, self._server_key)
            socket.set(zmq.CURVE_PUBLICKEY, self._keys.public)
            socket.set(zmq.CURVE_SECRETKEY, self._keys.secret)
        self._monitor = LoopSocket(socket.get_monitor_socket(_WATCHED), self._on_monitor)
        self._ready = LoopSocket(socket, self._on_ready)
        self._timer = self._loop.call_later(self._config.beacon_s, self._beacon)
        try:
            connect(socket, self.address)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close at once; what is queued is let go."""
        self.up = False
        self._timer.cancel()
        if not self._ready.closed:
            self._ready.socket.disable_monitor()
        self._monitor.close()
        self._ready.close()
        self._inbox.close()
        self._context.destroy(linger=0)

    async def connected(self, timeout_s: float) -> None:
        """Wait for the handshake; a wrong key and nobody there are errors."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.up and self._error is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            mend = "check that it runs and that the address is right"
            raise SwarmError(
                f"no answer within {timeout_s:g} s",
                where=self.address,
                mend=mend,
                code=ExitCode.TIMED_OUT,
                retryable=True,
            ) from error
        if self._error is not None:
            raise self._error

    def send(self, message: bytes) -> bool:
        """Queue a message; False says that it was dropped (not connected, or the queue is full)."""
        assert len(message) <= self._config.message_bytes_max
        if not self.up:
            self._outgoing.skip(1)
            self.counts.dropped += 1
            return False
        if not self._outgoing.push(message):
            self.counts.dropped += 1
            return False
        self._ready.poke()
        return True

    @property
    def queued(self) -> int:
        """Count messages waiting to be sent."""
        return len(self._outgoing.queue)

    async def messages(self) -> AsyncIterator[bytes]:
        """Give messages and `Snapshot`s in order until the link closes; a wrong key raises."""
        async for message in self._inbox.read():
            yield message

    async def receive(self) -> list[bytes]:
        """Wait for messages and give all that are there; an empty list says that the link closed."""
        return await self._inbox.read_batch()

    def _poke(self) -> None:
        self._ready.poke()

    def _on_ready(self) -> None:
        socket = self._ready.socket
        self._read(socket)
        self._flush(socket)
        # Sending may have swallowed the edge that announced input: look once more while there is any.
        if not self._inbox.full and self._ready.readable:
            self._ready.poke()

    def _read(self, socket: zmq.Socket[bytes]) -> None:
        for _ in range(self._config.frames_max):
            if self._inbox.full:
                return
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            frame = read_frame(parts[0]) if len(parts) == 1 else None
            if frame is None:
                self.counts.malformed += 1
            elif frame.kind == FrameKind.ASK:
                self._snapshot_due = self._snapshot_due or asked_about(frame) == self._outgoing.session
            else:
                self._deliver(frame)

    def _deliver(self, frame: Frame) -> None:
        incoming, counts = self._incoming, self.counts
        gaps, duplicates = incoming.gaps, incoming.duplicates
        messages = incoming.accept(frame)
        counts.received += len(messages)
        counts.duplicates += incoming.duplicates - duplicates
        counts.gaps += incoming.gaps - gaps
        if incoming.waiting and incoming.gaps > gaps:
            self._ask_due = True
        if messages:
            counts.snapshots_received += isinstance(messages[0], Snapshot)
            self._inbox.put(messages)

    def _flush(self, socket: zmq.Socket[bytes]) -> None:
        while self.up and (
            self._unsent or self._outgoing.queue or self._ask_due or self._snapshot_due or self._beacon_due
        ):
            if self._unsent is None:
                self._unsent = self._next_frame()
            try:
                socket.send(self._unsent, zmq.NOBLOCK)
            except zmq.Again:
                return
            self.counts.sent += self._outgoing.carried
            self._unsent, self._outgoing.carried = None, 0

    def _next_frame(self) -> bytes:
        if self._ask_due:
            self._ask_due = False
            return write_ask(self._outgoing.session, self._incoming.session or 0)
        if self._snapshot_due:
            self._snapshot_due = False
            self.counts.snapshots_sent += 1
            return self._outgoing.take_snapshot(self._state())
        self._beacon_due = False
        return self._outgoing.take()

    def _beacon(self) -> None:
        """Tell what comes next, so that a lost tail is noticed, and ask again for a lost snapshot."""
        self._ask_due = self._ask_due or self._incoming.waiting
        self._beacon_due = not self._outgoing.queue
        self._ready.poke()
        self._timer = self._loop.call_later(self._config.beacon_s, self._beacon)

    def _on_monitor(self) -> None:
        while self._monitor.readable:
            told = parse_monitor_message(self._monitor.socket.recv_multipart(zmq.NOBLOCK))
            self._watched(int(told["event"]), int(told["value"]))
        self._changed.set()

    def _watched(self, event: int, value: int) -> None:
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.up, self._failures = True, 0
            self.counts.connects += 1
            self._beacon_due = True
            self._ready.poke()
        elif event == zmq.EVENT_DISCONNECTED:
            self._down()
        else:
            self._failed(event, value)

    def _down(self) -> None:
        """Let go what is queued: states that waited out an outage are worth less than one new snapshot."""
        self.up, self._unsent = False, None
        self.counts.dropped += self._outgoing.let_go()

    def _failed(self, event: int, value: int) -> None:
        """Count a failed handshake; before any success, a few in a row mean another server's key."""
        self.counts.handshakes_failed += 1
        # Silence until the time-out is a peer that hangs; one that has another key hangs up.
        self._failures += value != errno.EAGAIN
        refused = event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
        never = self.counts.connects == 0 and self._failures >= self._config.handshake_failures_max
        if self._error is None and (refused or never):
            self._error = _refused_error(self.address) if refused else _server_key_error(self.address)
            self._inbox.fail(self._error)


def _refused_error(address: str) -> SwarmError:
    mend = "copy our NAME.pub into keys/ of the coordinator's state folder"
    return SwarmError(
        "our key is not known to the coordinator", where=address, mend=mend, code=ExitCode.WRONG_KEY
    )


def _server_key_error(address: str) -> SwarmError:
    mend = "copy coordinator.pub from the coordinator's state folder into ours, and check the address"
    return SwarmError(
        "the coordinator has another key than our coordinator.pub",
        where=address,
        mend=mend,
        code=ExitCode.WRONG_KEY,
    )
