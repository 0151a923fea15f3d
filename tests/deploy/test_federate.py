"""The regions train in Flower's deployment beside a swarm: each process is shot, and it goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import ExitCode
from federation.run.deployment.supervisor import read_run
from federation.run.region_folder import newest_sent
from federation.run.store import read_versions
from learning.places import models_root, rows_root
from learning.registry.registry import Registry
from learning.rows.store import Store
from tests.deploy.running import ROOT, RunningSwarm, free_port_base, processes_of, swarm, until
from tests.learning.builders import rows_with_signal

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


def federation(*arguments: str, state: Path) -> subprocess.Popen[bytes]:
    """Start a part of a federation as a process of its own, as on a machine of its own."""
    command = [sys.executable, "-m", "federation", *arguments, "--state", str(state)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def members(state: Path) -> set[str]:
    versions = read_versions(state / "federation", 1)
    return {member.region for version in versions for member in version.members}


def test_a_region_on_another_machine_joins_goes_away_and_comes_back(tmp_path: Path) -> None:
    here, there, port = tmp_path / "here", tmp_path / "there", free_port_base() + 61
    for seed, (state, region) in enumerate(((here, "nyc"), (there, "tokyo"))):
        Store(rows_root(state) / region).append(rows_with_signal(600, seed, curved=True, strength=2.5))
    config = tmp_path / "federation.toml"
    config.write_text(
        f'port = {port}\n[regions.nyc]\nstore = "rows/nyc"\n'
        '[regions.tokyo]\nstore = "rows/tokyo"\nhere = false\n'
        "[federation]\npoll_s = 0.5\n[federation.loop]\ndeadline_first_s = 60\n"
    )
    join = ["join", "--region", "tokyo", "--superlink", f"127.0.0.1:{port}", "--port", str(port + 3)]
    refused = federation(*join, state=there)
    _, said = refused.communicate(timeout=60)
    assert refused.returncode == ExitCode.CONFIG and b"tokyo.pub" in said and b"--ca" in said
    running = [federation("start", "--foreground", "--config", str(config), state=here)]
    try:
        until("nyc trains alone", lambda: members(here) == {"nyc"}, VERSION_S)
        keys = here / "federation" / "keys"
        shutil.copy(there / "federation" / "keys" / "tokyo.pub", keys)
        assert not (keys / "tokyo").exists(), "its private key never leaves a region's machine"
        running.append(federation(*join, "--ca", str(keys / "ca.crt"), state=there))
        until("tokyo counts", lambda: "tokyo" in members(here), VERSION_S)
        assert newest_sent(there / "federation" / "regions" / "tokyo") > 0
        running[1].kill()
        before = newest(here)
        until(
            "it goes on without tokyo", lambda: newest(here) > before and members(here) == {"nyc"}, VERSION_S
        )
        running.append(federation(*join, state=there))
        until("tokyo is back", lambda: "tokyo" in members(here), VERSION_S)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.communicate(timeout=20)
    until("nothing is left", lambda: processes_of(tmp_path) == [], 10)
