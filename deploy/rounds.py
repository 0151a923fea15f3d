"""Where versions come from: rounds in the learner itself, or a federation that runs beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from domain.protocols import Clock
from federation.run.region_folder import DUE_FILE, PERSONAL_FILE, newest_sent, read_sent
from federation.run.tensors import Tensors, read_tensors, write_tensors

if TYPE_CHECKING:
    from federation.loop.version import Version
    from federation.run.store import VersionStore
    from federation.update import Arrays
    from hw.clock import SystemClock
    from learning.train.config import TrainConfig

Ready = Callable[[str], bool]
PATIENCE_S = 15.0
# Threads of one process, of low rank, end unevenly: so long a round waits for all.
ROUND_S = 10.0
REGIONS, TRAINER = "regions", "federation.run.rows_trainer:train_rows"


class Made(msgspec.Struct, frozen=True, eq=False):
    """A version as a region knows it: what is shared, and whose updates it is of where that is told."""

    number: int
    shared: Tensors
    members: tuple[str, ...] = ()


class Rounds(Protocol):
    """Make versions, or see them come."""

    def turn(self) -> list[str]:
        """Go on a little; give the regions whose rows were learnt from since."""
        ...

    def refused(self) -> list[tuple[str, str]]:
        """Give the updates that did not count since, as region and reason."""
        ...

    def number(self, region: str) -> int:
        """Give the number of the newest version that a region knows; 0 where nothing was learnt yet."""
        ...

    def made(self, region: str) -> Made:
        """Give that version."""
        ...

    def close(self) -> None:
        """Let another process go on."""
        ...


def region_folder(federation: Path, region: str) -> Path:
    """Give the folder where a region's side of the federation keeps what is its own."""
    return federation / REGIONS / region


def personal_of(federation: Path, region: str) -> Tensors:
    """Read what a region keeps of its model for itself: nothing before its first training."""
    return read_tensors(region_folder(federation, region) / PERSONAL_FILE)


class Together:
    """Let regions train in the same round: who is ready waits for the others, but not for long.

    A version of one region alone is that region's own, and the next one another's.
    """

    def __init__(self, regions: Iterable[str], ready: Ready, clock: Clock) -> None:
        self._regions, self._ready, self._clock = tuple(regions), ready, clock
        self._since_ns: int | None = None

    def __call__(self) -> list[str]:
        """Name the regions that shall train now."""
        ready, now_ns = [name for name in self._regions if self._ready(name)], self._clock.now_ns()
        if not ready:
            self._since_ns = None
            return []
        self._since_ns = now_ns if self._since_ns is None else self._since_ns
        waited = now_ns - self._since_ns >= PATIENCE_S * 1e9
        return ready if waited or len(ready) == len(self._regions) else []


class OwnRounds:
    """Train every region in a thread of this process; `ready` tells who has something new to say."""

    def __init__(
        self, folder: Path, stores: Mapping[str, Path], train: TrainConfig, clock: SystemClock, ready: Ready
    ) -> None:
        from deploy.holdout import FOLDER, LateLoss
        from federation.loop.config import LoopConfig
        from federation.run.client import app
        from federation.run.config import TRAIN, FederationConfig
        from federation.run.grid import LocalGrid
        from federation.run.shell import RoundShell

        self._folder, self._train, self._together = folder, train, Together(stores, ready, clock)
        # The tape's market is another: a version may be worse there by as much as an update may.
        loop = LoopConfig()
        own = {"regress_frac": loop.vetting.loss_slack_frac, "deadline_min_s": ROUND_S}
        loop = loop.model_copy(update=own)
        self._config = FederationConfig(train={**TRAIN, "rows_min": train.rows_min}, loop=loop)
        self._holdout = LateLoss(folder / FOLDER)
        self._learnt: set[str] = set()
        self._grid = LocalGrid(app, {name: self._settings(name, store) for name, store in stores.items()})
        self._nodes = {each.node_id: each.name for each in self._grid.get_nodes()}
        store = self._store()
        names = store.version(store.numbers()[-1]).names

        def loss(arrays: Arrays) -> float:
            return self._holdout(dict(zip(names, arrays, strict=True)))

        def announce(version: Version) -> None:
            self._learnt.update(member.region for member in version.members)

        self._shell = RoundShell(
            self._config, store, self._grid, clock, self._roster, loss=loss, announce=announce
        )

    def _settings(self, region: str, store: Path) -> dict[str, str]:
        return {"store": str(store), "state": str(region_folder(self._folder, region)), "trainer": TRAINER}

    def _store(self) -> VersionStore:
        """Take up the federation's line, from an untrained model where there is none."""
        from federation.run.config import FIRST_FILE
        from federation.run.server import first_of
        from federation.run.store import VersionStore
        from learning.models.mlp import Mlp

        first = self._folder / FIRST_FILE
        if not first.exists():
            write_tensors(first, Mlp(self._train.settings, self._config.seed).layers())
        store = VersionStore(self._folder)
        if not store.numbers():
            store.store(first_of(self._folder, self._config))
        return store

    def _roster(self) -> dict[int, str]:
        """Name the regions that shall train, or are at it; whose rows a version has are done."""
        now = {name for name in self._together() if name not in self._learnt}
        return {node: name for node, name in self._nodes.items() if name in now}

    def turn(self) -> list[str]:
        """Ask whoever is ready, and take what came; without a sound tape nothing would be vetted."""
        self._holdout.check()
        self._shell.turn()
        learnt, self._learnt = sorted(self._learnt), set()
        return learnt

    def refused(self) -> list[tuple[str, str]]:
        """Give what the loop reported of this process's regions since."""
        reports, here = self._shell.reports, set(self._nodes.values())
        told = [(each.region, each.reason) for each in reports if each.region in here]
        reports.clear()
        return told

    def number(self, region: str) -> int:
        """Give the number of the newest version."""
        return self._shell.loop.current.number

    def made(self, region: str) -> Made:
        """Give the newest version."""
        current = self._shell.loop.current
        members = tuple(member.region for member in current.members)
        return Made(current.number, dict(zip(current.names, current.arrays, strict=True)), members)

    def close(self) -> None:
        """End the regions' threads, and let another process write."""
        self._grid.close()
        self._shell.store.close()


class DeployedRounds:
    """See versions come to each region's SuperNode, and tell that node when its region is due."""

    def __init__(self, folder: Path, regions: list[str], clock: Clock, ready: Ready) -> None:
        self._folder, self._together = folder, Together(regions, ready, clock)
        self._due = {name for name in regions if self._mark(name).exists()}
        self._regions = regions

    def _mark(self, region: str) -> Path:
        return region_folder(self._folder, region) / DUE_FILE

    def turn(self) -> list[str]:
        """Mark who is due; the node takes the mark away once it has learnt."""
        learnt = [name for name in self._regions if name in self._due and not self._mark(name).exists()]
        self._due.difference_update(learnt)
        for name in self._together():
            if name not in self._due and name not in learnt:
                self._mark(name).parent.mkdir(parents=True, exist_ok=True)
                self._mark(name).touch()
                self._due.add(name)
        return learnt

    def refused(self) -> list[tuple[str, str]]:
        """Give none: who refuses is the federation beside, which lists them (`swarm federate rounds`)."""
        return []

    def number(self, region: str) -> int:
        """Give the number of the newest version that the region's node was sent."""
        return newest_sent(region_folder(self._folder, region))

    def made(self, region: str) -> Made:
        """Give what the region's node was sent."""
        number = self.number(region)
        return Made(number, read_sent(region_folder(self._folder, region), number))

    def close(self) -> None:
        """Nothing is held."""
