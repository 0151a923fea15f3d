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
    from deploy.region_models import RegionModels
    from deploy.rounds import Made

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
    command.add_argument(
        "--federated", action="store_true", help="do not train here: a SuperNode beside this does, for each"
    )
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
    learner = Learner(arguments.state, arguments.regions, federated=arguments.federated)
    say(sys.stdout, "learner ready\n")
    try:
        while not stopping.wait(PAUSE_S):
            learner.turn()
    finally:
        learner.close()
    return 0


class Learner:
    """Hold the regions' rows and models, and the federation between them."""

    def __init__(self, state: Path, only: list[str] | None, *, federated: bool = False) -> None:
        from agents.config import load_region
        from deploy.plan import region_files
        from deploy.region_models import CanaryConfig, RegionModels
        from deploy.rounds import DeployedRounds, OwnRounds, Rounds
        from hw.clock import SystemClock
        from learning.train.config import TrainConfig

        clock = SystemClock()
        train = TrainConfig(rows_min=200)
        configs = [load_region(path) for path in region_files(only)]
        self.regions = {
            each.region: RegionModels(each.region, each.node, state, train, CanaryConfig(), clock.now_ns, log)
            for each in configs
            if any(agent.strategy == "learned" for agent in each.agents)
        }
        self._folder = state / "federation"
        self._asked = dict.fromkeys(self.regions, 0)
        stores = {name: models.store.folder for name, models in self.regions.items()}
        self._rounds: Rounds = (
            DeployedRounds(self._folder, list(stores), self._ready)
            if federated
            else OwnRounds(self._folder, stores, train, clock, self._ready)
        )
        # The newest is held against the gates once more: it may have come just before an end.
        self._judged = {name: max(0, self._rounds.number(name) - 1) for name in self.regions}

    @property
    def version(self) -> int:
        """Give the number of the newest version that any region knows."""
        return max((self._rounds.number(name) for name in self.regions), default=0)

    def _ready(self, region: str) -> bool:
        """Tell whether a region has enough new rows to say something new."""
        return self.regions[region].labelled - self._asked[region] >= ROWS_STEP

    def turn(self) -> None:
        """Read on, learn together, and look at what was made; one region's trouble is not the others'."""
        for name, models in self.regions.items():
            with _told_of():
                models.gather()
            # Rows are counted from where a journal's markets last changed.
            self._asked[name] = min(self._asked[name], models.labelled)
        with _told_of():
            for name in self._rounds.turn():
                self._asked[name] = self.regions[name].labelled
        for name, models in self.regions.items():
            with _told_of():
                if self._rounds.number(name) > self._judged[name]:
                    self._consider(name, models, self._rounds.made(name))
        for models in self.regions.values():
            with _told_of():
                models.watch_canary()

    def _consider(self, name: str, models: RegionModels, made: Made) -> None:
        """Have a region hold a new version, with its own norm, against its own rows."""
        from deploy.rounds import personal_of

        self._judged[name] = made.number
        log(f"{name} has version {made.number}{''.join(f' {each}' for each in sorted(made.members))}")
        metrics = {"version": float(made.number)}
        if made.members:
            metrics["regions"] = float(len(made.members))
        personal = personal_of(self._folder, name)
        if personal:  # none before its first training
            models.consider({**personal, **made.shared}, "federation", metrics)

    def close(self) -> None:
        """Let another process go on."""
        self._rounds.close()


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
