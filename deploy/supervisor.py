"""Start the swarm, keep it alive, show it, end it, and say what came of it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bus.keys import OPERATOR, ensure_keys
from deploy.child import Child, end_with_parent
from deploy.ending import Ending, forget_reports
from deploy.learnt import Learnt
from deploy.plan import LEARNERS, Plan, plan
from deploy.preflight import check_disk, check_ports, owned, put_aside
from deploy.screen import Screen
from deploy.voice import say
from domain.errors import ExitCode
from domain.report import Summary
from hw.clock import SystemClock
from market.venues.venue import know
from sim.summary_table import summary_table

NODE_GRACE_S = 1.8
SERVER_GRACE_S = 0.7
LEARNER_GRACE_S = 2.4
SETTLE_S = 20.0
DRAW_S = 0.5
TRUTH_S = 10.0
HURRIED_TRUTH_S = 0.7


def supervise(arguments: argparse.Namespace) -> int:
    """Run the swarm of this machine to its end and give the exit code."""
    state = arguments.state.absolute()
    clock = SystemClock()
    if arguments.fresh:
        put_aside(state)
    with owned(state):
        check_disk(state)
        planned = plan(
            state,
            seed=arguments.seed,
            port_base=arguments.port_base,
            only=arguments.regions,
            learn=arguments.learn,
            federate=arguments.federate,
        )
        check_ports(planned.ports())
        supervisor = Supervisor(planned, clock, arguments.seconds)
        summary = asyncio.run(supervisor.run())
    if summary is None:
        say(sys.stderr, "swarm: stopped before every part was ready: there is nothing to sum up\n")
        return ExitCode.INTERRUPTED
    return tell(summary, as_json=arguments.json)


def tell(summary: Summary, *, as_json: bool) -> int:
    """Print the summary and give the exit code that goes with it."""
    say(sys.stdout, msgspec.json.encode(summary).decode() + "\n" if as_json else _drawn(summary))
    if summary.positions_match:
        return ExitCode.OK
    for mismatch in summary.mismatches:
        say(sys.stderr, f"swarm: positions do not match: {mismatch}\n")
    return ExitCode.POSITIONS_MISMATCH


def _drawn(summary: Summary) -> str:
    console = Console()
    with console.capture() as drawn:
        console.print(summary_table(summary))
    return drawn.get()


class Supervisor:
    """Own every process of the swarm on this machine."""

    def __init__(self, planned: Plan, clock: SystemClock, seconds: float | None) -> None:
        self.plan, self.clock, self.seconds = planned, clock, seconds
        self.children = planned.children(clock.now_ns)
        self.started_ns = clock.now_ns()
        learning = planned.learning
        self.learnt = Learnt(planned.state, learning, self.started_ns) if learning else None
        self._end = asyncio.Event()
        self.interrupted = False

    async def run(self) -> Summary | None:
        """Run until the time is over or somebody says stop; `None` when that was before the swarm stood."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self._interrupt)
        forget_reports(self.plan)
        self._make_keys()
        async with asyncio.TaskGroup() as tasks:
            try:
                await self._start(tasks)
                if self._end.is_set():
                    await self._stop_all()
                    return None
                await self._watch()
                return await self._finish()
            except BaseException:
                await self._stop_all()
                raise

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
            waiting.create_task(asyncio.to_thread(self._know_venues))
        for name in LEARNERS:
            if name in self.children and not self._end.is_set():
                tasks.create_task(self.children[name].keep())
        self._write_run_file()

    def _know_venues(self) -> None:
        """Be ready to ask the venues at the end: a run that is interrupted leaves no time to import."""
        for region in self.plan.regions:
            for venue in region.venues:
                know(venue)

    async def _start_one(self, tasks: asyncio.TaskGroup, child: Child) -> None:
        if not self._end.is_set():
            tasks.create_task(child.keep())
            await self._unless_ended(child.wait_ready())

    async def _compile_kernels(self) -> None:
        """Let one process compile, so that five do not."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.cli", "kernels", preexec_fn=end_with_parent
        )
        await self._unless_ended(process.wait())
        if process.returncode is None:
            process.kill()
            await process.wait()

    async def _unless_ended(self, work: Coroutine[Any, Any, object]) -> None:
        """Wait for something, but not beyond the word to end."""
        async with asyncio.TaskGroup() as both:
            worker = both.create_task(work)
            watcher = both.create_task(self._end.wait())
            await asyncio.wait((worker, watcher), return_when=asyncio.FIRST_COMPLETED)
            worker.cancel()
            watcher.cancel()

    def _write_run_file(self) -> None:
        pids = {name: child.pid for name, child in self.children.items()}
        venues = {name: f"http://127.0.0.1:{self.plan.venue_port(name)}" for name in self.plan.exchanges}
        content = {"coordinator": self.plan.coordinator, "venues": venues, "pids": pids}
        write_whole(self.plan.state / "run.json", msgspec.json.encode(content))

    async def _watch(self) -> None:
        """Show the swarm until the end."""
        async with Screen(
            self.plan.state, self.plan.coordinator, self.children, self.clock, self.started_ns, self.learnt
        ) as screen:
            deadline_ns = self._deadline_ns()
            while not self._end.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._end.wait(), DRAW_S)
                await screen.draw()
                if screen.gone:
                    self._interrupt()
                self._write_run_file()
                if deadline_ns is not None and self.clock.now_ns() >= deadline_ns:
                    break

    def _deadline_ns(self) -> int | None:
        return None if self.seconds is None else self.clock.now_ns() + int(self.seconds * 1e9)

    async def _finish(self) -> Summary:
        """Stop the nodes, hold their last reports against the venues, then stop the rest."""
        if not self.interrupted:
            await self._settle()
        began_ns = self.clock.now_ns()
        ending = Ending(self.plan, self.children, (began_ns - self.started_ns) / 1e9)
        async with asyncio.TaskGroup() as beside:
            beside.create_task(self._stop_learners())
            await self._stop_nodes()
            truths = await ending.truths(self._truth_s(began_ns) if self.interrupted else TRUTH_S)
        await self._stop_all()
        return ending.summary(truths, None if self.learnt is None else self.learnt.look())

    def _truth_s(self, began_ns: int) -> float:
        """Give the venues what the nodes left of their time, too, where somebody waits for the end."""
        left_s = NODE_GRACE_S - (self.clock.now_ns() - began_ns) / 1e9
        return HURRIED_TRUTH_S + max(0.0, left_s)

    async def _settle(self) -> None:
        """Let restarts end first, so that every node has a last word."""
        deadline_ns = self.clock.now_ns() + int(SETTLE_S * 1e9)
        while not self._end.is_set() and self.clock.now_ns() < deadline_ns:
            if all(child.ready or child.failed for child in self.children.values() if child.vital):
                return
            await asyncio.sleep(0.1)

    async def _stop_nodes(self) -> None:
        await _stop([self.children[region.node] for region in self.plan.regions], NODE_GRACE_S)

    async def _stop_learners(self) -> None:
        await _stop([self.children[name] for name in LEARNERS if name in self.children], LEARNER_GRACE_S)

    async def _stop_all(self) -> None:
        """Stop the nodes first: they still have orders to cancel. Nothing is to be found here any more."""
        async with asyncio.TaskGroup() as beside:
            beside.create_task(self._stop_learners())
            await self._stop_nodes()
        await _stop(self.children.values(), SERVER_GRACE_S)
        (self.plan.state / "run.json").unlink(missing_ok=True)


async def _stop(children: Iterable[Child], grace_s: float) -> None:
    async with asyncio.TaskGroup() as stopping:
        for child in children:
            stopping.create_task(child.stop(grace_s))


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that no reader sees half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)
