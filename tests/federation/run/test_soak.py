"""Real processes: the deployment under fire, and Flower's simulation with Ray."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import fed_kill
from federation.run.store import read_versions
from tests.federation.building import REGIONS, deployment_file


@pytest.mark.soak
def test_a_deployment_survives_the_kill_of_every_process(tmp_path: Path) -> None:
    with fed_kill.deployed(tmp_path) as state:
        fed_kill.seconds_to_next(state)
        after = {target: fed_kill.kill(state, target) for target in fed_kill.TARGETS}
        line = read_versions(state / "federation", fed_kill.MANY)
    assert fed_kill.faults(line) == 0 and len(line) > len(fed_kill.TARGETS)
    assert all(seconds <= 60 for seconds in after.values()), after
    assert all(
        each.loss is not None and each.loss <= line[0].loss for each in line if line[0].loss is not None
    )


@pytest.mark.soak
@pytest.mark.parametrize("secure", [False, True])
def test_the_same_apps_run_in_flowers_simulation_with_ray_and_leave_nothing(
    tmp_path: Path, secure: bool
) -> None:
    config, state = deployment_file(tmp_path, secure), str(tmp_path / "state")
    command = [sys.executable, "-m", "federation", "simulate", "--config", str(config)]
    command += ["--state", state, "--versions", "2"]
    for number in (2, 4):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        line = read_versions(Path(state) / "federation", 10)
        assert [each.number for each in line] == list(range(number + 1)) and fed_kill.faults(line) == 0
        members = {member.region: member.weight for member in line[-1].members}
        assert set(members) <= set(REGIONS) and (None in members.values()) == secure
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in left
