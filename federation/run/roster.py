"""Which region each node is: by the name that it was registered under, which its key stands for."""

from __future__ import annotations

from domain.protocols import Clock
from federation.run.flower import ConfigRecord, Grid, RecordDict
from federation.run.messages import CONFIG
from federation.update import REGION

WHO, QUERY, ASK_S, AGAIN_S = "query.who", "who", 600.0, 60.0


class Roster:
    """Name the regions of the nodes that are up.

    Only where nobody registers nodes, as in a simulation, is a node's own word taken. What a node was asked
    may be lost without a word, so that it is asked again.
    """

    def __init__(self, grid: Grid, clock: Clock) -> None:
        self._grid, self._clock, self._asked_ns = grid, clock, 0
        self._known: dict[int, str] = {}
        self._asked: dict[int, str] = {}
        self._strangers: set[int] = set()

    def __call__(self) -> dict[int, str]:
        """Give the region of every node that is up and known."""
        up = list(self._grid.get_nodes())
        for node in up:
            if REGION.fullmatch(node.name):
                self._known[node.node_id] = node.name
        self._hear()
        self._ask([node.node_id for node in up if node.node_id not in self._known and not node.name])
        return {node.node_id: self._known[node.node_id] for node in up if node.node_id in self._known}

    def _ask(self, nodes: list[int]) -> None:
        now_ns = self._clock.now_ns()
        if now_ns - self._asked_ns > AGAIN_S * 1e9:
            self._asked.clear()
        unasked = [node for node in nodes if node not in self._asked and node not in self._strangers]
        content = RecordDict({CONFIG: ConfigRecord()})
        messages = [self._grid.create_message(content, WHO, node, QUERY, ASK_S) for node in unasked]
        if messages:
            self._asked_ns = now_ns
            self._asked.update(zip(unasked, self._grid.push_messages(messages), strict=True))

    def _hear(self) -> None:
        if not self._asked:
            return
        for reply in self._grid.pull_messages(list(self._asked.values())):
            node = reply.metadata.src_node_id
            self._asked.pop(node, None)
            region = "" if reply.has_error() else str(reply.content.config_records[CONFIG].get("region", ""))
            if REGION.fullmatch(region):
                self._known[node] = region
            elif not reply.has_error():
                self._strangers.add(node)
