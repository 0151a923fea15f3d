"""The node's process: everything that the shell needs, opened in order and closed in reverse."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import uvloop

from agents.arbitrage.planning import Planning
from agents.arbitrage.scribe import Scribe
from agents.config import RegionConfig, load_region
from agents.coordinator_line import CoordinatorLine
from agents.history import recording
from agents.model_watch import ModelWatch
from agents.node import Node
from agents.record import recover
from agents.shell import NodeShell
from agents.warm_start import WarmStart
from bus.journal import Journal
from bus.keys import COORDINATOR, ensure_keys, load_public
from bus.link_client import LinkClient
from domain.control_events import NodeStarted
from domain.errors import ConfigError, ExitCode, SwarmError
from domain.instrument import Instrument
from domain.report import NodeReport
from hw.clock import SystemClock, perf_ns
from hw.device import pin, probe, put_first, share_lock
from hw.kernel import compile_kernels
from learning.places import models_root
from market.schedule import Schedule
from market.schedule_cost import measure
from market.venues.quota import Quotas
from market.venues.venue import load_instruments, venue_of

BUILD = "0.1.0"
CLOCK_BEHIND_S_MAX = 5.0
ROOT = Path(__file__).resolve().parent.parent


def run_node(arguments: argparse.Namespace) -> int:
    """Run a node until SIGTERM or SIGINT."""
    config = moved(load_region(_region_file(arguments)), arguments.coordinator, arguments.venue)
    if arguments.pin is not None:
        pin((arguments.pin,))
    compile_kernels(None)
    share_lock()
    if config.hot.priority > 0:
        put_first(config.hot.priority)
    uvloop.run(serve(config, arguments.state, arguments.live))
    return ExitCode.OK


def _region_file(arguments: argparse.Namespace) -> Path:
    if arguments.config is not None:
        return Path(arguments.config)
    regions = ROOT / "deploy" / "regions"
    path: Path = regions / arguments.region / "region.toml"
    if not path.is_file():
        known = ", ".join(sorted(each.parent.name for each in regions.glob("*/region.toml")))
        raise ConfigError(
            f"there is no region {arguments.region}", where=str(regions), mend=f"choose from {known}"
        )
    return path


def moved(config: RegionConfig, coordinator: str | None, venues: list[str]) -> RegionConfig:
    """Apply the command line's addresses."""
    places = dict(_place(text) for text in venues)
    names = [venue.name for venue in config.venues]
    for name in places:
        if name not in names:
            raise ConfigError(
                f"no venue is named {name}", where="--venue", mend=f"choose from {', '.join(names)}"
            )
    found = tuple(
        venue.reached_at(places[venue.name]) if venue.name in places else venue for venue in config.venues
    )
    address = config.coordinator.address if coordinator is None else coordinator
    return config.model_copy(
        update={"venues": found, "coordinator": config.coordinator.model_copy(update={"address": address})}
    )


def _place(text: str) -> tuple[str, str]:
    name, equals, place = text.partition("=")
    host, _, port = place.rpartition(":")
    if not equals or host == "" or not (port.isdecimal() and 0 < int(port) < 1 << 16):
        raise ConfigError(f"not NAME=HOST:PORT: {text}", where="--venue", mend="write tokyo-x=127.0.0.1:7101")
    return name, place


async def serve(config: RegionConfig, state: Path, live_word: str | None) -> None:
    """Recover, connect, say so, and work until told to stop."""
    keys = ensure_keys(state, config.node)
    server_key = load_public(state, COORDINATOR)
    report_file(state, config.node).unlink(missing_ok=True)
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(Journal.open(state / "journal" / f"node-{config.node}", config.node))
        if journal.report.reason is not None:
            log(f"journal: {journal.report.reason}: {journal.report.cut_events} events cut")
        instruments = await listed(config, live_word)
        recorder, replay = recover(journal, config, instruments, measured_schedule(config))
        log(f"machine: {probe()}")
        log(f"recovered {replay.inputs} events after sequence {replay.from_sequence - 1}")
        node = recorder.core
        assert isinstance(node, Node)
        check_clock(node.desk.now_ns, SystemClock().now_ns(), config.node)
        clock = SystemClock(floor_ns=node.desk.now_ns + 1)
        shell = NodeShell(config, recorder, journal, clock, log)
        if node.groups:
            shell.beside.append(Scribe(node, state, log).run)
            shell.beside.append(Planning(node, shell.deliver, clock.now_ns, log).run)
        if any(agent.strategy == "learned" for agent in config.agents):
            watch = ModelWatch(
                models_root(state) / config.region, node.minds, shell.deliver, clock.now_ns, log
            )
            shell.beside.append(watch.run)
        await connect(shell, instruments, history_root(state), live_word, stack)
        link = LinkClient(config.coordinator.address, keys, server_key)
        await stack.enter_async_context(link)
        line = CoordinatorLine(
            link,
            shell.report,
            shell.deliver,
            clock.now_ns,
            log,
            config_hash=config_hash(config),
            build=BUILD,
            incarnation=clock.now_ns(),
            seen_epoch=lambda: node.mandate.seen_epoch,
        )
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, shell.stopping.set)
        print(f"node ready {config.node}", flush=True)
        write_report(state, await shell.run(line))


