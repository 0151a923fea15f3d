"""Hostile clients in a running loop, over the real messages: named, and the champion never falls."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from federation.loop.version import Version
from federation.run.grid import LocalGrid
from federation.run.server import open_shell
from tests.federation.building import federation, region
from tests.federation.hostile import KINDS, Hostile
from tests.federation.trainers import holdout, write_rows

UNSEEN = 77  # rows that neither the regions nor the coordinator's hold-out have
SLACK = 0.002  # rows that nobody gated by may read a better model as a little worse


def attacked(root: Path, kind: str, clients: int, evil: int, versions: int) -> tuple[list[Version], set[str]]:
    """Run a loop with hostile clients among honest ones, and give its line and whom it reported."""
    names = tuple(f"r{place}" for place in range(clients))
    configs = {name: region(root, name, 1) for name in names}
    for place, name in enumerate(names):
        write_rows(root / name / "rows.npz", place + 1, shift=0.5 * (place % 3 - 1))
    grid = LocalGrid(Hostile(kind, names[:evil]).app, configs)
    loop = {"deadline_first_s": 20.0, "deadline_min_s": 2.0, "retry_s": 0.1}
    made = open_shell(federation(root, versions_max=versions, poll_s=0.002, loop=loop), grid)
    made.run()
    grid.close()
    return [made.store.version(number) for number in made.store.numbers()], {
        each.region for each in made.reports
    }


def never_fell(line: list[Version]) -> None:
    """Check the champions on the hold-out that gated them, and on rows that nothing was gated by."""
    champions = [line[each.champion] for each in line]
    gated = [each.loss for each in champions if each.loss is not None]
    assert len(gated) == len(line) and gated == sorted(gated, reverse=True)
    measured = holdout(Path(str(UNSEEN)))
    unseen = [measured(dict(zip(each.names, each.arrays, strict=True))) for each in champions]
    assert all(after <= before * (1 + SLACK) for before, after in pairwise(unseen))
    assert unseen[-1] < 0.35 * unseen[0]


@pytest.mark.parametrize(("clients", "evil"), [(3, 1), (10, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_clients_are_named_and_the_champion_never_falls(
    tmp_path: Path, kind: str, clients: int, evil: int
) -> None:
    line, reported = attacked(tmp_path, kind, clients, evil, versions=4)
    assert reported == {f"r{place}" for place in range(evil)}
    never_fell(line)


@pytest.mark.soak
@pytest.mark.parametrize(("clients", "evil"), [(3, 1), (10, 1), (10, 2), (10, 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_so_it_is_over_many_rounds(tmp_path: Path, kind: str, clients: int, evil: int) -> None:
    line, reported = attacked(tmp_path, kind, clients, evil, versions=25)
    assert {f"r{place}" for place in range(evil)} <= reported
    never_fell(line)
