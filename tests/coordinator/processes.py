"""A coordinator process to shoot at, and nodes that only steer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bus.codec import STEERING
from bus.keys import ensure_keys
from bus.link import LinkClient
from domain.moves import MoveOrder, MoveReport
from domain.steering import Grant, Refusal
from tests.coordinator.builders import heartbeat

ROOT = Path(__file__).parents[2]


class CoordinatorProcess:
    """Own one process; `address` stays the same over restarts."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self.state, self.arguments = state, arguments
        self.address = "tcp://127.0.0.1:0"
        self.start()

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.coordinator.commands",
            "coordinator",
            "--state",
            str(self.state),
        ]
        self.process = subprocess.Popen(
            [*command, "--listen", self.address, *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("coordinator ready tcp://"), line + self.end()
        self.address = line.split()[-1]

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> str:
        return "".join(self.process.communicate(timeout=10))


@contextmanager
def coordinator(state: Path, *arguments: str) -> Iterator[CoordinatorProcess]:
    running = CoordinatorProcess(state, *arguments)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()


class SteeredNode(threading.Thread):
    """Send heartbeats and obey halts, in a thread with its own loop."""

    def __init__(
        self, state: Path, address: str, name: str, incarnation: int = 1, obeys: bool = True
    ) -> None:
        super().__init__(daemon=True)
        self.keys, self.server = ensure_keys(state, name), ensure_keys(state, "coordinator").public
        self.address, self.node, self.incarnation, self.obeys = address, name, incarnation, obeys
        self.grants: list[Grant] = []
        self.refusals: list[str] = []
        self.latch = (False, 0)
        self.moves: tuple[MoveReport, ...] = ()
        self.heard: list[MoveOrder] = []
        self.answer = ""
        self.trouble: BaseException | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            self.trouble = error
            raise

    def _word(self) -> bytes:
        halted, command_id = self.latch
        epoch = self.grants[-1].epoch if self.grants else 0
        report: dict[str, Any] = {
            "halted": halted,
            "halt_command_id": command_id,
            "epoch": epoch,
            "flat_of_orders": True,
            "moves": self.moves,
            "move_command_id": self.heard[-1].command_id if self.heard else 0,
            "move_answer": self.answer,
        }
        return STEERING.encode(heartbeat(self.node, self.incarnation, sent_ns=time.monotonic_ns(), **report))

    async def _live(self) -> None:
        async with LinkClient(self.address, self.keys, self.server, self._word) as link:
            reading = asyncio.ensure_future(self._read(link))
            while not self._ended.is_set():
                link.send(self._word())
                await asyncio.sleep(0.05)
            reading.cancel()

    async def _read(self, link: LinkClient) -> None:
        async for message in link.messages():
            said = STEERING.decode(message)
            if isinstance(said, Refusal):
                self.refusals.append(said.reason)
            elif isinstance(said, Grant):
                self._take(said, link)

    def _take(self, grant: Grant, link: LinkClient) -> None:
        self.grants.append(grant)
        if self.obeys:
            self.heard += [order for order in grant.moves if order not in self.heard]
        if self.obeys and grant.halt_command_id > self.latch[1]:
            self.latch = (grant.halted, grant.halt_command_id)
            link.send(self._word())

    def wait_for_grant(self, after: int = 0) -> Grant:
        until(lambda: len(self.grants) > after)
        return self.grants[-1]

    def stop(self) -> None:
        self._ended.set()
        self.join(5)
        assert self.trouble is None


@contextmanager
def node(
    state: Path, address: str, name: str, incarnation: int = 1, obeys: bool = True
) -> Iterator[SteeredNode]:
    steered = SteeredNode(state, address, name, incarnation, obeys)
    steered.start()
    try:
        yield steered
    finally:
        steered.stop()


def until(true: object, seconds: float = 10.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.005)
