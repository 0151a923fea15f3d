"""A thousand symbols in one node, ten ticks a second each: how soon each is decided, and what is lost."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import uvloop
from picows import WSFrame, WSMsgType, WSTransport

from agents.config import RegionConfig
from agents.coordinator_line import BEAT_S
from agents.node import Node
from agents.record import recover
from agents.shell import NodeShell
from benchmarks.result import Result
from benchmarks.thousand_peer import Consumer, connected
from benchmarks.thousand_server import TICKS_PER_DELTA, TICKS_PER_S, symbol
from bus.codec import STEERING
from bus.journal import Journal
from domain.control_events import LeaseGranted, NodeStarted
from domain.instrument import Instrument
from domain.report import NodeReport
from domain.steering import Heartbeat
from hw.clock import SystemClock, perf_ns
from hw.gc_policy import GcPolicy
from hw.kernel import compile_kernels
from market.venues.binance.venue import BinanceVenue
from market.venues.link import VenueLink

CASE = "thousand_symbols"
BAR = {
    "p99_us": ("<=", 1_000.0),
    "drops": ("<=", 0.0),
    "growth_frac": ("<=", 0.02),
    "rss_mb": ("<=", 1_000.0),
}
KEY, SECRET = "k" * 64, "s" * 64
CONNECTIONS, LATE_S, SYNC_S = 5, 5.0, 60.0
INDICATORS = ("ema:20", "ema:100", "rsi:14", "zscore:50", "ewma_volatility")
ROOT = Path(__file__).parents[1]
Stamps = np.ndarray[Any, np.dtype[np.int64]]


class Load(NamedTuple):
    """How much of it."""

    symbols: int
    seconds: float
    warm_s: float
    peer_s: float

    def frames(self, seconds: float) -> int:
        """Count the frames of so many seconds."""
        return round(seconds * self.symbols * TICKS_PER_S * (1 + 1 / TICKS_PER_DELTA))

    def room(self, seconds: float) -> int:
        """Count the frames that one connection may get, warm-up and all."""
        each = -(-self.symbols // CONNECTIONS)
        return (self.frames(self.warm_s) + self.frames(seconds)) * each // self.symbols + 2 * each


FULL, QUICK = Load(1_000, 60.0, 3.0, 10.0), Load(50, 1.0, 0.2, 0.5)


class Server:
    """The venues' process."""

    def __init__(self, process: asyncio.subprocess.Process, ports: list[int], folder: Path) -> None:
        self._process, self.ports, self._folder = process, ports, folder

    async def feed(self, frames: int) -> None:
        """Have so many frames told, and wait for the last one to be sent."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{frames} {self._folder}\n".encode())
        await self._process.stdout.readline()

    def stamps(self) -> list[Stamps]:
        """Give when each frame of the latest feed was sent, by connection."""
        return [np.load(self._folder / f"{number}.npy") for number in range(len(self.ports) // 2)]


@asynccontextmanager
async def served(symbols: int) -> AsyncIterator[Server]:
    """Run the venues in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.thousand_server", str(symbols), str(CONNECTIONS)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        with TemporaryDirectory() as folder:
            ports = [int(word) for word in (await process.stdout.readline()).split()]
            yield Server(process, ports, Path(folder))
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 10)


class Stopwatch:
    """Note when each frame of a connection came, and when it was decided."""

    def __init__(self, frames: int) -> None:
        # Written once: memory that is given lazily would look like a leak of the node's.
        self.came, self.decided = np.full(frames, 0, np.int64), np.full(frames, 0, np.int64)
        self._came, self._decided = self.came.data, self.decided.data
        self.count = 0

    def around(self, take: Callable[[WSTransport, WSFrame], None]) -> Callable[[WSTransport, WSFrame], None]:
        """Put the stopwatch around what takes a frame, at the outermost place that is still our code."""

        def frame(transport: WSTransport, told: WSFrame) -> None:
            began_ns = perf_ns()
            take(transport, told)
            if told.msg_type == WSMsgType.TEXT:
                count = self.count
                self._came[count], self._decided[count] = began_ns, perf_ns()
                self.count = count + 1

        return frame


