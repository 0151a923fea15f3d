"""The side of a link that listens: many peers, each known by its key."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple, Self

import zmq

from bus.frame import Frame, FrameKind, asked_about, read_frame, write_ask
from bus.keys import KeyPair
from bus.link_config import LinkConfig, LinkCounts
from bus.link_inbox import Inbox
from bus.link_sequence import Incoming, Outgoing, Snapshot
from bus.link_socket import LoopSocket, bind, bound_socket
from bus.zap import DOMAIN, KeyDoor


class Peer(NamedTuple):
    """Name one process at the other end: `name` from its key, `session` from its start."""

    name: str
    session: int


class Letter(NamedTuple):
    """A message (or `Snapshot`) with who sent it."""

    peer: Peer
    message: bytes


class _Line:
    """What the server keeps of one peer."""

    def __init__(self, peer: Peer, route: bytes, outgoing: Outgoing) -> None:
        self.peer, self.route, self.outgoing = peer, route, outgoing
        self.incoming = Incoming()
        self.unsent: bytes | None = None
        self.ask_due = self.snapshot_due = self.beacon_due = False

    @property
    def busy(self) -> bool:
        return bool(
            self.outgoing.queue or self.unsent or self.ask_due or self.snapshot_due or self.beacon_due
        )


def new_session() -> int:
    """Draw a session id that no earlier start had."""
    return int.from_bytes(os.urandom(8), "little")


class LinkServer:
    """Listen on an address. Use as an async context manager; `address` then has the real port.

    `known` gives the public keys that may connect, with their names. `snapshot(peer)` gives the state that
    replaces what a peer missed. `keys=None` is for measurements only: no encryption, everybody is `anyone`.
    """

    def __init__(
        self,
        address: str,
        keys: KeyPair | None,
        known: Callable[[], Mapping[bytes, str]],
        snapshot: Callable[[Peer], bytes] = lambda _: b"",
        config: LinkConfig | None = None,
    ) -> None:
        self.address = address
        self.counts = LinkCounts()
        self._config = config or LinkConfig()
        self._keys, self._known, self._state_for = keys, known, snapshot
        self._lines: OrderedDict[Peer, _Line] = OrderedDict()
        self._busy: dict[Peer, _Line] = {}
        self._inbox: Inbox[Letter] = Inbox(self._config.receive_queue_max, self._poke)

    async def __aenter__(self) -> Self:
        """Bind and begin to answer."""
        self._loop = asyncio.get_running_loop()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = self._context.socket(zmq.ROUTER)
        bound_socket(socket, self._config)
        socket.set(zmq.ROUTER_MANDATORY, 1)
        self._door = KeyDoor(self._context, self._known)
        self._ready: LoopSocket | None = None
        if self._keys is not None:
            socket.set(zmq.CURVE_SERVER, 1)
            socket.set(zmq.CURVE_SECRETKEY, self._keys.secret)
            socket.set(zmq.ZAP_DOMAIN, DOMAIN.encode())
        try:
            self.address = bind(socket, self.address)
        except BaseException:
            socket.close(linger=0)
            await self.__aexit__()
            raise
        self._ready = LoopSocket(socket, self._on_ready)
        self._timer = self._loop.call_later(self._config.beacon_s, self._beacon)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close at once; what is queued is let go."""
        if self._ready is not None:
            self._timer.cancel()
            self._ready.close()
        self._door.close()
        self._inbox.close()
        self._context.destroy(linger=0)

    def send(self, peer: Peer, message: bytes) -> bool:
        """Queue a message to a peer; False says that it was dropped (queue full, or an unknown peer)."""
        assert len(message) <= self._config.message_bytes_max
        line = self._lines.get(peer)
        if line is None or not line.outgoing.push(message):
            self.counts.dropped += 1
            return False
        self._schedule(line)
        return True

    async def messages(self) -> AsyncIterator[Letter]:
        """Give messages as they come, each peer's in order, until the link closes."""
        async for letter in self._inbox.read():
            yield letter

    async def receive(self) -> list[Letter]:
        """Wait for messages and give all that are there; an empty list says that the link closed."""
        return await self._inbox.read_batch()

    @property
    def refused(self) -> int:
        """Count handshakes refused for their key."""
        return self._door.refused

    def _schedule(self, line: _Line) -> None:
        self._busy[line.peer] = line
        self._poke()

    def _poke(self) -> None:
        if self._ready is not None:
            self._ready.poke()

    def _on_ready(self) -> None:
        assert self._ready is not None
        self._read(self._ready.socket)
        for line in list(self._busy.values()):
            if self._flush(self._ready.socket, line):
                del self._busy[line.peer]
        # Sending may have swallowed the edge that announced input: look once more while there is any.
        if not self._inbox.full and self._ready.readable:
            self._ready.poke()

    def _read(self, socket: zmq.Socket[bytes]) -> None:
        for _ in range(self._config.frames_max):
            if self._inbox.full:
                return
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._take(parts)

    def _take(self, parts: list[zmq.Frame]) -> None:
        frame = read_frame(parts[1].bytes) if len(parts) == 2 else None
        if frame is None:
            self.counts.malformed += 1
            return
        # The name is what ZAP said of the key of this very connection, not anything that the peer says.
        name = str(parts[1].get("User-Id")) if self._keys is not None else "anyone"
        line = self._line(Peer(name, frame.session), parts[0].bytes)
        if frame.kind == FrameKind.ASK:
            line.snapshot_due = line.snapshot_due or asked_about(frame) == line.outgoing.session
            self._schedule(line)
        else:
            self._deliver(line, frame)

    def _line(self, peer: Peer, route: bytes) -> _Line:
        line = self._lines.get(peer)
        if line is not None:
            line.route = route
            return line
        if len(self._lines) >= self._config.peers_max:
            oldest, _ = self._lines.popitem(last=False)
            self._busy.pop(oldest, None)
        outgoing = Outgoing(
            new_session(), queue_max=self._config.send_queue_max, batch_bytes=self._config.batch_bytes
        )
        self._lines[peer] = line = _Line(peer, route, outgoing)
        self.counts.connects += 1
        return line

    def _deliver(self, line: _Line, frame: Frame) -> None:
        incoming, counts = line.incoming, self.counts
        gaps, duplicates = incoming.gaps, incoming.duplicates
        messages = incoming.accept(frame)
        counts.received += len(messages)
        counts.duplicates += incoming.duplicates - duplicates
        counts.gaps += incoming.gaps - gaps
        if incoming.waiting and incoming.gaps > gaps:
            line.ask_due = True
            self._schedule(line)
        if messages:
            counts.snapshots_received += isinstance(messages[0], Snapshot)
            self._lines.move_to_end(line.peer)
            peer = line.peer
            self._inbox.put([Letter(peer, message) for message in messages])

    def _flush(self, socket: zmq.Socket[bytes], line: _Line) -> bool:
        """Send what a line holds; False says that its pipe is full and the rest must wait."""
        while line.busy:
            if line.unsent is None:
                line.unsent = self._next_frame(line)
            try:
                socket.send_multipart((line.route, line.unsent), zmq.NOBLOCK)
            except zmq.Again:
                return False
            except zmq.ZMQError:
                # Nobody is at this route now. The sequence is used up: whoever comes back sees a gap.
                self.counts.dropped += line.outgoing.let_go()
                line.beacon_due = False
            self.counts.sent += line.outgoing.carried
            line.unsent, line.outgoing.carried = None, 0
        return True

    def _next_frame(self, line: _Line) -> bytes:
        if line.ask_due:
            line.ask_due = False
            return write_ask(line.outgoing.session, line.peer.session)
        if line.snapshot_due:
            line.snapshot_due = False
            self.counts.snapshots_sent += 1
            return line.outgoing.take_snapshot(self._state_for(line.peer))
        line.beacon_due = False
        return line.outgoing.take()

    def _beacon(self) -> None:
        """Tell peers what comes next, so that a lost tail is noticed; ask again for lost snapshots."""
        for line in self._lines.values():
            line.ask_due = line.incoming.waiting
            line.beacon_due = not line.outgoing.queue
            self._busy[line.peer] = line
        self._poke()
        self._timer = self._loop.call_later(self._config.beacon_s, self._beacon)
