"""Frame received to order bytes written, over loopback sockets: what a strategy's answer takes live.

Twice: as regions are by default, and (`hot_`) for a region that spends a core on it, by its `[hot]` table.
The peer's loop spins then too; a rehearsal it cannot have, for its client has no part without effects.
The venue does not sleep there, for either: a real one is another machine, which no write of ours has to wake.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import uvloop
from picows import WSFrame, WSTransport

from agents.config import HotConfig, RegionConfig
from agents.node import Node
from agents.record import recover
from agents.rehearsal import keep_warm
from agents.shell import NodeShell
from benchmarks.orders import VENUE, region
from benchmarks.result import Result
from benchmarks.tick_to_order import EveryTick
from bus.journal import Journal
from domain.control_events import LeaseGranted, NodeStarted
from domain.instrument import Instrument
from domain.report import NodeReport
from hw.clock import SystemClock, perf_ns
from hw.device import share_lock
from hw.gc_policy import GcPolicy
from hw.kernel import compile_kernels
from market.venues.binance.venue import BinanceVenue
from market.venues.config import VenueConfig

CASE = "wire_to_wire"
BAR = {"p50_us": ("<=", 60.0), "p99_us": ("<=", 150.0)}
RATIO_MIN = 10.0
SYMBOL = "BTC/USDT"
INSTRUMENT = Instrument.of(0, VENUE, "BTC", "USDT", tick="0.01", lot="0.00001", size_max="1000000")
KEY, SECRET = "k" * 64, "s" * 64
PACE_S, WARM = 0.004, 300
USUAL, HOT = HotConfig(), HotConfig(spin=True, rehearse_us=200)
ROOT = Path(__file__).parents[1]
Ports = tuple[int, int]
Measured = Callable[[Ports, int, HotConfig], Awaitable[list[int]]]


@asynccontextmanager
async def served(pace_s: float, awake: bool) -> AsyncIterator[Ports]:
    """Run the venue in a process of its own, which never sleeps if it is to be `awake`."""
    command = [sys.executable, "-m", "benchmarks.wire_server", str(pace_s), *(["awake"] if awake else [])]
    server = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout is not None and server.stdin is not None
    try:
        rest_port, port = (int(word) for word in (await server.stdout.readline()).split())
        yield rest_port, port
    finally:
        server.stdin.close()
        await asyncio.wait_for(server.wait(), 10)


class Coordinator:
    """The part of a coordinator's line that a shell talks to, silent: the lease is given beforehand."""

    async def beat(self) -> None:
        """Say nothing."""

    async def listen(self) -> None:
        """Hear nothing."""

    def watch(self, flat_of_orders: bool) -> None:
        """Watch nothing."""

    async def leave(self, report: NodeReport) -> None:
        """Leave."""


class Stopwatch:
    """Time from the first line that sees a frame until the order's frame was given to the socket."""

    def __init__(self, wanted: int) -> None:
        self.times: list[int] = []
        self._began_ns, self._wanted = 0, wanted
        self.done = asyncio.Event()

    def begin(self) -> None:
        """Note that a frame is here."""
        self._began_ns = perf_ns()

    def end(self) -> None:
        """Note that an order left; only the first one after a frame counts."""
        if self._began_ns != 0:
            self.times.append(perf_ns() - self._began_ns)
            self._began_ns = 0
            if len(self.times) >= self._wanted:
                self.done.set()


def config_of(ports: Ports, hot: HotConfig) -> RegionConfig:
    """Aim the bench's region at the server."""
    rest_port, port = ports
    config = region()
    urls = {
        "rest_url": f"http://127.0.0.1:{rest_port}",
        "stream_url": f"ws://127.0.0.1:{port}",
        "api_url": f"ws://127.0.0.1:{port}/ws-api/v3",
        "api_key_env": "BENCH_KEY",
        "api_secret_env": "BENCH_SECRET",
    }
    return config.model_copy(update={"venues": (config.venues[0].model_copy(update=urls),), "hot": hot})


def watched(venue: BinanceVenue, watch: Stopwatch) -> None:
    """Put the stopwatch around both links, at the outermost places that are still our code."""
    (stream,) = venue.stream.link.links
    take, send = stream.frame, venue.gateway.link.send

    def frame(transport: WSTransport, told: WSFrame) -> None:
        watch.begin()
        take(transport, told)

    def sent(payload: bytes) -> None:
        send(payload)
        watch.end()

    stream.frame = frame  # type: ignore[method-assign,assignment]
    venue.gateway.link.send = sent  # type: ignore[method-assign]


async def ours(ports: Ports, count: int, hot: HotConfig) -> list[int]:
    """Run adapter, shell, node and journal as a node process does; the strategy answers every frame."""
    config, clock, watch = config_of(ports, hot), SystemClock(), Stopwatch(WARM + count)
    with TemporaryDirectory() as folder, Journal.open(Path(folder), config.node) as journal:
        recorder, _ = recover(journal, config, (INSTRUMENT,))
        node = recorder.core
        assert isinstance(node, Node)
        node.desk.agents[1].strategy = EveryTick()
        shell = NodeShell(config, recorder, journal, clock, lambda line: print(line, file=sys.stderr))
        if shell.rehearsal is not None:
            shell.rehearsal.node.desk.agents[1].strategy = EveryTick()
        shell.deliver(NodeStarted(clock.now_ns(), "", ""))
        shell.deliver(LeaseGranted(clock.now_ns(), 1, 1 << 62, 10**18))
        address: VenueConfig = config.venues[0]
        venue = BinanceVenue(address, (INSTRUMENT,), clock, shell.deliver)
        shell.attach(venue)
        watched(venue, watch)
        async with venue, asyncio.TaskGroup() as tasks:
            tasks.create_task(shell.run(Coordinator()))  # type: ignore[arg-type]
            await watch.done.wait()
            shell.stopping.set()
        assert venue.bad_frames == 0 and node.desk.fills >= WARM + count - 1
    GcPolicy().release()
    return watch.times[WARM : WARM + count]


