"""The regions train in Flower's deployment beside a swarm: each process is shot, and it goes on."""

import json
import os
import signal
from pathlib import Path

import pytest

from domain.errors import ExitCode
from federation.run.deployment.supervisor import read_run
from federation.run.store import read_versions
from learning.places import models_root
from learning.registry.registry import Registry
from tests.deploy.running import RunningSwarm, processes_of, swarm, until

pytestmark = pytest.mark.soak

REGIONS = ("tokyo", "frankfurt", "nyc")
VERSION_S = 240.0


def newest(state: Path) -> int:
    versions = read_versions(state / "federation", 1)
    return versions[-1].number if versions else 0


def judged(state: Path, region: str) -> bool:
    return any(entry.verb == "judge" for entry in Registry(models_root(state) / region).history())


def shoot(state: Path, name: str) -> None:
    """Kill a process of the federation once it runs."""

    def pid() -> int | None:
        told = read_run(state / "federation")
        return None if told is None else told.pids.get(name)

    until(f"{name} runs", lambda: pid() is not None, VERSION_S)
    os.kill(pid() or 0, signal.SIGKILL)


def test_versions_go_on_whatever_of_the_federation_is_killed_and_nothing_of_it_is_left(
    tmp_path: Path,
) -> None:
    with RunningSwarm(tmp_path, "--federate", learn=True) as running:
        running.wait_started()
        until("there is a version", lambda: newest(tmp_path) >= 1, VERSION_S)
        for name in ("superlink", "tokyo", "serverapp"):
            before = newest(tmp_path)
            shoot(tmp_path, name)
            until(f"versions go on after {name}", lambda: newest(tmp_path) > before, VERSION_S)  # noqa: B023
        before = newest(tmp_path)
        for name in ("federation", "learner"):
            running.wait_back(name, running.kill(name))
        until("versions go on after the rest", lambda: newest(tmp_path) > before, VERSION_S)
        until("every region judged", lambda: all(judged(tmp_path, region) for region in REGIONS), VERSION_S)
        told = swarm("federate", "status", "--json", state=tmp_path)
        assert json.loads(told.stdout)["newest"]["number"] >= before
        running.process.send_signal(signal.SIGINT)
        code, summary, err = running.end()
    assert code == ExitCode.OK, (summary, err)
    assert summary["positions_match"] is True
    assert summary["learning"]["made"] == newest(tmp_path)
    numbers = [each.number for each in read_versions(tmp_path / "federation", 10_000)]
    assert numbers == list(range(len(numbers))), "no version is lost or doubled"
    until("nothing is left", lambda: processes_of(tmp_path) == [], 5)
