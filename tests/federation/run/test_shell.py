"""A federation in one process: three regions, our own Grid, Flower's own apps."""

from __future__ import annotations

from pathlib import Path

from tests.federation.building import REGIONS, shell


def test_three_regions_make_versions_that_get_better(tmp_path: Path) -> None:
    made, grid = shell(tmp_path, versions_max=4, loop={"deadline_min_s": 60.0})
    made.run()
    grid.close()
    line = [made.store.version(number) for number in made.store.numbers()]
    assert [each.number for each in line] == [0, 1, 2, 3, 4]
    losses = [each.loss for each in line if each.loss is not None]
    assert len(losses) == 5 and losses == sorted(losses, reverse=True)
    assert [member.region for member in line[-1].members] == sorted(REGIONS)
    assert line[-1].names == ("bias", "weight")
