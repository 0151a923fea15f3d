"""Poisoned updates are left out by name, and the champion's quality never falls."""

from __future__ import annotations

import numpy as np
import pytest

from federation.loop.events import Passed
from federation.loop.version import Version, first_version
from federation.update import Arrays, Update
from federation.vetting.history import History, cosine, norm, step_of
from federation.vetting.vet import VettingConfig, vet
from tests.federation.loop.world import World
from tests.federation.trainers import CLASSES, FEATURES, probabilities, rows

NAMES = ("bias", "weight")
LIKE = [np.zeros(CLASSES, np.float32), np.zeros((FEATURES, CLASSES), np.float32)]
PUBLIC = rows(99)


def holdout(arrays: Arrays) -> float:
    """Measure on rows that are the coordinator's own."""
    x, y = PUBLIC
    sure = probabilities(arrays[1], arrays[0], x)[np.arange(len(y)), y]
    return float(-np.log(np.maximum(sure, 1e-12)).mean())


def trained(version: Version, region: str, *, flipped: bool = False) -> Update:
    """Train a region honestly, or on labels that are turned around."""
    seed = 1 + sum(map(ord, region))
    x, y = rows(seed)
    target = np.eye(CLASSES, dtype=np.float32)[(y + 1) % CLASSES if flipped else y]
    bias, weight = version.arrays[0].copy(), version.arrays[1].copy()
    for _ in range(10):
        error = ((probabilities(weight, bias, x) - target) / len(y)).astype(np.float32)
        weight -= np.float32(0.5) * x.T @ error
        bias -= np.float32(0.5) * error.sum(axis=0)
    return Update(region, version.hash, [bias, weight], len(y), names=NAMES)


def scaled(update: Update, version: Version, factor: float) -> list[np.ndarray]:
    """Stretch an update's step."""
    pairs = zip(update.arrays, version.arrays, strict=True)
    return [old + np.float32(factor) * (new - old) for new, old in pairs]


def poisoned(kind: str, version: Version, before: list[Update]) -> Update:
    """Build what a hostile or broken region sends."""
    good = trained(version, "evil")
    arrays, names, base = list(good.arrays), NAMES, version.hash
    if kind == "nan":
        arrays = [arrays[0], np.full_like(arrays[1], np.nan)]
    elif kind == "scaled":
        arrays = scaled(good, version, 1000.0)
    elif kind == "sign flipped":
        arrays = scaled(good, version, -1.0)
    elif kind == "label flipped":
        arrays = list(trained(version, "evil", flipped=True).arrays)
    elif kind == "stale replay":
        return before[0]
    elif kind == "stale replay under a new name":
        arrays = list(before[0].arrays)
    elif kind == "wrong shape":
        arrays = [arrays[0], arrays[1][:2]]
    elif kind == "wrong type":
        arrays = [each.astype(np.float64) for each in arrays]
    elif kind == "wrong names":
        names = ("bias", "wait")
    elif kind == "one array less":
        arrays = arrays[:1]
    return Update("evil", base, arrays, 300, names=names)


