import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from deploy import child as child_module
from deploy.child import Child
from domain.errors import ExitCode, SwarmError
from hw.clock import SystemClock

CLOCK = SystemClock()


def child(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Child:
    """A child that runs a script in the place of `python -m deploy.cli`."""
    fake = tmp_path / "fake"
    fake.mkdir(exist_ok=True)
    (fake / "deploy.py").write_text("")
    runner = fake / "python"
    runner.write_text(f"#!/bin/sh\n{script}\n")
    runner.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(runner))
    return Child("thing", (), dict(os.environ), tmp_path / "logs" / "thing.log", CLOCK.now_ns)


def test_a_child_is_ready_when_it_says_so_and_stops_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        thing = child(tmp_path, "echo thing ready; exec sleep 60", monkeypatch)
        async with asyncio.TaskGroup() as tasks:
            kept = tasks.create_task(thing.keep())
            await thing.wait_ready(10)
            assert thing.ready
            assert thing.pid is not None
            await thing.stop(5)
            await kept
        assert thing.pid is None
        assert thing.restarts == 0

    asyncio.run(scene())


def test_a_killed_child_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        thing = child(tmp_path, "echo thing ready; exec sleep 60", monkeypatch)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(thing.keep())
            await thing.wait_ready(10)
            first = thing.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(10):
                while thing.pid in (first, None) or not thing.ready:
                    await asyncio.sleep(0.01)
            assert thing.restarts == 1
            await thing.stop(5)

    asyncio.run(scene())


def test_a_child_that_ignores_the_request_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        script = "trap '' TERM; echo thing ready; while :; do sleep 0.1; done"
        thing = child(tmp_path, script, monkeypatch)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(thing.keep())
            await thing.wait_ready(10)
            await thing.stop(0.3)
            assert thing.pid is None

    asyncio.run(scene())


def test_a_child_that_cannot_start_ends_the_start_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        thing = child(tmp_path, "echo 'swarm: no such field (x.toml): mend it' >&2; exit 10", monkeypatch)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(thing.keep())

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(scene())
    (error,) = caught.value.exceptions
    assert isinstance(error, SwarmError)
    assert error.code == ExitCode.CONFIG
    assert error.what == "no such field (x.toml): mend it"


def test_a_child_that_dies_before_it_is_ready_is_given_up_after_three_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing = child(tmp_path, "exit 77", monkeypatch)
    with pytest.raises(SwarmError, match="ended with code 77 before it was ready") as caught:
        asyncio.run(thing.keep())
    assert caught.value.code == ExitCode.NOT_STARTED
    assert thing.restarts == 2


def test_a_child_that_is_not_ready_in_time_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        thing = child(tmp_path, "exec sleep 60", monkeypatch)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(thing.keep())
            with pytest.raises(SwarmError, match="not ready within"):
                await thing.wait_ready(0.2)
            await thing.stop(5)

    asyncio.run(scene())


def test_a_broken_journal_found_at_a_restart_is_not_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "second"
    script = (
        f"if [ -e {flag} ]; then echo 'swarm: chain' >&2; exit 16; fi; touch {flag}; echo thing ready; exit 1"
    )
    thing = child(tmp_path, script, monkeypatch)
    asyncio.run(thing.keep())
    assert thing.failed
    assert "chain" in thing.state


def test_a_child_that_is_told_to_stop_while_it_is_started_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        thing = child(tmp_path, "exec sleep 60", monkeypatch)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(thing.keep())
            await asyncio.sleep(0)  # the process is being made: there is none yet to tell
            assert thing.state == "starting"
            assert thing.pid is None
            await thing.stop(5)

    asyncio.run(scene())


def test_a_log_that_grew_too_large_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "LOG_BYTES_MAX", 10)
    thing = child(tmp_path, "exit 10", monkeypatch)
    thing.log.parent.mkdir()
    thing.log.write_text("x" * 100)
    with pytest.raises(SwarmError):
        asyncio.run(thing.keep())
    assert thing.log.with_suffix(".old").stat().st_size == 100


def test_a_child_that_nobody_needs_is_tried_on_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "BACKOFF_S", (0.0,))

    async def scene(code: int, until_restarts: int) -> Child:
        thing = child(tmp_path, f"exit {code}", monkeypatch)
        thing.vital = False
        async with asyncio.TaskGroup() as tasks:
            kept = tasks.create_task(thing.keep())
            while thing.restarts < until_restarts and not thing.failed:
                await asyncio.sleep(0.01)
            await thing.stop(5)
            await kept
        return thing

    assert asyncio.run(scene(1, child_module.FIRST_TRIES + 2)).restarts >= child_module.FIRST_TRIES + 2
    assert asyncio.run(scene(int(ExitCode.CONFIG), 99)).failed
