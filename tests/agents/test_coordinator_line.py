import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from agents.coordinator_line import CoordinatorLine
from bus.codec import STEERING
from domain.control_events import HaltSet, LeaseGranted, LeaseRevoked, MoveOrdered
from domain.events import Event
from domain.moves import MoveOrder
from domain.report import NodeReport
from domain.steering import Grant, Heartbeat, Leave, Refusal, Steering


class FakeLink:
    """Keep what is sent; say what a script says."""

    def __init__(self, *script: Steering | bytes) -> None:
        self.script = [said if isinstance(said, bytes) else STEERING.encode(said) for said in script]
        self.sent: list[Steering] = []

    def send(self, message: bytes) -> bool:
        self.sent.append(STEERING.decode(message))
        return True

    async def messages(self) -> AsyncIterator[bytes]:
        for message in self.script:
            yield message


REPORT = NodeReport(
    node="tokyo-1",
    region="tokyo",
    ts_ns=1,
    epoch=0,
    halted=False,
    halt_command_id=0,
    stopping=False,
    flat_of_orders=True,
    ticks=0,
    agents=(),
    balances={},
    open_order_ids={},
    tick_to_order_counts={},
    journal_events=0,
    journal_hash="",
    stale_books=0,
)


class Scene:
    """One line between a fake link and a list of events."""

    def __init__(self, *script: Steering | bytes) -> None:
        self.link = FakeLink(*script)
        self.events: list[Event] = []
        self.told: list[str] = []
        link: Any = self.link
        self.line = CoordinatorLine(
            link,
            lambda: REPORT,
            self.events.append,
            lambda: 1_000,
            self.told.append,
            config_hash="c",
            build="b",
            incarnation=7,
            seen_epoch=lambda: 5,
        )


def grant(halted: bool, command: int) -> Grant:
    return Grant(900, 3, 500, 10, halted, command, "test")


def test_a_lease_counts_from_the_heartbeat_that_asked_for_it() -> None:
    scene = Scene(grant(False, 0))
    asyncio.run(scene.line.listen())
    assert scene.events == [HaltSet(1_000, False, 0, "test"), LeaseGranted(1_000, 3, 1_400, 10)]


def test_a_halt_is_told_once_a_command_and_never_taken_back_by_an_older_one() -> None:
    scene = Scene(grant(True, 2), grant(True, 2), grant(False, 1))
    asyncio.run(scene.line.listen())
    assert [event for event in scene.events if isinstance(event, HaltSet)] == [
        HaltSet(1_000, True, 2, "test")
    ]


def test_an_operators_word_on_a_move_is_told_once() -> None:
    first, second = MoveOrder(4, "arb-1", "take", 7), MoveOrder(5, "arb-1", "drop")
    words = (
        msgspec.structs.replace(grant(False, 0), moves=(first,)),
        msgspec.structs.replace(grant(False, 0), moves=(first, second)),
    )
    scene = Scene(*words)
    asyncio.run(scene.line.listen())
    assert [event for event in scene.events if isinstance(event, MoveOrdered)] == [
        MoveOrdered(1_000, 4, "arb-1", "take", 7),
        MoveOrdered(1_000, 5, "arb-1", "drop"),
    ]


def test_a_refused_lease_is_revoked_each_time_and_logged_when_the_reason_changes() -> None:
    scene = Scene(Refusal("taken"), Refusal("taken"), grant(False, 0), Refusal("taken"))
    asyncio.run(scene.line.listen())
    assert sum(isinstance(event, LeaseRevoked) for event in scene.events) == 3
    assert scene.told == ["lease refused: taken", "lease refused: taken"]


def test_what_cannot_be_read_or_is_not_for_a_node_is_passed_over() -> None:
    scene = Scene(b"\x01garbage", b"", Leave(REPORT))
    asyncio.run(scene.line.listen())
    assert scene.events == []


def test_heartbeats_go_out_and_hurry_when_a_halted_node_is_flat() -> None:
    async def play() -> list[Steering]:
        scene = Scene(grant(True, 1))
        await scene.line.listen()
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(scene.line.beat())
            while len(scene.link.sent) < 1:
                await asyncio.sleep(0)
            scene.line.watch(flat_of_orders=False)
            scene.line.watch(flat_of_orders=True)
            async with asyncio.timeout(0.2):  # sooner than the next regular beat
                while len(scene.link.sent) < 2:
                    await asyncio.sleep(0)
            beating.cancel()
        await scene.line.leave(REPORT)
        return scene.link.sent

    sent = asyncio.run(play())
    first = sent[0]
    assert isinstance(first, Heartbeat)
    assert (first.sent_ns, first.incarnation, first.seen_epoch, first.report) == (1_000, 7, 5, REPORT)
    assert isinstance(sent[-1], Leave)
