"""A real swarm under test: real processes, real sockets, a state folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coordinator.operator import Operator
from coordinator.words import status_json
from domain.errors import SwarmError

ROOT = Path(__file__).parents[2]
STARTED_S = 120.0


def free_port_base() -> int:
    """Find a base whose ports are free now: the coordinator's, the venues', and those of a federation."""
    for base in range(20_000 + os.getpid() % 97 * 100, 60_000, 101):
        if all(_free(base + more) for more in (0, 31, 32, 33, 61, 62, 63, 64)):
            return base
    raise AssertionError("no free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def swarm(
    *arguments: str, state: Path, timeout_s: float = 60.0, counted: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, its lines counted or not."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments, "--state", str(state)],
        cwd=ROOT,
        env=_environment(counted),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def _environment(counted: bool) -> dict[str, str]:
    """Leave counting out where another run counts the same lines: it takes nearly as long as the run."""
    return {name: value for name, value in os.environ.items() if counted or not name.startswith("COVERAGE")}


async def _status(state: Path) -> dict[str, Any]:
    async with Operator(state) as operator:
        told: dict[str, Any] = json.loads(status_json(await operator.status()))
        return told


def until(what: str, true: Callable[[], bool], timeout_s: float) -> None:
    """Wait until something holds, or fail saying what did not."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)


def processes_of(state: Path) -> list[str]:
    """Name what runs on a state folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended while we looked
            found.append(path.read_text(errors="replace").replace("\0", " "))
    return [command for command in found if str(state) in command]


class RunningSwarm:
    """`swarm up` in the background, without learning unless asked. Leaving the context kills what is left."""

    def __init__(self, state: Path, *arguments: str, learn: bool = False, counted: bool = True) -> None:
        self.state = state
        self._counted = counted
        self.port_base = free_port_base()
        self._command = [
            *(sys.executable, "-m", "deploy.cli", "up", "--json", "--state", str(state)),
            *("--port-base", str(self.port_base), "--learn" if learn else "--no-learn", *arguments),
        ]

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=_environment(self._counted),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_started(self) -> None:
        """Wait until every process runs and every region trades."""
        until("the swarm runs", lambda: len(self.pids()) >= 5 or self.process.poll() is not None, STARTED_S)
        assert self.process.poll() is None, self.process.communicate()
        until("every region trades", self.all_active, STARTED_S)

    def all_active(self) -> bool:
        """Tell whether every agent of every region trades."""
        members = self.status().get("members", ())
        if any(member["health"] != "ok" for member in members):
            return False
        lives = [agent["lifecycle"] for each in members for agent in (each["report"] or {}).get("agents", ())]
        return len(members) == 3 and bool(lives) and all(life == 2 for life in lives)

    def pids(self) -> dict[str, int]:
        """Give the processes that run now."""
        try:
            known = json.loads((self.state / "run.json").read_text())["pids"]
        except (OSError, ValueError, KeyError):
            return {}
        return {name: pid for name, pid in known.items() if pid is not None}

    def kill(self, name: str) -> int:
        """Kill a process with SIGKILL and give the id it had."""
        until(f"{name} runs", lambda: name in self.pids(), 30)
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_back(self, name: str, killed: int) -> None:
        """Wait until a killed process runs again."""
        until(f"{name} is back", lambda: self.pids().get(name, killed) != killed, 60)

    def status(self) -> dict[str, Any]:
        """Ask the coordinator; an empty answer says that it does not answer now."""
        try:
            return asyncio.run(_status(self.state))
        except SwarmError:
            return {}

    def end(self, timeout_s: float = 90.0) -> tuple[int, dict[str, Any], str]:
        """Wait for the end; give exit code, summary and what was said on stderr."""
        out, err = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, json.loads(out) if out.strip() else {}, err