KINDS = (
    "nan",
    "scaled",
    "sign flipped",
    "label flipped",
    "stale replay",
    "stale replay under a new name",
    "wrong shape",
    "wrong type",
    "wrong names",
    "one array less",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_poisoned_update_is_left_out_and_the_champion_never_falls(kind: str) -> None:
    first = first_version(NAMES, LIKE, loss=holdout(LIKE))
    world = World(first, loss=holdout, retry_s=1, deadline_min_s=5, deadline_first_s=5, staleness_max=2)
    world.up("frankfurt", "nyc", "evil")
    before = [trained(world.current, "evil")]
    champions = [holdout(LIKE)]
    for _ in range(5):
        version = world.current
        world.arrive(trained(version, "frankfurt"), after_s=1)
        world.arrive(trained(version, "nyc"), after_s=1)
        world.arrive(poisoned(kind, version, before))
        world.now_ns += 10 * 10**9
        world.tell(Passed(world.now_ns))
        champions.append(holdout(world.line[world.current.champion].arrays))
    assert champions == sorted(champions, reverse=True) and champions[-1] < 0.7 * champions[0]
    bad = [each for each in world.line[1:] if any(member.region == "evil" for member in each.members)]
    assert len(bad) <= (1 if kind.startswith("stale replay") else 0)  # the first time it was honest
    assert any(each.region == "evil" for each in world.reported)


def test_an_honest_update_counts() -> None:
    version = Version(0, "h", "", NAMES, LIKE, 0)
    assert vet(trained(version, "nyc"), LIKE, History(), holdout, names=NAMES) is None


def test_a_step_far_above_the_usual_is_left_out_without_any_hold_out() -> None:
    version = Version(0, "h", "", NAMES, [each + 1 for each in LIKE], 0)
    good = trained(version, "nyc")
    usual = norm(step_of(good.arrays, version.arrays))
    history = History((usual,) * 5)
    assert vet(good, version.arrays, history) is None
    far = Update("nyc", "h", scaled(good, version, 8.0), 10)
    rejected = vet(far, version.arrays, history)
    assert rejected is not None and "deviations" in rejected.reason
    assert vet(far, version.arrays, History()) is None


def test_a_step_against_the_others_is_left_out_without_any_hold_out() -> None:
    version = Version(0, "h", "", NAMES, LIKE, 0)
    good = trained(version, "nyc")
    history = History((), step_of(good.arrays, LIKE))
    against = Update("nyc", "h", scaled(good, version, -1.0), 10)
    rejected = vet(against, LIKE, history)
    assert rejected is not None and "against the others" in rejected.reason


def test_a_loss_that_is_not_a_number_is_left_out() -> None:
    version = Version(0, "h", "", NAMES, LIKE, 0)
    rejected = vet(trained(version, "nyc"), LIKE, History(), lambda arrays: float("nan"))
    assert rejected is not None and "nan" in rejected.reason


def test_no_examples_is_a_reason() -> None:
    rejected = vet(Update("nyc", "h", LIKE, 0), LIKE, History())
    assert rejected is not None and rejected.reason == "learnt from 0 examples"


def test_a_shift_that_no_loss_shows_is_bounded_even_from_a_model_of_zeros() -> None:
    first = first_version(NAMES, LIKE)
    good = trained(first, "evil")
    shifted = [good.arrays[0] + np.float32(1e30), good.arrays[1]]
    update = Update("evil", first.hash, shifted, good.examples, names=NAMES)
    assert holdout(shifted) <= holdout(LIKE) * 1.1
    rejected = vet(update, LIKE, History(), holdout, names=NAMES)
    assert rejected is not None and "from a model of 0" in rejected.reason


def test_names_that_a_terminal_would_obey_are_said_plainly() -> None:
    first = first_version(NAMES, LIKE)
    good = trained(first, "evil")
    update = Update("evil", first.hash, good.arrays, good.examples, names=("bias", "\x1b[2J\n7 champion"))
    rejected = vet(update, LIKE, History(), names=NAMES)
    assert rejected is not None and "?[2J?7 champion" in rejected.reason and rejected.reason.isprintable()


def test_a_step_of_nothing_is_harmless() -> None:
    assert vet(Update("nyc", "h", LIKE, 5), LIKE, History((1.0,) * 9, LIKE)) is None
    assert cosine(LIKE, LIKE) is None


def test_a_history_forgets_its_oldest() -> None:
    history = History()
    for place in range(40):
        history = history.with_steps([float(place), 0.0], LIKE)
    assert len(history.norms) == 64 and history.norms[-2] == 39.0


def test_bounds_are_the_configs() -> None:
    version = Version(0, "h", "", NAMES, [each + 1 for each in LIKE], 0)
    far = Update("nyc", "h", [each + 100 for each in version.arrays], 10)
    assert vet(far, version.arrays, History()) is not None
    assert vet(far, version.arrays, History(), config=VettingConfig(norm_base_max=1000)) is None
