"""When to train: every so often, at drift, and in small steps between; a core that is told the time."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from pydantic import BaseModel, ConfigDict, Field

NS_PER_S = 1_000_000_000
BACK_OFF_DOUBLINGS = 6


class ScheduleConfig(BaseModel):
    """How often a region trains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    whole_s: float = Field(6 * 3600.0, gt=0)
    """From one whole training to the next."""
    step_s: float = Field(900.0, gt=0)
    """From one incremental training to the next."""
    rows_first: int = Field(500, ge=1)
    """Labelled rows before there is a first training."""
    rows_step: int = Field(200, ge=1)
    """Newly labelled rows that an incremental training needs, at least."""
    step_frac: float = Field(0.1, ge=0, le=1)
    """How many it needs as a share of those learnt from, so that a long run does not train without end."""
    rows_step_max: int = Field(5_000, ge=1)
    """More than so many it never needs."""
    rows_drift: int = Field(100, ge=1)
    """Newly labelled rows that a training because of drift needs, so that it has something new to learn."""
    rest_s: float = Field(60.0, ge=0)
    """Least time between the end of one training and the next; doubled by each failure in a row."""
    late_s: float = Field(3600.0, gt=0)
    """A training that has said nothing for so long has failed."""


class Kind(StrEnum):
    """How to train."""

    WHOLE = "whole"
    STEP = "step"


class Labelled(msgspec.Struct, frozen=True):
    """So many rows more have their label; `drifted` if a model's error on them has grown."""

    now_ns: int
    rows: int
    drifted: bool = False


class Passed(msgspec.Struct, frozen=True):
    """Time has passed."""

    now_ns: int


class Finished(msgspec.Struct, frozen=True):
    """The training that was asked for is over; `made` tells whether it gave a model."""

    now_ns: int
    made: bool


class Train(msgspec.Struct, frozen=True):
    """Train now, for this reason."""

    kind: Kind
    reason: str
    rows: int


class _State(msgspec.Struct, array_like=True):
    rows: int
    new_rows: int
    drifted: bool
    failures: int
    running: Train | None
    drift_taken: bool
    began_ns: int
    whole_ns: int
    ended_ns: int | None
    trained: bool


class Schedule:
    """Decide when to train; one training at a time.

    >>> schedule = Schedule(ScheduleConfig(rows_first=10))
    >>> schedule.step(Labelled(0, 9)), schedule.step(Labelled(1, 1))
    (None, Train(kind=<Kind.WHOLE: 'whole'>, reason='first', rows=10))
    """

    def __init__(self, config: ScheduleConfig) -> None:
        self.config = config
        self.rows, self.new_rows = 0, 0
        self.drifted = False
        self.failures = 0
        self.running: Train | None = None
        self._began_ns = self._whole_ns = 0
        self._ended_ns: int | None = None
        self._trained = self._drift_taken = False

    def step(self, event: Labelled | Passed | Finished) -> Train | None:
        """Take what happened; tell whether to train."""
        match event:
            case Labelled(rows=rows, drifted=drifted):
                self.rows += rows
                self.new_rows += rows
                self.drifted = self.drifted or drifted
            case Finished(made=made):
                self._finish(event.now_ns, made)
            case Passed():
                pass
        if self.running is not None and event.now_ns - self._began_ns > self._ns(self.config.late_s):
            self._finish(event.now_ns, made=False)
        return self._ask(event.now_ns)

    def state(self) -> bytes:
        """Give everything that a restart needs."""
        return msgspec.msgpack.encode(
            _State(
                self.rows, self.new_rows, self.drifted, self.failures, self.running, self._drift_taken,
                self._began_ns, self._whole_ns, self._ended_ns, self._trained,
            )
        )  # fmt: skip

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave; a training that ran then has failed, since who did it is gone."""
        kept = msgspec.msgpack.decode(state, type=_State)
        self.rows, self.new_rows, self.drifted = kept.rows, kept.new_rows, kept.drifted
        self.failures, self.running, self._drift_taken = kept.failures, kept.running, kept.drift_taken
        self._began_ns, self._whole_ns, self._ended_ns = kept.began_ns, kept.whole_ns, kept.ended_ns
        self._trained = kept.trained
        self._finish(self._began_ns, made=False)

    def _finish(self, now_ns: int, made: bool) -> None:
        running, self.running = self.running, None
        if running is None:  # it was late, and has been given up
            return
        self._ended_ns = now_ns
        self.failures = 0 if made else self.failures + 1
        if not made:
            self.drifted = self.drifted or self._drift_taken
            return
        self._trained = True
        self.new_rows = max(0, self.rows - running.rows)
        if running.kind is Kind.WHOLE:
            self._whole_ns = self._began_ns

    def _ask(self, now_ns: int) -> Train | None:
        if self.running is not None or self._rests(now_ns):
            return None
        wanted = self._wanted(now_ns)
        if wanted is not None:
            self.running, self._began_ns = wanted, now_ns
            self._drift_taken = self.drifted and wanted.kind is Kind.WHOLE
            self.drifted = self.drifted and not self._drift_taken
        return wanted

    def _rests(self, now_ns: int) -> bool:
        if self._ended_ns is None:
            return False
        wait_ns: int = self._ns(self.config.rest_s) * (1 << min(self.failures, BACK_OFF_DOUBLINGS))
        return now_ns < self._ended_ns + wait_ns

    def _wanted(self, now_ns: int) -> Train | None:
        config = self.config
        if not self._trained:
            return self._train(Kind.WHOLE, "first") if self.rows >= config.rows_first else None
        if self.drifted and self.new_rows >= config.rows_drift:
            return self._train(Kind.WHOLE, "drift")
        if self.new_rows > 0 and now_ns - self._whole_ns >= self._ns(config.whole_s):
            return self._train(Kind.WHOLE, "scheduled")
        waited_ns = now_ns - (now_ns if self._ended_ns is None else self._ended_ns)
        needed = min(
            max(config.rows_step, int(config.step_frac * (self.rows - self.new_rows))), config.rows_step_max
        )
        if self.new_rows >= needed and waited_ns >= self._ns(config.step_s):
            return self._train(Kind.STEP, "new rows")
        return None

    def _train(self, kind: Kind, reason: str) -> Train:
        return Train(kind, reason, self.rows)

    @staticmethod
    def _ns(seconds: float) -> int:
        return int(seconds * NS_PER_S)
