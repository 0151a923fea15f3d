"""Whatever happens: versions are a line, nothing counts twice, the champion never falls."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.loop.events import Arrived, Ask, Passed
from federation.loop.version import Version
from federation.update import Arrays, Update
from tests.federation.loop.world import S, World, learnt

REGIONS = ("frankfurt", "nyc", "tokyo")


def far(arrays: Arrays) -> float:
    """Measure the distance to where the clients are going."""
    return 1.0 + abs(float(np.mean(arrays[0])) - 20.0)


ANSWER = st.tuples(st.just("answer"), st.integers(0, 9), st.floats(0, 3))
OTHERS = st.tuples(
    st.sampled_from(["up", "down", "restart", "killed", "pass", "duplicate", "poison", "replay"]),
    st.integers(0, 9),
    st.floats(0, 30),
)
Happening = tuple[str, int, float]
HAPPENINGS = st.lists(st.one_of(ANSWER, ANSWER, OTHERS), min_size=5, max_size=60)


@dataclass
class Run:
    """Carry out happenings against a world."""

    world: World
    pending: list[Ask] = field(default_factory=list)
    sent: list[Update] = field(default_factory=list)
    seen: int = 0

    def happen(self, what: str, which: int, after_s: float) -> None:
        world = self.world
        world.now_ns += int(after_s * S)
        region = REGIONS[which % len(REGIONS)]
        if what == "up":
            world.up(region)
        elif what == "down":
            world.down(region)
        elif what == "restart":
            world.open()
        elif what == "pass":
            world.tell(Passed(world.now_ns))
        elif what in ("answer", "killed", "poison"):
            self._answer(what, which)
        elif self.sent:
            world.tell(Arrived(self.sent[which % len(self.sent)], world.now_ns))

    def _answer(self, what: str, which: int) -> None:
        world = self.world
        self.pending += world.asks[self.seen :]
        self.seen = len(world.asks)
        if not self.pending:
            return
        ask = self.pending.pop(which % len(self.pending))
        version = self._version(ask)
        update = learnt(version, ask.region, -1000.0 if what == "poison" else 1.0, attempt=ask.attempt)
        self.sent.append(update)
        if what == "killed":
            world.tell(Arrived(update, world.now_ns), stop_after=which % 4)
            world.open()
        else:
            world.tell(Arrived(update, world.now_ns))

    def _version(self, ask: Ask) -> Version:
        return self.world.line[ask.version]


@settings(max_examples=60, deadline=None)
@given(HAPPENINGS, st.integers(0, 3), st.sampled_from(["fedavg", "median", "fedadam"]))
def test_the_line_holds_whatever_happens(happenings: list[Happening], buffer: int, how: str) -> None:
    world = World(loss=far, buffer=buffer, aggregator=how, staleness_max=3, retry_s=1, deadline_first_s=5)
    run = Run(world)
    world.up(*REGIONS)
    for what, which, after_s in happenings:
        run.happen(what, which, after_s)
    line = world.line
    assert [each.number for each in line] == list(range(len(line)))
    assert all(child.parent == parent.hash for parent, child in pairwise(line))
    assert len({each.hash for each in line}) == len(line)
    counted = [(member.region, member.base, member.attempt) for each in line for member in each.members]
    assert len(counted) == len(set(counted))
    assert world.announced == sorted(set(world.announced))
    champions = [far(line[each.champion].arrays) for each in line]
    assert champions == sorted(champions, reverse=True)
    members = [member for each in line for member in each.members]
    assert all(each.staleness <= 3 and each.weight is not None and each.weight <= 1 for each in members)


@settings(max_examples=20, deadline=None)
@given(HAPPENINGS)
def test_after_anything_the_loop_goes_on_when_regions_answer(
    happenings: list[Happening],
) -> None:
    world = World(loss=far, staleness_max=3, retry_s=1, deadline_first_s=5)
    run = Run(world)
    world.up(*REGIONS)
    for what, which, after_s in happenings:
        run.happen(what, which, after_s)
    world.open()
    world.up(*REGIONS)
    before = world.current.number
    for region in REGIONS:
        asked = (
            next(ask for ask in reversed(world.asks) if ask.region == region)
            if region in world.loop.asked
            else None
        )
        if asked is not None:
            world.arrive(learnt(world.current, region, 0.1, attempt=asked.attempt), after_s=2)
    world.now_ns += 4000 * S
    world.tell(Passed(world.now_ns))
    assert world.current.number > before or far(world.current.arrays) <= 2.5
