"""What a region's learner must not forget: rows that it has taken, its comparison, its schedules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from deploy.learner_config import LearnerConfig
from domain.errors import SwarmError
from learning.models.model import CLASSES
from learning.registry.memory import Memory, Rules, read_memory, write_memory
from learning.registry.pointer import Pointer
from learning.registry.sequential import CANARY, CHAMPION, Comparison
from learning.rows.row import UNLABELLED, Table
from learning.rows.store import Store
from learning.train.drift import Drift
from learning.train.schedule import Schedule

# One market's outcomes may be known so much later than another's.
LATE_NS = 120 * 10**9
ERRORS_MAX, RATIOS_MAX = 5_000, 50
MODEL_MODE = 0


class Seen(msgspec.Struct, frozen=True):
    """What came since the last look: so many rows, and whether the champion's error has grown."""

    rows: int
    drifted: bool


class RegionWatch:
    """Take each labelled row once, whatever dies on the way.

    Everything is in one file that is replaced whole: what a row did to the comparison and that it was taken
    are there together or not at all.
    """

    def __init__(self, folder: Path, store: Store, config: LearnerConfig, log: Callable[[str], None]) -> None:
        self._folder, self._store, self._log, self.config = folder, store, log, config
        self._kept = self._read()
        self._taken = {(at_ns, shard) for at_ns, shard in self._kept.taken}
        self.comparison = Comparison(config.canary.outcomes, self._kept.comparison)
        self.together, self.alone = Schedule(config.together), Schedule(config.schedule)
        if self._kept.together:
            self.together.restore(self._kept.together)
            self.alone.restore(self._kept.alone)
        self._drift = self._drift_of(self._kept.errors)

    @property
    def ratios(self) -> list[float]:
        """Give the Sharpe ratios of the versions that were looked at lately: each was a trial."""
        return self._kept.ratios

    def looked_at(self, ratio: float) -> None:
        """Take note of one more trial."""
        self._kept.ratios = [*self._kept.ratios, ratio][-RATIOS_MAX:]

    def look(self, pointer: Pointer) -> Seen:
        """Take the rows whose label became known; what they did is kept when this returns."""
        self._follow(pointer)
        fresh = self._fresh()
        drifted = False
        for row in fresh:
            drifted = self._take(row, pointer) or drifted
        if len(fresh) > 0:
            self._kept.seen_ns = max(self._kept.seen_ns, int(fresh["at_ns"].max()))
            self._taken = {named for named in self._taken if named[0] >= self._kept.seen_ns - LATE_NS}
            self.keep()
        return Seen(len(fresh), drifted)

    def keep(self) -> None:
        """Write down everything that a restart needs."""
        kept = self._kept
        kept.taken, kept.comparison = sorted(self._taken), self.comparison.save()
        kept.rules = rules_of(self.config)
        kept.together, kept.alone = self.together.state(), self.alone.state()
        write_memory(self._folder, kept)

    def _follow(self, pointer: Pointer) -> None:
        """Begin a comparison with a new canary, and to watch for drift with a new champion."""
        kept = self._kept
        if (kept.canary, kept.champion) != (pointer.canary, pointer.champion):
            kept.canary, kept.champion = pointer.canary, pointer.champion
            self.comparison = Comparison(self.config.canary.outcomes)
            kept.agents = {}
        if kept.serving != pointer.champion:
            kept.serving, kept.errors = pointer.champion, []
            self._drift = self._drift_of([])

    def _fresh(self) -> Table:
        """Give the labelled rows that were not taken, in the order of their times."""
        if self._kept.seen_ns == 0:
            table = self._store.newest(self.config.rows_max).table
        else:
            table = self._store.rows(since_ns=max(0, self._kept.seen_ns - LATE_NS)).table
        table = table[table["label"] > UNLABELLED]
        names = zip(table["at_ns"].tolist(), table["shard"].tolist(), strict=True)
        return table[[named not in self._taken for named in names]]

    def _take(self, row: np.void, pointer: Pointer) -> bool:
        self._taken.add((int(row["at_ns"]), int(row["shard"])))
        if int(row["mode"]) != MODEL_MODE:
            return False
        model = bytes(row["model"]).decode()
        if pointer.canary != "" and model in (pointer.canary, pointer.champion):
            side = (int(row["decision_ppm"]) > 0) - (int(row["decision_ppm"]) < 0)
            earned = side * float(row["gross_bps"]) - abs(side) * self.config.train.cost_bps
            self._kept.seen(model, int(row["shard"]))
            self.comparison.add(CANARY if model == pointer.canary else CHAMPION, earned)
        return model == pointer.champion and model != "" and self._erred(error_of(row))

    def _erred(self, error: float) -> bool:
        self._kept.errors.append(error)
        drifted = self._drift.step(error)
        if drifted:  # the window begins anew at the change, and so does what a restart feeds it
            self._kept.errors = self._kept.errors[-self._drift.width :]
        self._kept.errors = self._kept.errors[-ERRORS_MAX:]
        return drifted

    def _drift_of(self, errors: list[float]) -> Drift:
        drift = Drift(self.config.drift)
        for error in errors:
            drift.step(error)
        return drift

    def _read(self) -> Memory:
        """Read what was kept; without it only time is lost, so that what is damaged is told and left out."""
        try:
            return read_memory(self._folder)
        except SwarmError as error:
            self._log(f"{error.where} is left out: {error.what}; schedule and comparison begin anew")
            return Memory()


def rules_of(config: LearnerConfig) -> Rules:
    """Tell by what a comparison is decided, for whoever looks."""
    outcomes = config.canary.outcomes
    return Rules(outcomes.limit_bps, outcomes.alpha, config.canary.pairs_min, config.canary.less_bps)


def error_of(row: np.void) -> float:
    """Give half the Brier score of what was said of a row: 0 right and sure, 1 wrong and sure."""
    came = np.zeros(len(CLASSES))
    came[int(row["label"])] = 1.0
    return float(((row["probabilities"].astype(np.float64) - came) ** 2).sum() / 2)
