"""ZAP (ZeroMQ RFC 27): let in known public keys only, and tell each peer's name from its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import zmq
from zmq.utils import z85

from bus.link_socket import LoopSocket

ENDPOINT = "inproc://zeromq.zap.01"
DOMAIN = "murmuration"


class KeyDoor:
    """Answer the handshakes of one ZeroMQ context on the running loop.

    `known` gives key → name and is asked again for a key not seen before, so a peer whose public key was
    copied in later is let in without a restart, and one whose file was removed stays out at its next connect.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], known: Callable[[], Mapping[bytes, str]]
    ) -> None:
        self.refused = 0
        self._known = known
        socket = context.socket(zmq.REP)
        socket.set(zmq.LINGER, 0)
        socket.bind(ENDPOINT)
        self._door = LoopSocket(socket, self._answer_all)

    def close(self) -> None:
        """Let nobody in any more."""
        self._door.close()

    def _answer_all(self) -> None:
        socket = self._door.socket
        while self._door.readable:
            socket.send_multipart(self._answer(socket.recv_multipart(zmq.NOBLOCK)))

    def _answer(self, request: list[bytes]) -> list[bytes]:
        identifier = request[1] if len(request) > 1 else b""
        name = self._name(request)
        if name is None:
            self.refused += 1
            return [b"1.0", identifier, b"400", b"unknown key", b"", b""]
        return [b"1.0", identifier, b"200", b"OK", name.encode(), b""]

    def _name(self, request: list[bytes]) -> str | None:
        if len(request) != 7 or request[0] != b"1.0" or request[2] != DOMAIN.encode():
            return None
        if request[5] != b"CURVE" or len(request[6]) != 32:
            return None
        return self._known().get(z85.encode(request[6]))
