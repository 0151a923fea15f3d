"""`swarm learner`: gather the regions' rows, train together in one process, and let good versions serve."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.voice import say
from domain.errors import SwarmError

if TYPE_CHECKING:
    from federation.loop.version import Version
    from federation.run.flower import ClientApp
    from federation.run.shell import RoundShell
    from hw.clock import SystemClock

PAUSE_S = 1.0
NICE = 15
ROWS_STEP = 200


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm learner`."""
    command = commands.add_parser(
        "learner",
        help="learn from the rows of this machine's regions, beside the nodes",
        description="Gather rows from the nodes' journals, train the regions' model together, "
        "and let versions serve that pass their gates.",
    )
    command.add_argument("--regions", nargs="+", metavar="REGION", help="only these (default: all)")
    command.add_argument("--state", type=Path, default=Path(os.environ.get("SWARM_STATE", ".swarm")))
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Work until told to stop."""
    os.nice(NICE)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    stopping = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopping.set())
    learner = Learner(arguments.state, arguments.regions)
    say(sys.stdout, "learner ready\n")
    try:
        while not stopping.wait(PAUSE_S):
            learner.turn()
    finally:
        learner.close()
    return 0


class Learner:
    """Hold the regions' rows and models, and the federation between them."""

    def __init__(self, state: Path, only: list[str] | None) -> None:
        from agents.config import load_region
        from deploy.plan import region_files
        from deploy.region_models import CanaryConfig, RegionModels
        from federation.run.config import FederationConfig
        from federation.run.grid import LocalGrid
        from hw.clock import SystemClock
        from learning.train.config import TrainConfig

        clock = SystemClock()
        self._train = TrainConfig(rows_min=200)
        configs = [load_region(path) for path in region_files(only)]
        self.regions = {
            each.region: RegionModels(
                each.region, each.node, state, self._train, CanaryConfig(), clock.now_ns, log
            )
            for each in configs
            if any(agent.strategy == "learned" for agent in each.agents)
        }
        self._folder = state / "federation"
        self._config = FederationConfig(train={"rows_min": 200})
        self._grid = LocalGrid(_app(), {name: self._settings(name) for name in self.regions})
        self._asked = dict.fromkeys(self.regions, 0)
        self._shell = self._opened(clock)
        # The newest is held against the gates once more: it may have been made just before an end.
        self._judged = max(0, self._shell.loop.current.number - 1)

    @property
    def version(self) -> int:
        """Give the number of the federation's newest version."""
        return self._shell.loop.current.number

    def _settings(self, region: str) -> dict[str, str]:
        store = self.regions[region].store.folder
        trainer = "federation.run.rows_trainer:train_rows"
        return {"store": str(store), "state": str(self._folder / region), "trainer": trainer}

    def _opened(self, clock: SystemClock) -> RoundShell:
        """Take up the federation's line, from an untrained model where there is none."""
        from federation.run.config import FIRST_FILE
        from federation.run.server import first_of
        from federation.run.shell import RoundShell
        from federation.run.store import VersionStore
        from federation.run.tensors import write_tensors
        from learning.models.mlp import Mlp

        self._folder.mkdir(parents=True, exist_ok=True)
        first = self._folder / FIRST_FILE
        if not first.exists():
            write_tensors(first, Mlp(self._train.settings, self._config.seed).layers())
        store = VersionStore(self._folder)
        if not store.numbers():
            store.store(first_of(self._folder, self._config))
        return RoundShell(self._config, store, self._grid, clock, self._roster)

    def _roster(self) -> dict[int, str]:
        """Name the regions that have enough new rows to say something new, or are at it."""
        nodes = {each.name: each.node_id for each in self._grid.get_nodes()}
        return {
            nodes[name]: name
            for name, models in self.regions.items()
            if models.labelled - self._asked[name] >= ROWS_STEP
        }

    def turn(self) -> None:
        """Read on, learn together, and look at what was made; one region's trouble is not the others'."""
        for name, models in self.regions.items():
            with _told_of():
                models.gather()
            # Rows are counted from where a journal's markets last changed.
            self._asked[name] = min(self._asked[name], models.labelled)
        with _told_of():
            self._shell.turn()
        current = self._shell.loop.current
        if current.number > self._judged:
            self._judged = current.number
            self._consider(current)
        for models in self.regions.values():
            with _told_of():
                models.watch_canary()

    def _consider(self, version: Version) -> None:
        """Have every region hold a new version, with its own norm, against its own rows."""
        from federation.run.client import PERSONAL_FILE
        from federation.run.tensors import read_tensors

        members = {member.region for member in version.members}
        log(f"version {version.number} of {', '.join(sorted(members))}")
        shared = dict(zip(version.names, version.arrays, strict=True))
        metrics = {"version": float(version.number), "regions": float(len(members))}
        for name, models in self.regions.items():
            if name in members:
                self._asked[name] = models.labelled
            with _told_of():
                personal = read_tensors(self._folder / name / PERSONAL_FILE)
                if personal:  # none before its first training
                    models.consider({**personal, **shared}, "federation", metrics)

    def close(self) -> None:
        """End the regions' threads, and let another process write."""
        self._grid.close()
        self._shell.store.close()


def _app() -> ClientApp:
    from federation.run.client import app

    return app


@contextmanager
def _told_of() -> Iterator[None]:
    """Say in one line what failed for want of rows or by a file, and go on."""
    try:
        yield
    except (SwarmError, OSError, ValueError, ArithmeticError) as trouble:
        log(str(trouble))


def log(text: str) -> None:
    """Write a fact to the process's log."""
    say(sys.stderr, f"{text}\n")
