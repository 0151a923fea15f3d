"""A node's large state is written by a child: a restart begins with it, and one that dies harms nobody."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import agents.shell
from agents.config import RegionConfig
from agents.node import Node
from agents.record import recover
from agents.replay import Snapshot
from agents.shell import NodeShell
from bus.journal import Journal
from domain.control_events import NodeStarted
from domain.market_events import BookSnapshot, FeedUp, Tick, Trade
from hw.clock import SystemClock
from tests.agents.builders import MS, VENUE, config, instrument

INSTRUMENTS = (instrument(0), instrument(1, "ETH"), instrument(2, "ETH", "BTC", tick="0.00001"))


def region() -> RegionConfig:
    return config(market={"indicators": ["ema:20", "vwap:10"]}, journal={"snapshot_events": 1_000})


def feed(shell: NodeShell, first: int, count: int) -> None:
    """Let a market move."""
    for number in range(first, first + count):
        at_ns = 10**18 + number * 20 * MS
        shell.deliver(Tick(0, at_ns, at_ns, 10_000 + number % 50, 5, 10_002 + number % 50, 5, number))
        shell.deliver(Trade(0, at_ns, at_ns, number, 10_001 + number % 50, 3, 1))


def shell_on(journal: Journal, said: list[str]) -> NodeShell:
    recorder, _ = recover(journal, region(), INSTRUMENTS)
    shell = NodeShell(region(), recorder, journal, SystemClock(), said.append)
    attached: Any = Quiet()
    shell.attach(attached)
    return shell


class Quiet:
    """A venue that does nothing."""

    name, instruments = VENUE, INSTRUMENTS

    def prefer(self, instruments: list[int]) -> None:
        assert instruments == [0]

    def fetch_book(self, index: int) -> None:
        assert index in (0, 1, 2)


class Line:
    """A line to a coordinator that counts who is in a hurry."""

    hurries = 0

    def hurry(self) -> None:
        self.hurries += 1


async def committed(shell: NodeShell, done: Any) -> None:
    """Run the shell's own committing until something holds."""
    committing = asyncio.create_task(shell._commit(Line()))  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        while not done():
            await asyncio.sleep(0.01)
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)


def begun(shell: NodeShell) -> None:
    shell.deliver(NodeStarted(10**18, "config", "build"))
    shell.deliver(FeedUp(VENUE, 10**18))
    shell.deliver(BookSnapshot(0, 10**18, 10**18, 1, ((9_999, 5),), ((10_001, 5),)))


def test_a_restart_from_the_childs_snapshot_is_the_node_that_went_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents.shell, "FORK_BYTES_MIN", 0)
    said: list[str] = []
    with Journal.open(tmp_path, "node") as journal:
        shell = shell_on(journal, said)
        begun(shell)
        feed(shell, 1, 600)
        at = journal.events
        asyncio.run(committed(shell, lambda: journal.latest_snapshot() is not None))
        assert said == [] and not shell.recorder.snapshot_due
        kept = journal.latest_snapshot()
        assert kept is not None and kept[0] == at
        feed(shell, 601, 100)
        journal.commit()
        state = shell.node.state()
    with Journal.open(tmp_path, "node") as journal:
        assert journal.report.reason is None
        recorder, replay = recover(journal, region(), INSTRUMENTS)
        assert replay.from_sequence == at + 1 and replay.equal and replay.inputs == 200
        assert recorder.core.state() == state
        again = recorder.core
        assert isinstance(again, Node) and again.pipeline.indicator(0, "ema:20") is not None


@pytest.mark.parametrize("death", ["raises", "is killed"])
def test_a_child_that_dies_is_said_and_the_node_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: str
) -> None:
    monkeypatch.setattr(agents.shell, "FORK_BYTES_MIN", 0)

    def dies(genesis: bytes, state: bytes) -> bytes:
        if death == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError("no space")

    said: list[str] = []
    with Journal.open(tmp_path, "node") as journal:
        shell = shell_on(journal, said)
        begun(shell)
        feed(shell, 1, 600)
        with monkeypatch.context() as within:
            within.setattr(Snapshot, "write", staticmethod(dies))
            asyncio.run(committed(shell, lambda: said))
        assert said == ["a snapshot was not written: the next start replays for longer"]
        assert journal.latest_snapshot() is None
        feed(shell, 601, 600)
        asyncio.run(committed(shell, lambda: journal.latest_snapshot() is not None))
        feed(shell, 1_201, 10)
        journal.commit()
        state = shell.node.state()
    with Journal.open(tmp_path, "node") as journal:
        recorder, replay = recover(journal, region(), INSTRUMENTS)
        assert replay.equal and replay.inputs == 20 and recorder.core.state() == state
