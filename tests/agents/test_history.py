"""A region records its markets, and a new node begins with indicators that are warm."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from agents.config import RegionConfig
from agents.history import recording
from agents.node import Node
from agents.record import Recorder, recover
from agents.warm_start import WarmStart
from bus.journal_memory import MemoryJournal
from domain.actions import SendOrder
from domain.control_events import Clocked
from domain.market_events import Tick, Trade
from hw.clock import SystemClock
from tests.agents.builders import config, instrument

INSTRUMENTS = (instrument(0), instrument(1, "ETH"), instrument(2, "ETH", "BTC", tick="0.00001"))
TICKS = 50


def region(**history: object) -> RegionConfig:
    return config(market={"indicators": ["sma:20", "vwap:10"]}, history=history)


def record(root: Path, now_ns: int) -> None:
    """Record some ticks and trades of the last minute."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            tap = await recording(region(record=True), root, INSTRUMENTS, SystemClock(), print, stack)
            assert tap is not None
            for number in range(1, TICKS + 1):
                at_ns = now_ns - (TICKS - number) * 1_000_000_000
                tap(Tick(0, at_ns, at_ns, 10_000 + number, 5, 10_002 + number, 5, number))
                tap(Trade(0, at_ns, at_ns, number, 10_001 + number, 7, 1))
            tap(Clocked(now_ns))

    asyncio.run(run())


def warm_up(root: Path, recorder: Recorder, config: RegionConfig, now_ns: int, said: list[str]) -> int:
    return WarmStart(config, recorder, SystemClock(), said.append).play(root, now_ns)


def test_a_new_node_warms_up_on_what_was_recorded_and_sends_nothing(tmp_path: Path) -> None:
    now_ns, said = SystemClock().now_ns(), list[str]()
    record(tmp_path, now_ns)
    store = MemoryJournal("test-1")
    recorder, _ = recover(store, region(warm_s=600), INSTRUMENTS)
    assert warm_up(tmp_path, recorder, region(warm_s=600), now_ns + 1, said) == 2 * TICKS
    node = recorder.core
    assert isinstance(node, Node) and node.pipeline.ticks == TICKS
    assert node.pipeline.indicator(0, "sma:20") == 10_001 + sum(range(31, 51)) / 20
    assert node.desk.working == {} and not any(isinstance(each, SendOrder) for _, each in store.read(1))
    assert said == ["warmed up on 100 rows; history ends 0 s ago"]
    recorder.commit()
    again, _ = recover(store, region(warm_s=600), INSTRUMENTS)
    assert isinstance(again.core, Node) and again.core.state() == node.state()
    assert warm_up(tmp_path, again, region(warm_s=600), now_ns + 1, said) == 0


def test_only_the_stretch_that_was_asked_for_counts(tmp_path: Path) -> None:
    now_ns = SystemClock().now_ns()
    record(tmp_path, now_ns)
    recorder, _ = recover(MemoryJournal("test-1"), region(warm_s=9.5), INSTRUMENTS)
    assert warm_up(tmp_path, recorder, region(warm_s=9.5), now_ns + 1, []) == 20


def test_without_history_a_node_starts_cold(tmp_path: Path) -> None:
    recorder, _ = recover(MemoryJournal("test-1"), region(warm_s=600), INSTRUMENTS)
    assert warm_up(tmp_path / "none", recorder, region(warm_s=600), 10**18, []) == 0

    async def run() -> None:
        async with AsyncExitStack() as stack:
            assert await recording(region(), tmp_path, INSTRUMENTS, SystemClock(), print, stack) is None

    asyncio.run(run())
    assert not (tmp_path / "history").exists()
