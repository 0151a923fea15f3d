"""How soon a killed node trades again, with a million events in its journal and real sockets around it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agents.record import Recorder, decode, encode_action, make_node
from agents.replay import ACTION, Replayer, recovered
from benchmarks.result import Result
from bus.codec import RecordedSend
from bus.journal import Journal
from bus.journal_reader import JournalReader, journal_head, open_reader
from bus.keys import ensure_keys
from deploy.child import Child
from deploy.plan import plan
from domain.control_events import Clocked
from domain.market_events import Tick
from domain.protocols import Store
from hw.clock import SystemClock, perf_ns

CASE = "restart"
BAR: dict[str, tuple[str, float]] = {"seconds": ("<=", 3.0)}

# A quick one still begins at a snapshot: one is due every 20,000 events.
EVENTS, EVENTS_QUICK = 1_000_000, 30_000
REGION, NODE = "tokyo", "tokyo-1"
DEADLINE_S = 60.0


def run(quick: bool) -> Result:
    """Trade, grow the journal, trade, kill, start again, and wait for the first order."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        state = Path(folder)
        children = plan(state, seed=1, port_base=_free_ports(), only=[REGION]).children(clock.now_ns)
        for name in ("coordinator", "operator", NODE):
            ensure_keys(state, name)
        for name in ("venue", "coordinator"):
            stack.enter_context(started(children[name]))
        journal = state / "journal" / f"node-{NODE}"
        with started(children[NODE]):
            _wait_for_order(journal, 1)
        events = _grow(journal, EVENTS_QUICK if quick else EVENTS)
        seconds = _killed_until_trading(children[NODE], journal)
        replayed_s = _replayed_s(journal)
    return Result(
        case=CASE,
        metrics={"seconds": seconds, "events": float(events)},
        bar="seconds <= 3",
        met=seconds <= BAR["seconds"][1] and (quick or events >= EVENTS),
        peer="replaying the same journal from its first event",
        peer_metrics={"seconds": replayed_s},
        ratio=replayed_s / seconds,
        note="quick: a small journal" if quick else "",
    )


@contextlib.contextmanager
def started(child: Child) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, ready, until the block ends."""
    child.log.parent.mkdir(parents=True, exist_ok=True)
    with child.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", *child.arguments],
            env=dict(child.environment),
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        assert any(b" ready" in line for line in process.stdout), child.log.read_text("utf-8")[-2000:]
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _killed_until_trading(child: Child, journal: Path) -> float:
    with started(child) as process:
        _wait_for_order(journal, _events(journal) + 1)
        process.kill()
        started_ns = perf_ns()
        process.wait()
        first = _events(journal) + 1
        with started(child):
            _wait_for_order(journal, first)
            return (perf_ns() - started_ns) / 1e9


def _wait_for_order(journal: Path, first: int) -> None:
    """Poll until an order that was sent after a record stands in the journal."""
    deadline_ns = perf_ns() + int(DEADLINE_S * 1e9)
    while perf_ns() < deadline_ns:
        for sequence, record in _reader(journal).read(first):
            first = sequence + 1
            if record[:1] == ACTION and isinstance(decode(record), RecordedSend):
                return
        time.sleep(0.01)
    raise TimeoutError(f"no order within {DEADLINE_S:.0f} s")


def _reader(journal: Path) -> JournalReader:
    return open_reader(journal)


def _events(journal: Path) -> int:
    head = journal_head(journal)
    return 0 if head is None else head.events


def _grow(journal: Path, events: int) -> int:
    """Step the stopped node on a long quiet market, recorded as in its life."""
    with Journal.open(journal, NODE) as store:
        recorder, now_ns = _recorder(store)
        turn = 0
        while store.events < events:
            now_ns += 1_000
            turn += 1
            price = 6_800_000 + turn // 100 % 50
            market = turn % 5
            recorder.step(Tick(market, now_ns, now_ns, price, 100, price + 10, 100, turn))
            if turn % 100 == 0:
                recorder.step(Clocked(now_ns))
            if turn % 1000 == 0:
                recorder.commit()
        recorder.commit()
        return store.events


def _recorder(store: Store) -> tuple[Recorder, int]:
    replayer = Replayer(make_node, decode, encode_action)
    recovered(store, replayer, NODE)
    assert replayer.core is not None
    now_ns: int = replayer.core.desk.now_ns  # type: ignore[attr-defined]
    return Recorder(replayer.core, store, replayer.genesis), now_ns


def _replayed_s(journal: Path) -> float:
    """Time what a start would take without snapshots, in process and without a venue."""
    replayer = Replayer(make_node, decode, encode_action)
    started_ns = perf_ns()
    for sequence, record in open_reader(journal).read(1):
        replayer.take(sequence, record)
    assert replayer.first_difference is None
    return (perf_ns() - started_ns) / 1e9


def _free_ports() -> int:
    """Find a base whose ports, coordinator's and venues', are free."""
    for base in range(21_000, 60_000, 97):
        with contextlib.ExitStack() as stack:
            try:
                for port in (base, *range(base + 31, base + 34)):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
        return base
    raise OSError("no free ports")
