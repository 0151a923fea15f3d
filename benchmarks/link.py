"""256-byte messages over one link against plain pyzmq: same keys, sender and receiver a process each."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop
import zmq

from benchmarks.result import Result
from bus.keys import KeyPair, ensure_keys, known_keys
from bus.link import LinkClient, LinkConfig, LinkServer
from bus.zap import DOMAIN, KeyDoor
from hw.clock import perf_ns

CASE = "link"
BAR: dict[str, tuple[str, float]] = {"ratio": (">=", 0.8)}
MESSAGE = b"x" * 256
# Room for the peer's queue, so that it never waits for its own high-water mark.
PLAIN_HWM = 100_000
ANY_PORT = "tcp://127.0.0.1:0"

Receive = Callable[[Path, bool, int, Connection], None]
Send = Callable[[Path, bool, int, str], None]


def run(quick: bool) -> Result:
    """Measure both in turn, several times, and compare the medians."""
    count, rounds = (20_000, 1) if quick else (300_000, 5)
    rates: dict[str, list[float]] = {"ours": [], "plain": [], "ours_open": [], "plain_open": []}
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        server, client = ensure_keys(state, "coordinator"), ensure_keys(state, "tokyo-1")
        for _ in range(rounds):
            for suffix, curve in (("", True), ("_open", False)):
                rates[f"plain{suffix}"].append(_rate(_plain_receive, _plain_send, state, curve, count))
                rates[f"ours{suffix}"].append(_rate(_our_receive, _our_send, state, curve, count))
        round_trip_us = uvloop.run(_round_trip_us(state, server, client, max(200, count // 100)))
    rate = {name: statistics.median(values) for name, values in rates.items()}
    ratio = rate["ours"] / rate["plain"]
    return Result(
        case=CASE,
        metrics={
            "msgs_per_s": rate["ours"],
            "open_msgs_per_s": rate["ours_open"],
            "round_trip_p50_us": round_trip_us,
        },
        bar=">= 0.8 of raw pyzmq",
        met=ratio >= BAR["ratio"][1],
        peer="pyzmq DEALER to ROUTER, a send and a recv per message",
        peer_metrics={"msgs_per_s": rate["plain"], "open_msgs_per_s": rate["plain_open"]},
        ratio=ratio,
        note="CURVE on both sides, sender and receiver a process each; open: without CURVE",
    )


def _rate(receive: Receive, send: Send, state: Path, curve: bool, count: int) -> float:
    """Give messages per second between the first and the last that a receiving process saw."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    receiving = context.Process(target=receive, args=(state, curve, count, theirs), daemon=True)
    receiving.start()
    sending = context.Process(target=send, args=(state, curve, count, ours.recv()), daemon=True)
    sending.start()
    if not ours.poll(120):
        raise TimeoutError("the messages never came")
    rate: float = ours.recv()
    for process in (sending, receiving):
        process.kill()
        process.join()
        process.close()
    return rate


def _our_receive(state: Path, curve: bool, count: int, report: Connection) -> None:
    async def receive() -> None:
        keys = ensure_keys(state, "coordinator") if curve else None
        async with LinkServer(ANY_PORT, keys, lambda: known_keys(state)) as link:
            report.send(link.address)
            first = len(await link.receive())
            began_ns, left = perf_ns(), count - first
            while left > 0:
                left -= len(await link.receive())
            report.send((count - first) * 1e9 / (perf_ns() - began_ns))
            await asyncio.Event().wait()

    uvloop.run(receive())


def _our_send(state: Path, curve: bool, count: int, address: str) -> None:
    async def send() -> None:
        keys = ensure_keys(state, "tokyo-1") if curve else None
        public = ensure_keys(state, "coordinator").public if curve else None
        async with LinkClient(address, keys, public) as link:
            await link.connected(5.0)
            room, left = LinkConfig().send_queue_max, count
            while left > 0:
                burst = min(room - link.queued, left)
                for _ in range(burst):
                    link.send(MESSAGE)
                left -= burst
                await asyncio.sleep(0)
            await asyncio.Event().wait()

    uvloop.run(send())


def _plain_receive(state: Path, curve: bool, count: int, report: Connection) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.set(zmq.RCVHWM, PLAIN_HWM)
    if curve:
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(_guard(context, state, ready)), daemon=True).start()
        ready.wait()
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, ensure_keys(state, "coordinator").secret)
        socket.set(zmq.ZAP_DOMAIN, DOMAIN.encode())
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    report.send(f"tcp://127.0.0.1:{port}")
    socket.recv_multipart()
    began_ns = perf_ns()
    for _ in range(count - 1):
        socket.recv_multipart()
    report.send((count - 1) * 1e9 / (perf_ns() - began_ns))
    threading.Event().wait()


async def _guard(context: zmq.Context[zmq.Socket[bytes]], state: Path, ready: threading.Event) -> None:
    door = KeyDoor(context, lambda: known_keys(state))
    ready.set()
    await asyncio.Event().wait()
    door.close()


def _plain_send(state: Path, curve: bool, count: int, address: str) -> None:
    socket = zmq.Context().socket(zmq.DEALER)
    socket.set(zmq.SNDHWM, PLAIN_HWM)
    if curve:
        keys = ensure_keys(state, "tokyo-1")
        socket.set(zmq.CURVE_SERVERKEY, ensure_keys(state, "coordinator").public)
        socket.set(zmq.CURVE_PUBLICKEY, keys.public)
        socket.set(zmq.CURVE_SECRETKEY, keys.secret)
    socket.connect(address)
    for _ in range(count):
        socket.send(MESSAGE)
    threading.Event().wait()


async def _round_trip_us(state: Path, server: KeyPair, client: KeyPair, count: int) -> float:
    async with (
        LinkServer(ANY_PORT, server, lambda: known_keys(state)) as listening,
        LinkClient(listening.address, client, server.public) as calling,
    ):
        await calling.connected(5.0)
        took: list[int] = []
        for _ in range(count):
            began_ns = perf_ns()
            calling.send(MESSAGE)
            [letter] = await listening.receive()
            listening.send(letter.peer, MESSAGE)
            await calling.receive()
            took.append(perf_ns() - began_ns)
        return statistics.median(took) / 1e3
