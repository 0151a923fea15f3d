"""Start the swarm, keep it alive, show it, end it, and say what came of it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
from rich.console import Console

from bus.keys import OPERATOR, ensure_keys
from deploy.child import Child
from deploy.ending import Ending
from deploy.plan import Plan, plan
from deploy.preflight import check_disk, check_ports, owned
from deploy.screen import Screen
from domain.errors import ExitCode
from domain.report import Summary
from hw.clock import SystemClock
from sim.summary_table import summary_table

NODE_GRACE_S = 1.8
SERVER_GRACE_S = 0.8
SETTLE_S = 20.0


def supervise(arguments: argparse.Namespace) -> int:
    """Run the swarm of this machine to its end and give the exit code."""
    state = arguments.state.absolute()
    clock = SystemClock()
    with owned(state):
        check_disk(state)
        planned = plan(state, seed=arguments.seed, port_base=arguments.port_base, only=arguments.regions)
        check_ports(planned.ports())
        supervisor = Supervisor(planned, clock, arguments.seconds)
        summary = asyncio.run(supervisor.run())
    return tell(summary, as_json=arguments.json)


def tell(summary: Summary, *, as_json: bool) -> int:
    """Print the summary and give the exit code that goes with it."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
    else:
        Console().print(summary_table(summary))
    if summary.positions_match:
        return ExitCode.OK
    for mismatch in summary.mismatches:
        sys.stderr.write(f"swarm: positions do not match: {mismatch}\n")
    return ExitCode.POSITIONS_MISMATCH


class Supervisor:
    """Own every process of the swarm on this machine."""

    def __init__(self, planned: Plan, clock: SystemClock, seconds: float | None) -> None:
        self.plan, self.clock, self.seconds = planned, clock, seconds
        self.children = planned.children(clock.now_ns)
        self.started_ns = clock.now_ns()
        self._end = asyncio.Event()
        self.interrupted = False

    async def run(self) -> Summary:
        """Run until the time is over or somebody says stop."""
        self._make_keys()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self._interrupt)
        async with asyncio.TaskGroup() as tasks:
            try:
                await self._start(tasks)
                await self._watch()
            except BaseException:
                await self._stop_all()
                raise
            return await self._finish()

    def _make_keys(self) -> None:
        for name in ("coordinator", OPERATOR, *(region.node for region in self.plan.regions)):
            ensure_keys(self.plan.state, name)

    def _interrupt(self) -> None:
        self.interrupted = True
        self._end.set()

    async def _start(self, tasks: asyncio.TaskGroup) -> None:
        """Start venue and coordinator, then the nodes beside each other."""
        await self._compile_kernels()
        for name in ("venue", "coordinator"):
            await self._start_one(tasks, self.children[name])
        nodes = [self.children[region.node] for region in self.plan.regions]
        async with asyncio.TaskGroup() as waiting:
            for node in nodes:
                waiting.create_task(self._start_one(tasks, node))
        self._write_run_file()

    async def _start_one(self, tasks: asyncio.TaskGroup, child: Child) -> None:
        if not self._end.is_set():
            tasks.create_task(child.keep())
            await child.wait_ready()

    async def _compile_kernels(self) -> None:
        """Let one process compile, so that five do not."""
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "deploy.cli", "kernels")
        await process.wait()

    def _write_run_file(self) -> None:
        pids = {name: child.pid for name, child in self.children.items()}
        venues = {name: f"http://127.0.0.1:{self.plan.venue_port(name)}" for name in self.plan.exchanges}
        content = {"coordinator": self.plan.coordinator, "venues": venues, "pids": pids}
        write_whole(self.plan.state / "run.json", msgspec.json.encode(content))

    async def _watch(self) -> None:
        """Show the swarm until the end."""
        async with Screen(
            self.plan.state, self.plan.coordinator, self.children, self.clock, self.started_ns
        ) as screen:
            deadline_ns = self._deadline_ns()
            while not self._end.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._end.wait(), 0.25)
                await screen.draw()
                self._write_run_file()
                if deadline_ns is not None and self.clock.now_ns() >= deadline_ns:
                    break

    def _deadline_ns(self) -> int | None:
        return None if self.seconds is None else self.clock.now_ns() + int(self.seconds * 1e9)

    async def _finish(self) -> Summary:
        """Stop the nodes, hold their last reports against the venues, then stop the rest."""
        if not self.interrupted:
            await self._settle()
        ending = Ending(self.plan, self.children, (self.clock.now_ns() - self.started_ns) / 1e9)
        nodes = [self.children[region.node] for region in self.plan.regions]
        await _stop(nodes, NODE_GRACE_S)
        truths = await ending.truths()
        await self._stop_all()
        (self.plan.state / "run.json").unlink(missing_ok=True)
        return ending.summary(truths)

    async def _settle(self) -> None:
        """Let restarts end first, so that every node has a last word."""
        deadline_ns = self.clock.now_ns() + int(SETTLE_S * 1e9)
        while not self._end.is_set() and self.clock.now_ns() < deadline_ns:
            if all(child.ready or child.failed for child in self.children.values()):
                return
            await asyncio.sleep(0.1)

    async def _stop_all(self) -> None:
        await _stop(self.children.values(), SERVER_GRACE_S)


async def _stop(children: Iterable[Child], grace_s: float) -> None:
    async with asyncio.TaskGroup() as stopping:
        for child in children:
            stopping.create_task(child.stop(grace_s))


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that no reader sees half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)
