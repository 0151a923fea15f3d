"""The coordinator in virtual time."""

from __future__ import annotations

from typing import Any

import mesa

from coordinator.core import Coordinator
from coordinator.facts import write_fact
from coordinator.steps import CoordinatorEvent, CoordinatorStarted, Record, Reply, Role, Said
from domain.control_events import Clocked
from domain.protocols import Store
from domain.steering import FromOperator, Steering
from sim.node_actor import NodeActor
from sim.schedule import Schedule
from sim.wan import Path

CLOCK_NS = 50_000_000
OPERATOR = "operator"


class CoordinatorActor(mesa.Agent):  # type: ignore[misc]
    """Step the coordinator on what nodes say, and send its answers on their way."""

    def __init__(self, model: Any, core: Coordinator, store: Store, schedule: Schedule) -> None:
        super().__init__(model)
        self.core, self.store, self.schedule = core, store, schedule
        self._nodes: dict[str, tuple[NodeActor, Path]] = {}

    def attach(self, node: NodeActor, path: Path) -> None:
        """Take a node's line; the path leads to the node."""
        name = node.config.node
        self._nodes[name] = (node, path)
        node.say = lambda message: self._said(name, Role.NODE, message)

    def start(self) -> None:
        """Begin as a process does."""
        self._step(CoordinatorStarted(self.schedule.now_ns))
        self.schedule.put(self.schedule.now_ns + CLOCK_NS, self._clock)

    def command(self, request: FromOperator) -> None:
        """Take an operator's word."""
        self._said(OPERATOR, Role.OPERATOR, request)

    def step(self) -> None:
        """Make durable what happened since the last step of the model."""
        self.store.commit()

    def _said(self, peer: str, role: Role, message: Steering) -> None:
        self._step(Said(peer, role, 1, message, self.schedule.now_ns))

    def _clock(self, _: None) -> None:
        self._step(Clocked(self.schedule.now_ns))
        self.schedule.put(self.schedule.now_ns + CLOCK_NS, self._clock)

    def _step(self, event: CoordinatorEvent) -> None:
        for action in self.core.step(event):
            if isinstance(action, Record):
                self.store.append(write_fact(action.fact))
            elif isinstance(action, Reply) and action.peer in self._nodes:
                node, path = self._nodes[action.peer]
                self.schedule.put(path.arrival_ns(self.schedule.now_ns), node.hear, action.message)
