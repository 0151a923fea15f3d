"""The coordinator's process: a link, a clock and a journal around the core that decides."""

from __future__ import annotations

import asyncio
import signal
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec

from bus.codec import STEERING
from bus.journal import Journal
from bus.keys import COORDINATOR, OPERATOR, ensure_keys, known_keys
from bus.link_server import Letter, LinkServer, Peer
from coordinator.config import CoordinatorConfig
from coordinator.core import Coordinator
from coordinator.facts import read_fact, write_fact
from coordinator.run_file import note_address
from coordinator.steps import CoordinatorAction, CoordinatorStarted, Record, Reply, Role, Said
from domain.control_events import Clocked
from domain.errors import SwarmError
from domain.protocols import Clock, Store
from domain.steering import FromCoordinator, Refusal, SwarmStatus
from hw.clock import SystemClock


def role_of(peer: str) -> Role:
    """Tell what a key's name makes of its holder: `operator`, `operator-NAME`, or else a node."""
    return Role.OPERATOR if peer == OPERATOR or peer.startswith(f"{OPERATOR}-") else Role.NODE


def recovered(config: CoordinatorConfig, store: Store) -> Coordinator:
    """Give the core as its journal left it; an empty journal is a first start."""
    core = Coordinator(config)
    snapshot = store.latest_snapshot()
    first = 1
    if snapshot is not None:
        core.restore(snapshot[1])
        first = snapshot[0] + 1
    core.replay(read_fact(record) for _, record in store.read(first))
    return core


class CoordinatorShell:
    """Serve until told to stop. Facts are on the disk before any reply that depends on them leaves."""

    def __init__(
        self, config: CoordinatorConfig, state: Path, listen: str, clock: Clock | None = None
    ) -> None:
        self.config, self.state = config, state
        self.malformed = 0
        self._listen = listen
        self._clock = clock or SystemClock()
        self._facts = 0
        # What a peer missed is replaced by the latest word to it: every message here is a whole state.
        self._latest: OrderedDict[Peer, bytes] = OrderedDict()

    async def run(self, ready: Callable[[str], None], stop: asyncio.Event) -> None:
        """Open the journal, listen, say so, and serve until `stop` is set."""
        keys = ensure_keys(self.state, COORDINATOR)
        ensure_keys(self.state, OPERATOR)
        with Journal.open(
            self.state / "journal" / COORDINATOR, COORDINATOR, self.config.journal
        ) as self._store:
            self.core = recovered(self.config, self._store)
            self.core.step(CoordinatorStarted(self._clock.now_ns()))
            server = LinkServer(
                self._listen,
                keys,
                lambda: known_keys(self.state),
                lambda peer: self._latest.get(peer, b""),
                self.config.link,
            )
            async with server as self._server:
                note_address(self.state, server.address)
                ready(server.address)
                await self._serve_until(stop)

    async def _serve_until(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._serve()), group.create_task(self._tick())]
            await stop.wait()
            for task in tasks:
                task.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.config.clock_s)
            self._act(self.core.step(Clocked(self._clock.now_ns())))

    async def _serve(self) -> None:
        while letters := await self._server.receive():
            actions: list[CoordinatorAction] = []
            for letter in letters:
                actions += self._answer(letter)
            self._act(actions)

    def _answer(self, letter: Letter) -> list[CoordinatorAction]:
        peer = letter.peer
        if not letter.message:
            return []
        if len(letter.message) > self.config.report_bytes_max:
            refusal = Refusal(f"a message of {len(letter.message)} bytes is above report_bytes_max")
            return [Reply(peer.name, peer.session, refusal)]
        try:
            message = STEERING.decode(letter.message)
        except SwarmError:
            self.malformed += 1
            return []
        return self.core.step(
            Said(peer.name, role_of(peer.name), peer.session, message, self._clock.now_ns())
        )

    def _act(self, actions: list[CoordinatorAction]) -> None:
        """Commit every record of a batch at once, then let its replies go."""
        facts = [action.fact for action in actions if isinstance(action, Record)]
        for fact in facts:
            self._store.append(write_fact(fact))
        if facts:
            self._store.commit()
            self._snapshot_after(len(facts))
        for action in actions:
            if isinstance(action, Reply):
                self._send(Peer(action.peer, action.line), action.message)

    def _snapshot_after(self, facts: int) -> None:
        self._facts += facts
        if self._facts >= self.config.snapshot_facts:
            self._store.snapshot(self.core.snapshot())
            self._facts = 0

    def _send(self, peer: Peer, message: FromCoordinator) -> None:
        if isinstance(message, SwarmStatus):
            message = msgspec.structs.replace(
                message, journal_events=self._store.events, journal_hash=self._store.head_hash
            )
        data = STEERING.encode(message)
        self._latest[peer] = data
        self._latest.move_to_end(peer)
        if len(self._latest) > self.config.link.peers_max:
            self._latest.popitem(last=False)
        self._server.send(peer, data)


async def serve(config: CoordinatorConfig, state: Path, listen: str, ready: Callable[[str], None]) -> None:
    """Run a coordinator until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await CoordinatorShell(config, state, listen).run(ready, stop)
