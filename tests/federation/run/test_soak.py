"""Real processes: the deployment under fire, and Flower's simulation with Ray."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import fed_kill
from federation.run.store import read_versions
from tests.federation.building import federation, regions


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
def test_the_same_apps_run_in_flowers_simulation_with_ray(tmp_path: Path) -> None:
    configs = regions(tmp_path)
    folder = federation(tmp_path, versions_max=2, poll_s=0.2)
    listed = ",".join(f"{name}={config['store']}" for name, config in configs.items())
    command = [sys.executable, "-m", "federation.run.simulation", str(folder), str(tmp_path), listed]
    command += ["tests.federation.trainers:softmax"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    line = read_versions(folder, 10)
    assert [each.number for each in line] == [0, 1, 2]
    assert {member.region for member in line[-1].members} <= set(configs)
