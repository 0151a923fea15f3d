"""Build links on loopback, and wait for what must become true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import zmq

from bus.keys import KeyPair, ensure_keys, known_keys
from bus.link import LinkClient, LinkConfig, LinkServer, Peer

LOOPBACK = "tcp://127.0.0.1:0"


async def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def server(
    state: Path,
    address: str = LOOPBACK,
    snapshot: Callable[[Peer], bytes] = lambda _: b"all of it",
    **config: Any,
) -> LinkServer:
    keys = ensure_keys(state, "coordinator")
    return LinkServer(address, keys, lambda: known_keys(state), snapshot, LinkConfig(**config))


def client(
    state: Path, address: str, name: str = "tokyo-1", snapshot: Callable[[], bytes] = bytes, **config: Any
) -> LinkClient:
    keys, public = ensure_keys(state, name), ensure_keys(state, "coordinator").public
    return LinkClient(address, keys, public, snapshot, LinkConfig(**config))


@asynccontextmanager
async def linked(state: Path, **config: Any) -> AsyncIterator[tuple[LinkServer, LinkClient]]:
    async with server(state, **config) as listening, client(state, listening.address, **config) as calling:
        await calling.connected(3.0)
        yield listening, calling


@asynccontextmanager
async def raw_dealer(keys: KeyPair, server_key: bytes, address: str) -> AsyncIterator[zmq.Socket[bytes]]:
    """Connect a plain socket with a good key: a peer that says what it likes."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.set(zmq.CURVE_SERVERKEY, server_key)
    socket.set(zmq.CURVE_PUBLICKEY, keys.public)
    socket.set(zmq.CURVE_SECRETKEY, keys.secret)
    socket.set(zmq.RCVHWM, 2)
    socket.connect(address)
    try:
        yield socket
    finally:
        context.destroy(linger=0)
