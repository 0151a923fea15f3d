"""Flower's Grid within one process: every region is a thread, and nothing crosses a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from federation.run.flower import (
    ClientApp,
    Context,
    Error,
    Grid,
    Message,
    NodeInfo,
    RecordDict,
    Run,
    TaskIdentity,
)

RUN, SERVER_NODE = 1, 1
CLIENT_FAILED = 0


class LocalGrid(Grid):
    """Carry messages to a ClientApp per region; a region that was taken down loses its messages."""

    def __init__(self, app: ClientApp, regions: Mapping[str, Mapping[str, Any]]) -> None:
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = RUN, RUN, SERVER_NODE
        self._app, self._run, self._sent = app, Run.create_empty(RUN), 0
        self._contexts = {
            number: Context(RUN, number, {**config, "region": region}, RecordDict(), {})
            for number, (region, config) in enumerate(regions.items(), SERVER_NODE + 1)
        }
        self._nodes = {region: number for number, region in enumerate(regions, SERVER_NODE + 1)}
        self._workers = {
            number: ThreadPoolExecutor(1, thread_name_prefix=f"region-{region}")
            for region, number in self._nodes.items()
        }
        self._down: set[int] = set()
        self._replies: dict[str, Future[Message]] = {}
        self._lock = threading.Lock()

    def take_down(self, region: str) -> None:
        """Let a region be dead: nobody sees it and what it was asked for never comes."""
        with self._lock:
            self._down.add(self._nodes[region])

    def bring_up(self, region: str) -> None:
        """Let a region live again."""
        with self._lock:
            self._down.discard(self._nodes[region])

    def close(self) -> None:
        """End every region's thread once its work is done."""
        for worker in self._workers.values():
            worker.shutdown(wait=True, cancel_futures=True)

    def set_run(self, run: Run) -> None:
        """Take another run's description."""
        self._run = run

    @property
    def run(self) -> Run:
        """Describe the run."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Address a message."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """List the nodes that are up."""
        return [number for number in self._contexts if number not in self._down]

    def get_nodes(self) -> list[NodeInfo]:
        """Describe the nodes that are up, each by its region's name."""
        up = self.get_node_ids()
        return [NodeInfo(node_id=node, name=region) for region, node in self._nodes.items() if node in up]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Hand messages to their regions' threads and give what to pull their replies by."""
        pushed = []
        for message in messages:
            self._sent += 1
            name, node = f"m{self._sent}", message.metadata.dst_node_id
            message.metadata.__dict__["_message_id"] = name
            self._replies[name] = self._workers[node].submit(self._work, message, self._contexts[node])
            pushed.append(name)
        return pushed

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Give the replies that are there, each once."""
        found = []
        for name in list(message_ids):
            future = self._replies.get(name)
            if future is not None and future.done():
                del self._replies[name]
                reply = future.result()
                if reply.metadata.src_node_id not in self._down:
                    found.append(reply)
        return found

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Wait for all replies, as Flower's own strategies do."""
        names = self.push_messages(messages)
        for name in names:
            self._replies[name].exception(timeout)
        return self.pull_messages(names)

    def _work(self, message: Message, context: Context) -> Message:
        try:
            reply = self._app(message, context)
        except Exception as error:  # as a SuperNode does it: the reply says that it failed
            reply = Message(Error(CLIENT_FAILED, type(error).__name__), reply_to=message)
        return reply
