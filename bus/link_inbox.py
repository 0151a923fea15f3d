"""A bounded queue between a socket's callback and the one task that reads it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Hold what came until it is read. `full` tells the filler to stop; `on_room` tells it to go on."""

    def __init__(self, limit: int, on_room: Callable[[], None]) -> None:
        self._items: deque[T] = deque()
        self._limit, self._on_room = limit, on_room
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._closed = False

    def put(self, items: Iterable[T]) -> None:
        """Add items and wake the reader."""
        self._items.extend(items)
        self._wake()

    @property
    def full(self) -> bool:
        """Tell whether to stop filling until `on_room` is called."""
        if len(self._items) >= self._limit:
            self._paused = True
        return self._paused

    def fail(self, error: Exception) -> None:
        """Raise an error at the reader, after what came before it."""
        self._error = error
        self.close()

    def close(self) -> None:
        """End the stream after what it still holds."""
        self._closed = True
        self._wake()

    async def read(self) -> AsyncIterator[T]:
        """Give items as they come, until closed."""
        items = self._items
        while True:
            while items:
                yield items.popleft()
                if self._paused and len(items) * 2 <= self._limit:
                    self._paused = False
                    self._on_room()
            if self._closed:
                break
            await self._wait()
        if self._error is not None:
            raise self._error

    async def read_batch(self) -> list[T]:
        """Wait for something and give all that is there; nothing once closed."""
        if not self._items and not self._closed:
            await self._wait()
        batch = list(self._items)
        self._items.clear()
        if self._paused:
            self._paused = False
            self._on_room()
        if not batch and self._error is not None:
            raise self._error
        return batch

    async def _wait(self) -> None:
        assert self._waiter is None, "an inbox has one reader"
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
