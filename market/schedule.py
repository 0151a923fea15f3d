"""Which indicators are worked out at every event, which at every few, and which in the background.

The classes come from measured costs (`schedule_cost.measure`), once; from then on they are data. A replay
that is given the recorded `Schedule` shows strategies exactly what they saw, whatever its machine costs.
"""

from __future__ import annotations

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from market.indicator_layout import DEFERRED, EVERY, FEW

CLASSES = ("every", "few", "deferred")


class ScheduleConfig(BaseModel):
    """Say how dear an indicator may be for its class, and how far apart the slower classes run.

    A deferred result covers a whole `batch` of events and is published `delay` events after it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_ns_max: float = Field(100.0, ge=0)
    few_ns_max: float = Field(1_000.0, ge=0)
    few: int = Field(4, ge=1, le=1024)
    batch: int = Field(64, ge=2, le=4096)
    delay: int = Field(16, ge=1)
    measured_events: int = Field(4_000, ge=100, le=1_000_000)

    @model_validator(mode="after")
    def _fits(self) -> ScheduleConfig:
        if not (self.every_ns_max <= self.few_ns_max and self.few <= self.batch and self.delay < self.batch):
            raise ValueError("wanted every_ns_max <= few_ns_max, few <= batch and delay < batch")
        return self


class Schedule(msgspec.Struct, frozen=True):
    """Hold the class of each indicator, as recorded; one that is not named runs at every event.

    >>> kept = Schedule({"profile": "deferred"}, {"profile": 1_300.0}, 4, 64, 16)
    >>> Schedule.parse(kept.record()) == kept, kept.of("profile"), kept.of("sma")
    (True, 2, 0)
    """

    classes: dict[str, str]
    costs_ns: dict[str, float]
    few: int = 4
    batch: int = 64
    delay: int = 16

    def of(self, name: str) -> int:
        """Give the class of an indicator as a number of `indicator_layout`."""
        return CLASSES.index(self.classes.get(name, "every"))

    def record(self) -> bytes:
        """Give the schedule as data, for the journal."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def parse(record: bytes) -> Schedule:
        """Take back what `record` gave."""
        kept = msgspec.msgpack.decode(record, type=Schedule)
        assert set(kept.classes.values()) <= set(CLASSES), f"unknown classes in {kept.classes}"
        return kept


def classed(costs_ns: dict[str, float], config: ScheduleConfig) -> Schedule:
    """Class indicators by what they cost.

    >>> classed({"a": 9.0, "b": 900.0, "c": 9_000.0}, ScheduleConfig()).classes
    {'a': 'every', 'b': 'few', 'c': 'deferred'}
    """
    classes = {}
    for name, cost_ns in costs_ns.items():
        dear = EVERY if cost_ns <= config.every_ns_max else FEW
        classes[name] = CLASSES[dear if cost_ns <= config.few_ns_max else DEFERRED]
    return Schedule(classes, costs_ns, config.few, config.batch, config.delay)
