"""The coordinator's own public tape: simulated rows, made once, on which no update may make a model worse.

Whoever runs the loop names `deploy.holdout:tape_loss` as its hold-out: the learner in its own process, and a
deployment's ServerApp. Nothing of a region's rows is in it, so that it may lie anywhere.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from domain.errors import ExitCode, SwarmError
from learning.models import layers
from learning.models.model import F4, Tensors
from learning.rows.row import FEATURE_COUNT, Rows
from learning.rows.store import Store
from learning.train.calibration import log_loss

FOLDER = "holdout"
SEED, ROWS = 20_260_101, 600
NORM = ("norm.mean", "norm.scale")


def tape_loss(folder: Path) -> Callable[[Tensors], float]:
    """Make the tape where there is none, and give the log-loss of shared layers on it."""
    rows = tape(folder)
    markets = [rows.pick(rows.market == place) for place in range(len(rows.markets))]
    # What is local to a region is so here: each of the tape's markets has a norm of its own.
    normed = [(_norm(part.x), part) for part in markets]

    def loss(shared: Tensors) -> float:
        own = {name: each for name, each in shared.items() if name not in NORM}
        if own.get("l0.weight", np.empty((0, 0))).shape[1] != FEATURE_COUNT:
            raise SwarmError(
                f"the tape's rows have {FEATURE_COUNT} features, the shared model looks at others",
                where=str(folder),
                mend="name a hold-out of its own in the federation's config",
                code=ExitCode.BAD_DATA,
            )
        told = [layers.told(norm | own, part.x, "hold-out") for norm, part in normed]
        return log_loss(np.concatenate(told), np.concatenate([part.y for _, part in normed]))

    return loss


class LateLoss:
    """Make the loss in a thread of its own; whoever asks before it is there waits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loss: Callable[[Tensors], float] | None = None
        self._trouble: SwarmError | None = None
        self._thread = threading.Thread(target=self._open, name="holdout", daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            self._loss = tape_loss(self._folder)
        except SwarmError as error:
            self._trouble = error
        except OSError as error:
            self._trouble = _unfit(self._folder, f"the hold-out tape cannot be made: {error}")

    def check(self) -> None:
        """Say what is wrong with the tape, where that is known."""
        if self._trouble is not None:
            raise self._trouble

    def __call__(self, shared: Tensors) -> float:
        """Give the loss."""
        self._thread.join()
        self.check()
        assert self._loss is not None, "the thread has ended with neither"
        return self._loss(shared)


def tape(folder: Path, rows: int = ROWS) -> Rows:
    """Read the tape, every file of it checked against its hash and schema; make it first where it is not."""
    if not folder.is_dir():
        _make(folder, rows)
    found = Store(folder).rows()
    if len(found) == 0:
        raise _unfit(folder, "the hold-out tape has no rows")
    return found.need("hold-out tape")


def _make(folder: Path, rows: int) -> None:
    """Write the tape beside its place, and put it there when it is whole."""
    from learning.rows.gather import GatherConfig
    from sim.learning_data import REGIONS, DataConfig, region_rows

    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    config = DataConfig(labels=GatherConfig().labels)
    store = Store(draft, labels=config.labels)
    for market in REGIONS:
        store.append(region_rows(market, SEED, rows, config))
    draft.rename(folder)


def _norm(x: F4) -> Tensors:
    return layers.norm_of(x, np.ones(len(x)))


def _unfit(folder: Path, what: str) -> SwarmError:
    return SwarmError(
        what,
        where=str(folder),
        mend="delete the folder: it is made again",
        code=ExitCode.BAD_DATA,
    )
