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

from deploy.bounds import check_memory, cores_left, out_of_memory
from deploy.voice import say
from domain.errors import ExitCode, SwarmError
from hw.clock import perf_ns
from hw.device import pin

if TYPE_CHECKING:
    from agents.config import RegionConfig
    from deploy.learner_config import LearnerConfig
    from deploy.region_models import RegionModels
    from deploy.rounds import Made
    from learning.models.model import Settings

PAUSE_S = 1.0
NICE = 15
# So long a region's own models wait at most for rounds that do not end.
ALONE_WAITS_S = 60.0
# The same trouble is told again after so long, and so many different ones are known.
AGAIN_NS, TOLD_MAX = 60 * 10**9, 64
_TOLD: dict[str, int] = {}


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
    command.add_argument("--cores", type=int, metavar="N", help="run on so many cores at most (default 1)")
    command.add_argument(
        "--off", type=int, nargs="+", default=[], metavar="CORE", help="never on these: of `swarm node --pin`"
    )
    command.add_argument("--memory-mb", type=int, metavar="MB", help="end and begin anew beyond (2048)")
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
    config = _config(arguments)
    pin(cores_left(os.sched_getaffinity(0), arguments.off, config.cores_max))
    learner = Learner(arguments.state, arguments.regions, federated=arguments.federated, config=config)
    say(sys.stdout, "learner ready\n")
    try:
        while not stopping.wait(PAUSE_S):
            learner.turn()
            check_memory(config.memory_mb, "learner")
    except MemoryError:
        raise out_of_memory("it was refused memory", "learner") from None
    finally:
        learner.close()
    return 0


def _config(arguments: argparse.Namespace) -> LearnerConfig:
    from pydantic import ValidationError

    from deploy.learner_config import LearnerConfig

    given = {"cores_max": arguments.cores, "memory_mb": arguments.memory_mb}
    try:
        return LearnerConfig.model_validate({name: each for name, each in given.items() if each is not None})
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise SwarmError(what, where="learner", mend="see --help", code=ExitCode.USAGE) from None


class Learner:
    """Hold the regions' rows and models, and the federation between them."""

    def __init__(
        self,
        state: Path,
        only: list[str] | None,
        *,
        federated: bool = False,
        config: LearnerConfig | None = None,
    ) -> None:
        from agents.config import load_region
        from deploy.learner_config import LearnerConfig
        from deploy.local_models import LocalModels
        from deploy.plan import region_files
        from deploy.region_models import RegionModels
        from deploy.rounds import DeployedRounds, OwnRounds, Rounds
        from hw.clock import SystemClock

        clock = SystemClock()
        self.config = LearnerConfig() if config is None else config
        configs = [load_region(path) for path in region_files(only)]
        self.regions = {
            each.region: RegionModels(
                each.region, each.node, state, as_traded(self.config, each), clock.now_ns, log
            )
            for each in configs
            if any(agent.strategy == "learned" for agent in each.agents)
        }
        self._folder = state / "federation"
        self._clock, self._looked_ns = clock, 0
        stores = {name: models.store.folder for name, models in self.regions.items()}
        self._rounds: Rounds = (
            DeployedRounds(self._folder, list(stores), clock, self._ready)
            if federated
            else OwnRounds(self._folder, stores, self.config.train, clock, self._ready)
        )
        self._local = {name: LocalModels(models) for name, models in self.regions.items()}
        self._turns = dict.fromkeys(self.regions, 0)
        self._alone_ns = clock.now_ns()
        self._why: dict[str, Settings] = {}
        # The newest is held against the gates once more: it may have come just before an end.
        self._judged = {name: max(0, self._rounds.number(name) - 1) for name in self.regions}

    @property
    def version(self) -> int:
        """Give the number of the newest version that any region knows."""
        return max((self._rounds.number(name) for name in self.regions), default=0)

    def _ready(self, region: str) -> bool:
        """Tell whether a region's schedule wants it to train."""
        return self.regions[region].watch.together.running is not None

    def turn(self) -> None:
        """Read on, learn together, and look at what was made; one region's trouble is not the others'."""
        for models in self.regions.values():
            with _told_of():
                models.gather()
        self._look()
        with _told_of():
            self._train_together()
        with _told_of():
            self._train_alone()
        for name, models in self.regions.items():
            with _told_of():
                if self._rounds.number(name) > self._judged[name]:
                    self._consider(name, models, self._rounds.made(name))

    def _look(self) -> None:
        """Let every region see what became known, every so often."""
        now_ns = self._clock.now_ns()
        if now_ns - self._looked_ns >= self.config.look_s * 1e9:
            self._looked_ns = now_ns
            for models in self.regions.values():
                with _told_of():
                    models.look()

    def _train_together(self) -> None:
        """Let the rounds go on, and tell the schedules what came of what they asked for."""
        for name in self._rounds.turn():
            self._why[name] = self._ended(name, made=True)
        for name, reason in self._rounds.refused():
            log(f"{name}'s update does not count: {reason}")
            self._ended(name, made=False)

    def _train_alone(self) -> None:
        """Train one kind of one region, while nobody trains with the others: they take turns."""
        if any(models.watch.together.running is not None for models in self.regions.values()):
            waited_ns = self._clock.now_ns() - self._alone_ns
            if waited_ns < ALONE_WAITS_S * 1e9:
                return
        for name in sorted(self._local, key=self._turns.__getitem__):
            if self._local[name].busy:
                self._turns[name] = self._alone_ns = self._clock.now_ns()
                self._local[name].turn()
                return

    def _ended(self, name: str, *, made: bool) -> Settings:
        models = self.regions[name]
        return models.trained(models.watch.together, made=made)

    def _consider(self, name: str, models: RegionModels, made: Made) -> None:
        """Have a region hold a new version, with its own norm, against its own rows."""
        from deploy.region_models import NOT_ITS_OWN
        from deploy.rounds import personal_of

        self._judged[name] = made.number
        log(f"{name} has version {made.number}{''.join(f' {each}' for each in sorted(made.members))}")
        metrics = {"version": float(made.number)}
        if made.members:
            metrics["regions"] = float(len(made.members))
        why = self._why.pop(name, NOT_ITS_OWN)
        personal = personal_of(self._folder, name)
        if personal:  # none before its first training
            models.consider({**personal, **made.shared}, "federation", metrics, why)

    def close(self) -> None:
        """Let another process go on."""
        self._rounds.close()


def as_traded(config: LearnerConfig, region: RegionConfig) -> LearnerConfig:
    """Measure decisions as the region's agents take them: a side from the edge on at which they enter."""
    from agents.strategies.learned import LearnedConfig

    enters = [
        LearnedConfig.model_validate(agent.parameters).enter_frac
        for agent in region.agents
        if agent.strategy == "learned"
    ]
    return config.model_copy(update={"train": config.train.model_copy(update={"edge_frac": min(enters)})})


@contextmanager
def _told_of() -> Iterator[None]:
    """Say in one line what failed for want of rows or by a file, once in a while, and go on."""
    try:
        yield
    except (SwarmError, OSError, ValueError, ArithmeticError) as trouble:
        now_ns, text = perf_ns(), str(trouble)
        if now_ns - _TOLD.get(text, -AGAIN_NS) >= AGAIN_NS:
            if len(_TOLD) >= TOLD_MAX:
                _TOLD.clear()
            _TOLD[text] = now_ns
            log(text)


def log(text: str) -> None:
    """Write a fact to the process's log."""
    say(sys.stderr, f"{text}\n")
