"""What `swarm sim` does: build the swarm from the demo's own files, run it, sum it up."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from agents.config import RegionConfig, load_region
from bus.journal import Journal
from bus.journal_memory import MemoryJournal
from bus.journal_reader import verify
from domain.errors import ConfigError, ExitCode
from domain.protocols import Store
from domain.report import Summary
from hw.clock import perf_ns
from sim.exchange.config import load_exchanges
from sim.plot import svg
from sim.summary_table import summary_table
from sim.swarm import SwarmModel, SwarmPlan, readable

SAMPLE_S = 1.0


def simulate(arguments: argparse.Namespace) -> int:
    """Run a simulation and print its summary."""
    plan = swarm_plan(arguments.deploy, arguments.seed, arguments.regions)
    open_store = MemoryJournal if arguments.state is None else _on_disk(arguments.state)
    started_ns = perf_ns()
    model = SwarmModel(plan, open_store)
    sampler = _Sampler(model)
    _run(model, arguments.minutes * 60, sampler)
    summary = model.summary(_held if arguments.state is not None else readable)
    if arguments.plot is not None:
        _plot(arguments.plot, arguments.seed, sampler)
    _print(summary, (perf_ns() - started_ns) / 1e9, arguments.json)
    return ExitCode.OK if summary.positions_match else ExitCode.POSITIONS_MISMATCH


def swarm_plan(deploy: Path, seed: int, only: list[str] | None) -> SwarmPlan:
    """Read the regions and the exchanges that they trade at."""
    found = {
        region.region: region for region in map(load_region, sorted(deploy.glob("regions/*/region.toml")))
    }
    unknown = [name for name in only or () if name not in found]
    if unknown or not found:
        raise ConfigError(
            f"there is no region {unknown[0]}" if unknown else "there are no regions",
            where=str(deploy / "regions"),
            mend=f"choose from {', '.join(found)}" if found else "name the deploy folder by --deploy",
        )
    regions = [found[name] for name in dict.fromkeys(only or found)]
    wanted = _venues(regions)
    exchanges = [one for one in load_exchanges(deploy / "exchanges.toml") if one.name in wanted]
    return SwarmPlan(seed, exchanges, regions)


def _venues(regions: list[RegionConfig]) -> set[str]:
    return {venue.name for region in regions for venue in region.venues}


def _on_disk(state: Path) -> Callable[[str], Store]:
    root = state / "journal"
    if root.exists() and any(root.iterdir()):
        raise ConfigError(
            "there are journals here already", where=str(root), mend="give a new or empty folder by --state"
        )
    return lambda name: Journal.open(root / name, name)


def _held(name: str, store: Store) -> bool:
    assert isinstance(store, Journal)
    store.close()
    return verify(store.directory).hash == store.head_hash


class _Sampler:
    """Keep each region's PnL once a virtual second."""

    def __init__(self, model: SwarmModel) -> None:
        self._model = model
        self._next_s = 0.0
        self.pnl: dict[str, list[tuple[float, float]]] = {}

    def sample(self, virtual_s: float) -> None:
        """Look at the swarm when it is time."""
        if virtual_s < self._next_s:
            return
        self._next_s = virtual_s + SAMPLE_S
        for node in self._model.nodes:
            report = node.report()
            pnl = sum(agent.pnl_quote for agent in report.agents)
            self.pnl.setdefault(report.region, []).append((virtual_s, pnl))


def _run(model: SwarmModel, seconds: float, sampler: _Sampler) -> None:
    columns = (
        TextColumn("simulating"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]:.0f}× real time"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    started_ns = perf_ns()
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("", total=seconds, speed=0.0)

        def tell(virtual_s: float) -> None:
            sampler.sample(virtual_s)
            real_s = max(1, perf_ns() - started_ns) / 1e9
            progress.update(task, completed=virtual_s, speed=virtual_s / real_s)

        model.run_for(seconds, tell)
        model.stop()


def _plot(path: Path, seed: int, sampler: _Sampler) -> None:
    picture = svg(f"PnL by region, seed {seed}", sampler.pnl, "virtual seconds", "PnL, reporting currency")
    path.write_text(picture, encoding="utf-8")


def _print(summary: Summary, real_s: float, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        return
    Console().print(summary_table(summary))
    sys.stderr.write(f"{summary.seconds:.0f} virtual seconds in {real_s:.1f} s\n")
