"""A node in virtual time: the same core and recorder as in its own process, with paths instead of sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mesa
import msgspec

from agents.arbitrage.planning import Planning
from agents.config import RegionConfig
from agents.node import Node
from agents.record import Recorder
from domain.actions import CancelOrder, FetchAccount, FetchBook, QueryOrder, SendOrder
from domain.control_events import (
    Clocked,
    HaltSet,
    LeaseGranted,
    LeaseRevoked,
    MoveOrdered,
    NodeStarted,
    StopRequested,
)
from domain.events import Event
from domain.report import NodeReport
from domain.steering import FromCoordinator, FromNode, Grant, Heartbeat, Refusal
from sim.schedule import Schedule
from sim.venue_link import VenueLink
from sim.wan import Path

CLOCK_NS = 50_000_000
BEAT_NS = 250_000_000
BUILD = "sim"


class NodeActor(mesa.Agent):  # type: ignore[misc]
    """Step a node on what arrives, and send what it decides on its way."""

    def __init__(
        self, model: Any, config: RegionConfig, recorder: Recorder, schedule: Schedule, to_coordinator: Path
    ) -> None:
        super().__init__(model)
        assert isinstance(recorder.core, Node)
        self.config, self.recorder, self.schedule = config, recorder, schedule
        self.node: Node = recorder.core
        self.say: Callable[[FromNode], None] = lambda message: None
        self._path = to_coordinator
        self._halt_command_id = -1
        self._move_command_id = 0
        self._planning = Planning(self.node, self.deliver, lambda: self.schedule.now_ns)
        self._by_venue: dict[str, VenueLink] = {}
        self._by_instrument: list[VenueLink] = []

    def attach(self, link: VenueLink) -> None:
        """Take a connection to a venue, in the order of the config."""
        self._by_venue[link.translation.venue] = link
        self._by_instrument.extend(link for _ in link.translation.to_venue)

    def links(self) -> list[VenueLink]:
        """Give every connection to a venue."""
        return list(self._by_venue.values())

    def start(self) -> None:
        """Begin as a process does: the core first, then its connections."""
        now_ns = self.schedule.now_ns
        self.deliver(NodeStarted(now_ns, "sim", BUILD))
        for link in self._by_venue.values():
            link.open()
        self.schedule.put(now_ns + CLOCK_NS, self._clock)
        self.schedule.put(now_ns, self._beat)

    def deliver(self, event: Event) -> None:
        """Step the node on an event and carry out what it decides."""
        for action in self.recorder.step(event):
            if type(action) is SendOrder:
                self._by_instrument[action.approved.intent.instrument].act(action)
            elif type(action) is CancelOrder or type(action) is QueryOrder or type(action) is FetchBook:
                self._by_instrument[action.instrument].act(action)
            elif type(action) is FetchAccount:
                self._by_venue[action.venue].act(action)

    def hear(self, said: FromCoordinator) -> None:
        """Take the coordinator's word."""
        now_ns = self.schedule.now_ns
        if isinstance(said, Refusal):
            self.deliver(LeaseRevoked(now_ns, said.reason))
        elif isinstance(said, Grant):
            if said.halt_command_id > self._halt_command_id:
                self._halt_command_id = said.halt_command_id
                self.deliver(HaltSet(now_ns, said.halted, said.halt_command_id, said.halt_reason))
            for order in said.moves:
                if order.command_id > self._move_command_id:
                    self._move_command_id = order.command_id
                    self.deliver(MoveOrdered(now_ns, order.command_id, order.move, order.verb, order.atoms))
            expires_ns = said.sent_ns + said.ttl_ns
            self.deliver(LeaseGranted(now_ns, said.epoch, expires_ns, said.budget_atoms))

    def stop(self) -> None:
        """Ask the node to end."""
        self.deliver(StopRequested(self.schedule.now_ns))

    def report(self) -> NodeReport:
        """Give the node's report with what only its surroundings know."""
        store = self.recorder.store
        return msgspec.structs.replace(
            self.node.report(self.schedule.now_ns),
            journal_events=store.events,
            journal_hash=store.head_hash,
        )

    def step(self) -> None:
        """Make durable what happened since the last step of the model."""
        self.recorder.commit()

    def _clock(self, _: None) -> None:
        self.deliver(Clocked(self.schedule.now_ns))
        self._planning.step()
        self.schedule.put(self.schedule.now_ns + CLOCK_NS, self._clock)

    def _beat(self, _: None) -> None:
        now_ns = self.schedule.now_ns
        beat = Heartbeat(now_ns, "sim", BUILD, 1, self.report())
        self.schedule.put(self._path.arrival_ns(now_ns), self.say, beat)
        self.schedule.put(now_ns + BEAT_NS, self._beat)
