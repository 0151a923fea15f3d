"""The node's line to the coordinator: heartbeats out; leases and halts in, as events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bus.codec import STEERING
from bus.link_client import LinkClient
from domain.control_events import HaltSet, LeaseGranted, LeaseRevoked, MoveOrdered
from domain.errors import SwarmError
from domain.events import Event
from domain.report import NodeReport
from domain.steering import Grant, Heartbeat, Leave, Refusal, Steering

BEAT_S = 0.25
LEAVE_S = 0.1


class CoordinatorLine:
    """Keep the lease alive. A lease counts from the heartbeat's own sending time, on our own clock."""

    def __init__(
        self,
        link: LinkClient,
        report: Callable[[], NodeReport],
        deliver: Callable[[Event], None],
        now_ns: Callable[[], int],
        log: Callable[[str], None],
        *,
        config_hash: str,
        build: str,
        incarnation: int,
        seen_epoch: Callable[[], int],
    ) -> None:
        self.link, self.report, self.deliver = link, report, deliver
        self.now_ns, self.log = now_ns, log
        self.config_hash, self.build, self.incarnation = config_hash, build, incarnation
        self.seen_epoch = seen_epoch
        self._halt_command_id = -1
        self._move_command_id = 0
        self._hurry = asyncio.Event()
        self._unconfirmed = False
        self._refusal = ""

    async def beat(self) -> None:
        """Send a heartbeat four times a second, and at once when an operator waits for what it says."""
        while True:
            beat = Heartbeat(
                self.now_ns(),
                self.config_hash,
                self.build,
                self.incarnation,
                self.report(),
                self.seen_epoch(),
            )
            self.link.send(STEERING.encode(beat))
            self._hurry.clear()
            try:
                await asyncio.wait_for(self._hurry.wait(), BEAT_S)
            except TimeoutError:
                continue

    def watch(self, flat_of_orders: bool) -> None:
        """Tell the coordinator at once when the last order of a halted node is gone."""
        if self._unconfirmed and flat_of_orders:
            self._unconfirmed = False
            self._hurry.set()

    def hurry(self) -> None:
        """Let the next heartbeat go out at once: somebody waits for what it says."""
        self._hurry.set()

    async def listen(self) -> None:
        """Turn what the coordinator says into events; what cannot be read is passed over."""
        async for message in self.link.messages():
            try:
                said = STEERING.decode(message)
            except SwarmError:
                continue
            for event in self._events(said):
                self.deliver(event)

    def _events(self, said: Steering) -> list[Event]:
        now_ns = self.now_ns()
        if isinstance(said, Refusal):
            if said.reason != self._refusal:
                self._refusal = said.reason
                self.log(f"lease refused: {said.reason}")
            return [LeaseRevoked(now_ns, said.reason)]
        if not isinstance(said, Grant):
            return []
        self._refusal = ""
        events: list[Event] = []
        if said.halt_command_id > self._halt_command_id:
            events.append(HaltSet(now_ns, said.halted, said.halt_command_id, said.halt_reason))
            self._halt_command_id, self._unconfirmed = said.halt_command_id, said.halted
        for order in said.moves:
            if order.command_id > self._move_command_id:
                self._move_command_id = order.command_id
                events.append(MoveOrdered(now_ns, order.command_id, order.move, order.verb, order.atoms))
        expires_ns = said.sent_ns + said.ttl_ns
        events.append(LeaseGranted(now_ns, said.epoch, expires_ns, said.budget_atoms))
        return events

    async def leave(self, report: NodeReport) -> None:
        """Say the last word, with a moment for it to go out."""
        self.link.send(STEERING.encode(Leave(report)))
        await asyncio.sleep(LEAVE_S)
