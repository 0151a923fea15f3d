"""A bounded channel between tasks of one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from typing import Generic, TypeVar

Item = TypeVar("Item")


class WhenFull(Enum):
    """Say what a full channel does with one item too many."""

    REFUSE_NEW = "refuse_new"
    DROP_OLDEST = "drop_oldest"


class Channel(Generic[Item]):
    """Pass items in order to whoever iterates; closing it ends them once it is empty.

    `put` never waits. A full channel refuses the new item (`put` gives False) or drops its oldest one;
    either is counted. All calls come from the loop's own thread.
    """

    def __init__(self, capacity: int, when_full: WhenFull = WhenFull.REFUSE_NEW) -> None:
        assert capacity > 0, "a channel holds at least one item"
        self.capacity, self.when_full = capacity, when_full
        self.refused = self.dropped = self.passed = 0
        self._items: deque[Item] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def put(self, item: Item) -> bool:
        """Add an item; False says that it was refused."""
        if self._closed or (len(self._items) >= self.capacity and not self._made_room()):
            self.refused += 1
            return False
        self._items.append(item)
        self._wake()
        return True

    def take(self) -> Item | None:
        """Give the oldest item, or `None` when there is none now."""
        if not self._items:
            return None
        self.passed += 1
        return self._items.popleft()

    def drain(self) -> list[Item]:
        """Give everything that is there now."""
        items = list(self._items)
        self._items.clear()
        self.passed += len(items)
        return items

    def close(self) -> None:
        """Take nothing more; consumers end when they have had the rest."""
        self._closed = True
        while self._waiting:
            self._wake()

    @property
    def closed(self) -> bool:
        """Tell whether nothing more can be put."""
        return self._closed

    def __len__(self) -> int:
        return len(self._items)

    def __aiter__(self) -> Channel[Item]:
        return self

    async def __anext__(self) -> Item:
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            await self._arrival()
        self.passed += 1
        return self._items.popleft()

    async def _arrival(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and self._items:
                self._wake()  # the item that woke us is for the next one waiting
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def _made_room(self) -> bool:
        if self.when_full is WhenFull.REFUSE_NEW:
            return False
        self._items.popleft()
        self.dropped += 1
        return True

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
