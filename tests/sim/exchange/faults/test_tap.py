"""One connection's frames between the exchange and the socket, on a clock that the test sets."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from sim.exchange.faults.config import Door, FaultSpec
from sim.exchange.faults.faults import MS_NS, Faults
from sim.exchange.faults.tap import LATE_MAX, Tap


class _Line:
    """Stand for a desk and a connection: a clock to set, and what was pushed."""

    def __init__(self, **spec: Any) -> None:
        self.faults, self.at_ms, self.pushed, self.aborted = Faults(), 0, list[bytes](), False
        self.faults.add(FaultSpec(**spec), 0)
        connection = SimpleNamespace(push=self.pushed.append, abort=self._abort, transport=None)
        self.tap = Tap(cast(Any, self), cast(Any, connection), 1, Door.STREAM)

    def _abort(self) -> None:
        self.aborted = True

    def now_ns(self) -> int:
        return self.at_ms * MS_NS

    def left(self, tap: Tap) -> None:
        self.faults.forget(tap.link)

    def send(self, payload: bytes, at_ms: int) -> None:
        self.at_ms = at_ms
        if not self.tap.takes(payload):
            self.pushed.append(payload)

    async def until(self, frames: int) -> None:
        async with asyncio.timeout(5):
            while len(self.pushed) < frames:
                await asyncio.sleep(0.001)


def test_nobody_overtakes_a_late_frame_whose_timer_is_late_itself() -> None:
    async def check() -> None:
        line = _Line(kind="delay", amount=100, for_s=0.05)
        line.send(b"1", 0)
        line.send(b"2", 20)
        line.send(b"3", 60)
        assert line.pushed == []
        line.send(b"4", 120)
        line.send(b"5", 121)
        assert line.pushed == [b"1", b"2", b"3", b"4", b"5"]
        line.tap.stop()

    asyncio.run(check())


def test_frames_that_wait_for_the_same_moment_leave_as_they_came() -> None:
    async def check() -> None:
        line = _Line(kind="delay", amount=40, for_s=0.001)
        for number in range(30):
            line.send(b"%d" % number, number)
        assert line.pushed == []
        await line.until(30)
        assert line.pushed == [b"%d" % number for number in range(30)]

    asyncio.run(check())


def test_what_is_held_back_is_bounded_and_forgotten_at_the_end() -> None:
    async def check() -> None:
        line = _Line(kind="delay", amount=1)
        for _ in range(LATE_MAX):
            line.send(b"{}", 0)
        assert not line.aborted
        line.send(b"{}", 0)
        assert line.aborted
        line.tap.closed()
        await asyncio.sleep(0.01)
        assert line.pushed == []

    asyncio.run(check())
