"""A ZeroMQ socket on the asyncio loop, without a task per message: its descriptor wakes the loop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import zmq

from bus.link_config import LinkConfig
from domain.errors import ConfigError, ExitCode, SwarmError

_ADDRESS = re.compile(r"tcp://[^\s/]+:(\d{1,5})")


class LoopSocket:
    """Call `on_ready` whenever the socket may have become readable or writable.

    The descriptor is edge-triggered: reading `EVENTS` re-arms it, so whoever sends or receives calls `poke`
    afterwards unless both directions ran dry.
    """

    def __init__(self, socket: zmq.Socket[bytes], on_ready: Callable[[], None]) -> None:
        self.socket = socket
        self._on_ready = on_ready
        self._loop = asyncio.get_running_loop()
        self._poked = False
        self.closed = False
        self._loop.add_reader(socket.fileno(), self._woken)
        self.poke()

    def _woken(self) -> None:
        self._poked = False
        if not self.closed and self.socket.get(zmq.EVENTS):
            self._on_ready()

    @property
    def readable(self) -> bool:
        """Tell whether a message waits; asking re-arms the descriptor."""
        return bool(int(self.socket.get(zmq.EVENTS)) & zmq.POLLIN)

    def poke(self) -> None:
        """Look at the socket in the next turn of the loop, once however often this is called."""
        if not self._poked and not self.closed:
            self._poked = True
            self._loop.call_soon(self._woken)

    def close(self) -> None:
        """Leave the loop and close the socket at once."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self.socket.fileno())
            self.socket.close(linger=0)


def _refuse_nonsense(address: str) -> None:
    # libzmq takes a port above 65535 and wraps it around.
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found[1]) > 65535:
        raise ConfigError("that is no address", where=address, mend="give tcp://HOST:PORT")


def bound_socket(socket: zmq.Socket[bytes], config: LinkConfig) -> None:
    """Set the bounds that every link's socket has."""
    heartbeat_ms = int(config.heartbeat_timeout_s * 1000)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.SNDHWM, config.frames_max)
    socket.set(zmq.RCVHWM, config.frames_max)
    socket.set(zmq.MAXMSGSIZE, config.message_bytes_max + 1024)
    socket.set(zmq.HEARTBEAT_IVL, int(config.heartbeat_s * 1000))
    socket.set(zmq.HEARTBEAT_TIMEOUT, heartbeat_ms)
    socket.set(zmq.HEARTBEAT_TTL, heartbeat_ms)
    socket.set(zmq.HANDSHAKE_IVL, int(config.handshake_timeout_s * 1000))
    socket.set(zmq.RECONNECT_IVL, int(config.reconnect_s * 1000))
    socket.set(zmq.RECONNECT_IVL_MAX, int(config.reconnect_max_s * 1000))


def bind(socket: zmq.Socket[bytes], address: str) -> str:
    """Bind, and give the address with its real port; port 0 lets the system choose."""
    _refuse_nonsense(address)
    wanted = address[:-1] + "*" if address.endswith(":0") else address
    try:
        socket.bind(wanted)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            port = address.rpartition(":")[2]
            mend = "stop what listens there (`ss -ltnp`) or choose another port with --listen"
            raise SwarmError(
                f"port {port} is in use", where=address, mend=mend, code=ExitCode.PORT_IN_USE
            ) from error
        raise ConfigError(
            f"cannot listen: {error.strerror}", where=address, mend="give tcp://ADDRESS:PORT"
        ) from error
    return str(socket.get_string(zmq.LAST_ENDPOINT))


def connect(socket: zmq.Socket[bytes], address: str) -> None:
    """Begin to connect; only an address that is none fails here."""
    _refuse_nonsense(address)
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        raise ConfigError(
            f"cannot connect: {error.strerror}", where=address, mend="give tcp://HOST:PORT"
        ) from error