async def connect(
    shell: NodeShell,
    instruments: tuple[Instrument, ...],
    root: Path,
    live_word: str | None,
    stack: AsyncExitStack,
) -> None:
    """Begin the node's life, warm where that is wanted, and open every venue until the stack unwinds."""
    config, clock, deliver, warm = shell.config, shell.clock, shell.deliver, None
    if config.history.warm_s > 0:
        warm = WarmStart(config, shell.recorder, clock, shell.log)
        deliver = warm.deliver
        warm.play(root, clock.now_ns())
    else:
        shell.deliver(NodeStarted(clock.now_ns(), config_hash(config), BUILD))
    shell.tap = await recording(config, root, instruments, clock, shell.log, stack)
    quotas, venues = Quotas(), []
    for venue in config.venues:
        own = [instrument for instrument in instruments if instrument.venue == venue.name]
        made = venue_of(venue, own, clock, deliver, live_word=live_word, quotas=quotas)
        shell.attach(made)
        venues.append(await stack.enter_async_context(made))
    if warm is not None:
        await warm.fill(venues, shell.tap)
        warm.join(NodeStarted(clock.now_ns(), config_hash(config), BUILD), shell.deliver)


async def listed(config: RegionConfig, live_word: str | None) -> tuple[Instrument, ...]:
    """Ask every venue for its rules; the node's own index runs over all of them."""
    found: list[Instrument] = []
    clock = SystemClock()
    for venue in config.venues:
        found += await load_instruments(
            venue, venue.symbols, clock, first_index=len(found), live_word=live_word
        )
    return tuple(found)


def history_root(state: Path) -> Path:
    """Give the folder of the region's market data."""
    return state / "history"


def measured_schedule(config: RegionConfig) -> Schedule | None:
    """Class the region's indicators by what they cost on this machine; the costs are for the log alone."""
    if not config.market.indicators:
        return None
    found = measure(config.market.indicators, config.schedule, perf_ns)
    log(f"indicators: {', '.join(f'{n} {found.classes[n]} {c:.0f} ns' for n, c in found.costs_ns.items())}")
    return msgspec.structs.replace(found, costs_ns={})


def check_clock(journal_ns: int, wall_ns: int, node: str) -> None:
    """Refuse to go on where the wall clock lies before the journal: the venue would not believe our times."""
    behind_s = (journal_ns - wall_ns) / 1e9
    if behind_s > CLOCK_BEHIND_S_MAX:
        raise SwarmError(
            f"the clock is {behind_s:.0f} s behind the journal's last event",
            where=node,
            mend="set the machine's clock (its time service), then start again",
            code=ExitCode.CLOCK_STEPPED,
        )


def config_hash(config: RegionConfig) -> str:
    """Hash what a node attests."""
    plain = config.model_dump(mode="json")
    return hashlib.blake2b(msgspec.json.encode(plain, order="sorted"), digest_size=16).hexdigest()


def report_file(state: Path, node: str) -> Path:
    """Give the file of a node's last words."""
    return state / "reports" / f"{node}.json"


def write_report(state: Path, report: NodeReport) -> None:
    """Keep a node's last words where the supervisor looks for them."""
    path = report_file(state, report.node)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(report))
    fresh.replace(path)


def log(text: str) -> None:
    """Write a fact to the process's log."""
    print(text, file=sys.stderr, flush=True)
