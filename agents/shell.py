"""The node's shell: moves bytes between venues, coordinator and journal, and one `Node` that decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec

from agents.config import RegionConfig
from agents.coordinator_line import CoordinatorLine
from agents.gaps import Gaps
from agents.node import Node
from agents.record import Recorder
from agents.rehearsal import Rehearsal, keep_warm
from agents.replay import Snapshot
from agents.snapshot_child import ended_well, forked
from bus.journal import Journal
from domain.actions import Action, Alarm, CancelOrder, FetchAccount, FetchBook, QueryOrder, SendOrder
from domain.control_events import Clocked, ClockStepped, HaltSet, StopRequested
from domain.events import Event
from domain.market_events import BookDelta, BookSnapshot, MarketRows, Tick, Trade
from domain.report import NodeReport
from hw.clock import SystemClock, perf_ns
from hw.gc_policy import GcPolicy
from hw.latency import LatencyHistogram
from market.venues.venue import Venue

TIMER_S = 0.05
# A node of more than some 140 markets: its state takes longer to write than a fork takes.
FORK_BYTES_MIN = 64 << 20
_MARKET = (MarketRows, Tick, Trade, BookDelta, BookSnapshot)
STOP_S = 1.4
CLOCK_STEP_ALARM_NS = 500_000_000

Done = TypeVar("Done")


class NodeShell:
    """Hold one node and everything around it that touches the world."""

    def __init__(
        self,
        config: RegionConfig,
        recorder: Recorder,
        journal: Journal,
        clock: SystemClock,
        log: Callable[[str], None],
    ) -> None:
        self.config, self.recorder, self.journal, self.clock, self.log = config, recorder, journal, clock, log
        assert isinstance(recorder.core, Node)
        self.node: Node = recorder.core
        self._decide, self._keep = self.node.step, recorder.keep
        self.gaps = Gaps(recorder.store, log)
        self.tap: Callable[[Event], None] | None = None
        # What goes on beside the core for as long as the node runs: it looks, and decides nothing.
        self.beside: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self.latency = LatencyHistogram()
        self.stopping = asyncio.Event()
        self._gc = GcPolicy()
        self._clock_step_ns = 0
        # What was replayed is durable, and so is the last command on a move that was obeyed in it.
        self._heard = self.node.mandate.heard
        self._by_instrument: list[Venue] = []
        self._by_name: dict[str, Venue] = {}
        markets = [market.instrument for market in self.node.markets.values()]
        self.rehearsal = Rehearsal(config, markets) if config.hot.rehearse_us > 0 else None

    def attach(self, venue: Venue) -> None:
        """Take a venue's instruments, in the node's order; books that agents trade on come first."""
        markets = self.node.markets
        venue.prefer([one.index for one in venue.instruments if markets[one.index].agents])
        venue.on_gap = self.gaps.tell
        self._by_name[venue.name] = venue
        self._by_instrument.extend(venue for _ in venue.instruments)

    def deliver(self, event: Event) -> None:
        """Step the node on an event, carry out what it decides, and record both before anything else."""
        started_ns = perf_ns()
        if type(event) is HaltSet and event.halted:
            self._purge()
        actions: Sequence[Action] = ()
        try:
            actions = self._decide(event)
            sent = False
            for action in actions:
                if type(action) is SendOrder:
                    venue = self._by_instrument[action.approved.intent.instrument]
                    venue.send(action.client_id, action.approved)
                    sent = True
                else:
                    self._carry_out(action)
            if sent and type(event) in _MARKET:
                self.latency.record(perf_ns() - started_ns)
        finally:
            self._keep(event, actions)
        if self.tap is not None and type(event) in _MARKET:
            self.tap(event)

    def _purge(self) -> None:
        """Take back what a full socket still holds: a halt lets nothing leave but cancels."""
        for venue in self._by_name.values():
            venue.purge()

    def _carry_out(self, action: Action) -> None:
        match action:
            case CancelOrder(client_id, instrument):
                self._by_instrument[instrument].cancel(client_id, instrument)
            case QueryOrder(client_id, instrument):
                self._by_instrument[instrument].query(client_id, instrument)
            case FetchAccount(venue, since):
                self._by_name[venue].fetch_account(since)
            case FetchBook(instrument):
                self._by_instrument[instrument].fetch_book(instrument)
            case Alarm(kind, text):
                self.log(f"alarm {kind}: {text}")
            case _:
                pass  # what is left is for the journal and its readers

    async def run(self, line: CoordinatorLine) -> NodeReport:
        """Work until told to stop, end with nothing left open, and give the last word."""
        self._gc.freeze()
        async with asyncio.TaskGroup() as tasks:
            kept = [self._tick(line), self._commit(line), line.beat(), line.listen()]
            kept += [work() for work in self.beside]
            if self.config.hot.spin or self.rehearsal is not None:
                kept.append(keep_warm(self.config.hot, self._rehearse))
            work = [tasks.create_task(each) for each in kept]
            await self.stopping.wait()
            await self._wind_down()
            for task in work:
                task.cancel()
        self.journal.commit()
        self._tell_heard(self.node.mandate.heard, line)
        report = self.report()
        await line.leave(report)
        return report

    async def _tick(self, line: CoordinatorLine) -> None:
        """Let time pass for the core, and do what a busy moment must not be spent on."""
        while True:
            await asyncio.sleep(TIMER_S)
            self._watch_clock()
            self.deliver(Clocked(self.clock.now_ns()))
            line.watch(not self.node.desk.working)
            self._gc.collect_when_idle()

    def _rehearse(self) -> None:
        """Run the way of a tick on the twin, as far as to the socket; a twin that fails is let go."""
        rehearsal = self.rehearsal
        if rehearsal is None:
            return
        index = rehearsal.instrument.index
        try:
            if rehearsal.begun:
                venue = self._by_instrument[index]
                venue.reread()
                rehearsal.play(venue.rehearse)
                return
            bid_ticks, _, ask_ticks, *_ = self.node.pipeline.touch(index)
            if 0 < bid_ticks < ask_ticks:
                rehearsal.begin(bid_ticks, ask_ticks)
        except Exception as trouble:
            self.rehearsal = None
            self.log(f"no more rehearsals: {type(trouble).__name__} {trouble}")

    def _watch_clock(self) -> None:
        step_ns = self.clock.step_ns()
        if abs(step_ns - self._clock_step_ns) > CLOCK_STEP_ALARM_NS:
            self.deliver(ClockStepped(self.clock.now_ns(), step_ns - self._clock_step_ns))
            self._clock_step_ns = step_ns

    async def _commit(self, line: CoordinatorLine) -> None:
        """Make what happened durable, off the loop; take a snapshot where one is due."""
        pause_s = self.config.journal.commit_ms / 1000
        while True:
            await asyncio.sleep(pause_s)
            heard = self.node.mandate.heard
            await _apart(self.journal.commit)
            self._tell_heard(heard, line)
            if self.recorder.snapshot_due and self.node.pipeline.columns.block.nbytes < FORK_BYTES_MIN:
                await _apart(self.recorder.write_snapshot, *self.recorder.take_snapshot())
            elif self.recorder.snapshot_due:
                await self._snapshot_by_child()

    def _tell_heard(self, heard: tuple[int, str], line: CoordinatorLine) -> None:
        """Say that a command was heard, now that this is durable: who gave it forgets it then."""
        if heard != self._heard:
            self._heard = heard
            line.hurry()

    async def _snapshot_by_child(self) -> None:
        """Have a child write a large state: the loop stands still for the fork, not for the writing."""
        self.node.pipeline.settle()
        keep, genesis, core = self.journal.snapshot_writer(), self.recorder.genesis, self.recorder.core
        child = forked(lambda: keep(Snapshot.write(genesis, core.state())))
        self.recorder.began_snapshot()
        if not await _apart(ended_well, child):
            self.log("a snapshot was not written: the next start replays for longer")

    async def _wind_down(self) -> None:
        """Cancel everything and wait for the venue's word on it, for so long and no longer."""
        self.deliver(StopRequested(self.clock.now_ns()))
        deadline_ns = self.clock.now_ns() + int(STOP_S * 1e9)
        while self.clock.now_ns() < deadline_ns:
            report = self.node.report(self.clock.now_ns())
            if report.flat_of_orders and report.reconciled:
                return
            await asyncio.sleep(0.02)
        self.log("stopped before the venue confirmed everything")

    def report(self) -> NodeReport:
        """Give the node's report with what only the shell knows."""
        command_id, answer = self._heard
        return msgspec.structs.replace(
            self.node.report(self.clock.now_ns()),
            tick_to_order_counts=self.latency.counts(),
            journal_events=self.journal.events,
            journal_hash=self.journal.head_hash,
            move_command_id=command_id,
            move_answer=answer,
        )


async def _apart(work: Callable[..., Done], *given: object) -> Done:
    """Work in a thread, off the loop; who is cancelled meanwhile still waits for the end of it."""
    working = asyncio.get_running_loop().run_in_executor(None, work, *given)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await working
        raise
