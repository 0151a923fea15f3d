"""Requests that wait for an answer, and those that waited too long: both tables are bounded."""

from __future__ import annotations

from collections import deque
from enum import IntEnum

import msgspec


class RequestKind(IntEnum):
    """What an in-flight request asked for."""

    PLACE = 0
    CANCEL = 1
    QUERY = 2
    SUBSCRIBE = 3
    KEEP = 4


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request on the wire."""

    kind: RequestKind
    client_id: int
    instrument: int
    deadline_ns: int


PLACE = RequestKind.PLACE


class InFlight:
    """Match answers to requests by id. Late answers still count: they are remembered up to `late_max`."""

    def __init__(self, most: int, late_max: int = 1024) -> None:
        self._most, self._late_max = most, late_max
        self._waiting: dict[int, Request] = {}
        self._late: dict[int, Request] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def full(self, kind: RequestKind) -> bool:
        """Tell whether there is no room; cancels and queries have as much again as new orders."""
        return len(self._waiting) >= (self._most if kind is PLACE else 2 * self._most)

    def add(self, request: Request) -> int:
        """Take a request and give it an id."""
        self._last_id += 1
        self._waiting[self._last_id] = request
        return self._last_id

    def take(self, request_id: int | str | None) -> Request | None:
        """Give the request that an answer belongs to."""
        if not isinstance(request_id, int):
            return None
        return self._waiting.pop(request_id, None) or self._late.pop(request_id, None)

    def deadline_ns(self, request_id: int) -> int:
        """Give until when an answer is waited for, 0 for a request that is not waiting."""
        request = self._waiting.get(request_id)
        return request.deadline_ns if request is not None else 0

    def overdue(self, now_ns: int) -> list[Request]:
        """Give the requests whose time is up, and remember them as late."""
        found = []
        # All wait equally long, so the oldest is always first.
        while self._waiting:
            request_id = next(iter(self._waiting))
            request = self._waiting[request_id]
            if request.deadline_ns > now_ns:
                break
            del self._waiting[request_id]
            self._late[request_id] = request
            if len(self._late) > self._late_max:
                del self._late[next(iter(self._late))]
            found.append(request)
        return found

    def clear(self) -> list[Request]:
        """Give and forget everything that still waited."""
        lost = list(self._waiting.values())
        self._waiting.clear()
        self._late.clear()
        return lost


class SendQueue:
    """Frames that the socket cannot take yet: cancels leave before queries, queries before new orders.

    It holds no more than the in-flight table does, because every frame has its place there.
    """

    def __init__(self) -> None:
        self._by_rank: tuple[deque[bytes], ...] = (deque(), deque(), deque())

    def __len__(self) -> int:
        return sum(len(frames) for frames in self._by_rank)

    def put(self, kind: RequestKind, frame: bytes) -> None:
        """Queue a frame."""
        rank = {RequestKind.CANCEL: 0, RequestKind.QUERY: 1}.get(kind, 2)
        self._by_rank[rank].append(frame)

    def pop(self) -> bytes | None:
        """Give the most urgent frame, `None` when there is none."""
        for frames in self._by_rank:
            if frames:
                return frames.popleft()
        return None

    def clear(self) -> None:
        """Forget everything."""
        for frames in self._by_rank:
            frames.clear()