class Coordinator:
    """A coordinator's line as a node has it: whole reports, as often; the lease is given beforehand."""

    def __init__(self, report: Callable[[], NodeReport]) -> None:
        self._report = report
        self.bytes = 0

    async def beat(self) -> None:
        """Build and write every heartbeat, and send it nowhere."""
        while True:
            self.bytes = len(STEERING.encode(Heartbeat(1, "", "", 1, self._report(), 1)))
            await asyncio.sleep(BEAT_S)

    async def listen(self) -> None:
        """Hear nothing."""

    def watch(self, flat_of_orders: bool) -> None:
        """Watch nothing."""

    async def leave(self, report: NodeReport) -> None:
        """Leave."""


def instruments(load: Load) -> list[tuple[Instrument, ...]]:
    """Give each connection's markets."""
    each = -(-load.symbols // CONNECTIONS)
    return [
        tuple(
            Instrument.of(n, f"bench-{place}", symbol(n)[:-4], "USDT", tick="0.01", lot="0.001")
            for n in range(first, min(first + each, load.symbols))
        )
        for place, first in enumerate(range(0, load.symbols, each))
    ]


def region(markets: list[tuple[Instrument, ...]], ports: list[int]) -> RegionConfig:
    """Build a node of one agent a market, with the default pipeline, journal and desk."""
    venues, agents = [], []
    for place, own in enumerate(markets):
        rest_port, port = ports[2 * place : 2 * place + 2]
        names = [one.symbol for one in own]
        venues.append(
            {
                "name": f"bench-{place}",
                "rest_url": f"http://127.0.0.1:{rest_port}",
                "stream_url": f"ws://127.0.0.1:{port}",
                "api_url": f"ws://127.0.0.1:{port}/ws-api/v3",
                "account": f"bench-{place}", "api_key_env": "BENCH_KEY", "api_secret_env": "BENCH_SECRET",
                "symbols": names, "snapshot_levels": 100, "start_timeout_s": 60.0,
            }
        )  # fmt: skip
        agents += [
            {
                "name": one.symbol.lower(), "shard": one.index + 1, "strategy": "momentum",
                "venue": one.venue, "symbol": one.symbol,
            }
            for one in own
        ]  # fmt: skip
    return RegionConfig.model_validate(
        {
            "node": "bench-1",
            "region": "bench",
            "coordinator": {"address": "inproc://none"},
            "venues": venues,
            "agents": agents,
            "market": {"indicators": INDICATORS},
        }
    )


class Found(NamedTuple):
    """What a consumer did."""

    watches: list[Stopwatch]
    sent: list[Stamps]
    warm: list[int]
    rss: list[int]
    cpu_s: float
    seconds: float
    asked: int


async def ours(load: Load) -> Found:
    """Run adapters, shell, node and journal as a node process does."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = await stack.enter_async_context(served(load.symbols))
        markets = instruments(load)
        config, clock = region(markets, server.ports), SystemClock()
        journal = stack.enter_context(Journal.open(folder, config.node))
        recorder, _ = recover(journal, config, [one for own in markets for one in own])
        node = recorder.core
        assert isinstance(node, Node)
        shell = NodeShell(config, recorder, journal, clock, lambda line: print(line, file=sys.stderr))
        shell.deliver(NodeStarted(clock.now_ns(), "", ""))
        shell.deliver(LeaseGranted(clock.now_ns(), 1, 1 << 62, 10**16))
        watches, venues = [], []
        for address, own in zip(config.venues, markets, strict=True):
            venue = BinanceVenue(address, own, clock, shell.deliver)
            shell.attach(venue)
            (link,) = venue.stream.link.links
            watches.append(watched(link, load))
            venues.append(await stack.enter_async_context(venue))
        line = Coordinator(shell.report)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(shell.run(line))  # type: ignore[arg-type]
            async with asyncio.timeout(SYNC_S):
                while any(market.book.stale for market in node.markets.values()):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            found = await measured(load, load.seconds, server, watches, lambda: asked(node))
            shell.stopping.set()
        assert all(venue.bad_frames == 0 for venue in venues)
    GcPolicy().release()
    return found


def watched(link: VenueLink, load: Load) -> Stopwatch:
    """Watch the frames of a link."""
    watch = Stopwatch(load.room(load.seconds))
    link.frame = watch.around(link.frame)  # type: ignore[method-assign,assignment]
    return watch


def asked(node: Node) -> int:
    """Count how often strategies were asked."""
    return sum(node.pipeline.asks(index) for index in node.markets)


async def peer(load: Load) -> Found:
    """Run the peer on the same feed, for less long."""
    policy = GcPolicy()
    async with served(load.symbols) as server:
        consumer = Consumer([symbol(number) for number in range(load.symbols)])
        watches = []
        for port in server.ports[1::2]:
            watch = Stopwatch(load.room(load.peer_s))
            await connected(port, watch.around(consumer.frame))
            watches.append(watch)
        policy.freeze()
        found = await measured(load, load.peer_s, server, watches, lambda: consumer.asked)
        await consumer.exchange.close()
    policy.release()
    return found


async def measured(
    load: Load, seconds: float, server: Server, watches: list[Stopwatch], asked: Callable[[], int]
) -> Found:
    """Warm up, then feed for so long, and look at the memory after a sixth of it and at the end."""
    await server.feed(load.frames(load.warm_s))
    await arrived(watches, load.frames(load.warm_s))
    warm = [watch.count for watch in watches]
    frames, rss = load.frames(seconds), []
    began_ns, cpu_s, asks = perf_ns(), cpu_used_s(), asked()
    async with asyncio.TaskGroup() as tasks:
        feeding = tasks.create_task(server.feed(frames))
        await asyncio.sleep(seconds / 6)
        rss.append(rss_bytes())
        await feeding
    await arrived(watches, sum(warm) + frames)
    rss.append(rss_bytes())
    took_s = (perf_ns() - began_ns) / 1e9
    return Found(watches, server.stamps(), warm, rss, cpu_used_s() - cpu_s, took_s, asked() - asks)


async def arrived(watches: list[Stopwatch], frames: int) -> None:
    """Wait until all frames came, for so long and no longer."""
    deadline_ns = perf_ns() + round(LATE_S * 1e9)
    while sum(watch.count for watch in watches) < frames and perf_ns() < deadline_ns:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def rss_bytes() -> int:
    """Give what this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def cpu_used_s() -> float:
    """Give the processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def latencies(found: Found) -> dict[str, float]:
    """Give how long frames took: from receipt, and from being sent, so with all queues."""
    taken, waited = [], []
    for watch, sent, first in zip(found.watches, found.sent, found.warm, strict=True):
        decided = watch.decided[first : watch.count]
        taken.append(decided - watch.came[first : watch.count])
        waited.append(decided - sent[: len(decided)])
    figures = {}
    for prefix, times in (("", np.concatenate(taken)), ("sent_", np.concatenate(waited))):
        p50, p99, most = np.percentile(times, (50, 99, 100)) / 1_000
        figures[f"{prefix}p50_us"] = round(float(p50), 1)
        figures[f"{prefix}p99_us"] = round(float(p99), 1)
        figures[f"{prefix}max_us"] = round(float(most), 1)
    return figures


def figures(found: Found) -> dict[str, float]:
    """Give everything that was found."""
    frames = sum(len(sent) for sent in found.sent)
    decided = sum(watch.count for watch in found.watches) - sum(found.warm)
    early, late = found.rss
    return latencies(found) | {
        "drops": frames - decided,
        "frames_per_s": round(frames / found.seconds),
        "asked_per_s": round(found.asked / found.seconds),
        "cpu_frac": round(found.cpu_s / found.seconds, 3),
        "rss_mb": round(late / 1e6, 1),
        "growth_frac": round(max(0.0, late / early - 1), 4),
    }


def run(quick: bool) -> Result:
    """Measure the node, then the peer, each in this process against the venues in another."""
    os.environ["BENCH_KEY"], os.environ["BENCH_SECRET"] = KEY, SECRET
    compile_kernels()
    load = QUICK if quick else FULL
    metrics, theirs = figures(uvloop.run(ours(load))), latencies(uvloop.run(peer(load)))
    return Result(
        CASE,
        metrics,
        "p99_us <= 1000, drops <= 0, growth_frac <= 0.02, rss_mb <= 1000",
        all(metrics[name] <= bound for name, (_, bound) in BAR.items()),
        peer="ccxt.pro's reading of the same frames, no books kept",
        peer_metrics=theirs,
        ratio=round(theirs["p50_us"] / metrics["p50_us"], 2),
        note=f"{load.symbols} symbols for {load.seconds:.0f} s over {CONNECTIONS} connections; `sent_` is "
        "from the venue's sending, with all queues; the venue's rate limits are off",
    )