def exchange_of(ports: Ports) -> Any:
    """Aim the stock client at the server; its own rate limiter is off, to its advantage."""
    import ccxt.pro

    exchange: Any = ccxt.pro.binance({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False})
    exchange.options |= {"crossMarginPairsData": [], "isolatedMarginPairsData": []}
    listed = {
        "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "baseAssetPrecision": 8, "quoteAssetPrecision": 8, "quotePrecision": 8, "isSpotTradingAllowed": True,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"], "permissions": ["SPOT"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
        ],
    }  # fmt: skip
    exchange.set_markets([exchange.parse_market(listed)])
    rest_port, port = ports
    exchange.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{port}/ws"
    exchange.urls["api"]["ws"]["ws-api"]["spot"] = f"ws://127.0.0.1:{port}/ws-api/v3"
    exchange.urls["api"]["public"] = f"http://127.0.0.1:{rest_port}/api/v3"
    return exchange


async def peer(ports: Ports, count: int, hot: HotConfig) -> list[int]:
    """Run the same strategy on `ccxt.pro`: wait for the book, order at its touch over the WebSocket API.

    Both clocks begin in the first Python that sees the frame: here aiohttp's, there picows' callback. Both
    end when the order's bytes are the kernel's: picows writes at once, here the loop does at its turn's end.
    """
    from aiohttp.client_proto import ResponseHandler
    from ccxt.async_support.base.ws.client import Client

    watch, exchange, policy = Stopwatch(WARM + count), exchange_of(ports), GcPolicy()
    take, send = ResponseHandler.data_received, Client.send

    def data_received(self: Any, data: bytes) -> None:
        if b"depthUpdate" in data:
            watch.begin()
        take(self, data)

    async def sent(self: Any, message: Any) -> Any:
        answer = await send(self, message)
        if "ws-api" in self.url:
            asyncio.get_running_loop().call_soon(watch.end)
        return answer

    ResponseHandler.data_received, Client.send = data_received, sent  # type: ignore[method-assign]
    try:
        async with asyncio.TaskGroup() as tasks:
            spinning = tasks.create_task(keep_warm(HotConfig(spin=True), policy.freeze)) if hot.spin else None
            side = "sell"
            while not watch.done.is_set():
                book = await exchange.watch_order_book(SYMBOL)
                if len(watch.times) == WARM:
                    policy.freeze()
                side = "buy" if side == "sell" else "sell"
                best = book["bids" if side == "buy" else "asks"][0][0]
                await exchange.create_order_ws(SYMBOL, "limit", side, 0.0001, best, {"postOnly": True})
            if spinning is not None:
                spinning.cancel()
    finally:
        ResponseHandler.data_received, Client.send = take, send  # type: ignore[method-assign]
        await exchange.close()
        policy.release()
    return watch.times[WARM : WARM + count]


async def measured(stack: Measured, count: int, hot: HotConfig) -> list[int]:
    """Measure one stack against a server of its own."""
    async with served(PACE_S, hot.spin) as ports:
        return await asyncio.wait_for(stack(ports, count, hot), 30 + 3 * (WARM + count) * PACE_S)


def figures(stack: Measured, count: int) -> dict[str, float]:
    """Give median and 99th percentile in microseconds, as usual and hot."""
    found: dict[str, float] = {}
    for prefix, hot in (("", USUAL), ("hot_", HOT)):
        times = uvloop.run(measured(stack, count, hot))
        p50, p99 = np.percentile(np.array(times), (50, 99)) / 1_000
        found |= {f"{prefix}p50_us": round(float(p50), 1), f"{prefix}p99_us": round(float(p99), 1)}
    return found


def run(quick: bool) -> Result:
    """Measure both, each in this process against a server in another, on the loop that nodes use."""
    os.environ["BENCH_KEY"], os.environ["BENCH_SECRET"] = KEY, SECRET
    compile_kernels()
    count, lock_s = 100 if quick else 5_000, sys.getswitchinterval()
    share_lock()
    try:
        metrics = figures(ours, count)
    finally:
        sys.setswitchinterval(lock_s)
    theirs = figures(peer, count // 2)
    ratio = round(theirs["p50_us"] / metrics["p50_us"], 2)
    metrics["hot_ratio"] = round(theirs["hot_p50_us"] / metrics["hot_p50_us"], 2)
    return Result(
        CASE,
        metrics,
        "p50_us <= 60, p99_us <= 150, ratio >= 10",
        all(metrics[name] <= bound for name, (_, bound) in BAR.items()) and ratio >= RATIO_MIN,
        peer="the same strategy on ccxt.pro",
        peer_metrics=theirs,
        ratio=ratio,
        note=f"depth frames of 20 levels, {1 / PACE_S:.0f} a second; hot: both spin, with rehearsals",
    )
