"""Attackers who know every bound and the hold-out too, and stay just under them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from federation.loop.events import Passed
from federation.loop.version import Version, first_version
from federation.update import Update
from federation.vetting.vet import vet
from tests.federation.loop.world import World
from tests.federation.trainers import probabilities, rows
from tests.federation.vetting.test_vet import LIKE, NAMES, holdout, trained

UNSEEN = rows(77, 3000)
SHARES = np.linspace(1.0, 0.0, 21)


def unseen(version: Version) -> float:
    """Measure on rows that nobody was gated by."""
    x, y = UNSEEN
    sure = probabilities(version.arrays[1], version.arrays[0], x)[np.arange(len(y)), y]
    return float(-np.log(np.maximum(sure, 1e-12)).mean())


def worst_that_passes(world: World, region: str) -> Update:
    """Lean as far towards turned labels as the vetting lets pass, hold-out and history in hand."""
    version = world.current
    good, bad = trained(version, region), trained(version, region, flipped=True)
    for share in SHARES:
        pairs = zip(good.arrays, bad.arrays, strict=True)
        arrays = [one + np.float32(share) * (other - one) for one, other in pairs]
        update = Update(region, version.hash, arrays, 10**9, names=NAMES)
        if vet(update, version.arrays, version.history, holdout, names=NAMES) is None:
            return update
    return good


def play(clients: int, evil: int, rounds: int) -> World:
    """Let attackers send, round after round, the worst that still passes."""
    config = {"retry_s": 0, "deadline_min_s": 5, "deadline_first_s": 5, "examples_max": 300}
    world = World(first_version(NAMES, LIKE, loss=holdout(LIKE)), loss=holdout, **config)
    names = [f"r{place}" for place in range(clients)]
    world.up(*names)
    for _ in range(rounds):
        version = world.current
        for place, name in enumerate(names):
            asked = world.loop.asked.get(name)
            update = worst_that_passes(world, name) if place < evil else trained(version, name)
            attempt = 0 if asked is None else asked.attempt
            world.arrive(Update(name, version.hash, update.arrays, 300, names=NAMES, attempt=attempt), 0.1)
        world.now_ns += 10 * 10**9
        world.tell(Passed(world.now_ns))
    return world


@pytest.mark.parametrize(("clients", "evil"), [(3, 1), (10, 2)])
def test_slow_drift_under_every_bound_does_not_lower_the_champion(clients: int, evil: int) -> None:
    world = play(clients, evil, rounds=12)
    line = world.line
    champions = [line[each.champion] for each in line]
    losses = [unseen(each) for each in champions]
    assert all(after <= before * 1.005 for before, after in pairwise(losses))
    assert losses[-1] < 0.5 * losses[0]
