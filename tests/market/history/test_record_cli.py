"""`swarm data record`, against a real simulated exchange."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from domain.errors import ExitCode, SwarmError
from domain.market_events import BookSnapshot, Tick, Trade
from domain.order import Side
from market.cli import add_commands
from market.history import record_cli
from market.history.history import History
from market.history.record_cli import Chosen, Line, Recording, record
from market.history.recorder import RecorderStats
from market.rows import events_of
from tests.market.venue_server import KEY, SECRET, SYMBOLS, Simulated, in_loop, simulated, until


def words(*told: str) -> argparse.Namespace:
    """Read a command line."""
    top = argparse.ArgumentParser()
    add_commands(top.add_subparsers())
    arguments = top.parse_args(["data", "record", "--region", "tokyo", *told])
    arguments.root = arguments.root or arguments.state / "history"
    return arguments


async def trade(exchange: Simulated) -> None:
    """Let the crowd quote and trade."""
    for step in range(20):
        await exchange.crowd(0, Side.BUY, 5_900_000 - step, 100)
        await exchange.crowd(0, Side.SELL, 6_100_000 + step, 100)
    await exchange.crowd(0, Side.SELL, 5_899_900, 250)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the exchange's keys into the environment."""
    monkeypatch.setenv("TEST_X_KEY", KEY)
    monkeypatch.setenv("TEST_X_SECRET", SECRET)


@pytest.mark.usefixtures("keys")
def test_a_venue_is_recorded_with_its_books(tmp_path: Path) -> None:
    told: list[RecorderStats] = []

    @in_loop
    async def run() -> None:
        async with simulated() as exchange:
            chosen = [Chosen(exchange.venue_config(), SYMBOLS)]
            recording = Recording(words("--state", str(tmp_path), "--snapshot-seconds", "0.2"), chosen)
            async with asyncio.TaskGroup() as group:
                task = group.create_task(recording.run())
                await until(lambda: recording.venues and recording.recorder.records["books"] > 0, "books")
                await trade(exchange)
                await until(lambda: recording.recorder.records["trades"] > 0, "trades")
                os.kill(os.getpid(), signal.SIGTERM)
            told.append(task.result())

    run()
    (stats,) = told
    assert stats.alarm is None and stats.dropped_rows == 0 and stats.files >= 3
    rows = np.concatenate(list(History(tmp_path / "history").rows("test-x", SYMBOLS)))
    events = events_of(rows)
    kinds = {type(event) for event in events}
    assert {Tick, Trade, BookSnapshot} <= kinds and len(events) == sum(stats.records.values())


@pytest.mark.usefixtures("keys")
def test_a_recording_ends_when_its_time_is_over(tmp_path: Path) -> None:
    @in_loop
    async def run() -> None:
        async with simulated() as exchange:
            chosen = [Chosen(exchange.venue_config(), SYMBOLS)]
            stats = await Recording(words("--state", str(tmp_path), "--seconds", "0.3"), chosen).run()
            assert stats.records["books"] >= 2

    run()


def stats(alarm: str | None = None) -> RecorderStats:
    """Make up how it went."""
    return RecorderStats({"ticks": 7}, 7, 0, 0, 0, 0, 1, 5, alarm)


@pytest.mark.parametrize(
    ("alarm", "code"), [("stopped: the disk is full", ExitCode.DISK_FULL), ("stopped: odd", ExitCode.CONFIG)]
)
def test_an_alarm_is_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alarm: str, code: ExitCode
) -> None:
    async def ended(self: Recording) -> RecorderStats:
        return stats(alarm)

    monkeypatch.setattr(Recording, "run", ended)
    with pytest.raises(SwarmError, match=alarm) as told:
        record(words("--state", str(tmp_path)))
    assert told.value.code == code


def test_what_was_recorded_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ended(self: Recording) -> RecorderStats:
        return stats()

    monkeypatch.setattr(Recording, "run", ended)
    assert record(words("--state", str(tmp_path))) == ExitCode.OK
    assert capsys.readouterr().out == "recorded 7 ticks: 1 files, 5 B, 0 rows dropped\n"
    assert record(words("--state", str(tmp_path), "--json")) == ExitCode.OK
    assert '"ticks":7' in capsys.readouterr().out


def test_the_line_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        screen = io.StringIO()
        screen.isatty = lambda terminal=terminal: terminal  # type: ignore[method-assign,misc]
        monkeypatch.setattr(sys, "stderr", screen)
        line = Line()
        line.show(stats(), 1.0)
        line.end()
        assert ("7 rows" in screen.getvalue()) == terminal


def test_the_regions_are_where_they_are_looked_for() -> None:
    assert (record_cli._REGIONS / "tokyo" / "region.toml").is_file()
