"""Real processes: the deployment under fire, and Flower's simulation with Ray."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fed_kill
from federation.loop.version import Version
from federation.run.deployment.credentials import ensure_authority
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


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["another root", "an unknown key"])
def test_a_node_that_nobody_let_in_is_refused_and_versions_go_on(tmp_path: Path, kind: str) -> None:
    with fed_kill.deployed(tmp_path) as state:
        fed_kill.seconds_to_next(state)
        keys, own = state / "federation" / "keys", tmp_path / "own"
        ensure_authority(own, ["127.0.0.1"], 1_800_000_000 * 10**9)
        port = json.loads((state / "federation" / "run.json").read_bytes())["port"]
        command = [sys.executable, "-m", "federation", "join", "--region", "tokyo", "--state", str(own)]
        command += ["--superlink", f"127.0.0.1:{port}", "--port", str(port + 9)]
        command += ["--ca", str((own if kind == "another root" else keys) / "ca.crt")]
        command += ["--config", str(tmp_path / "federation.toml")]
        stranger = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            fed_kill.seconds_to_next(state)
            fed_kill.seconds_to_next(state)
            said = (own / "logs" / "federation-tokyo.log").read_text()
        finally:
            stranger.terminate()
            stranger.wait(30)
        line = read_versions(state / "federation", fed_kill.MANY)
        nothing_of_the_rows_is_in_what_the_link_keeps(tmp_path, state, line)
    assert fed_kill.faults(line) == 0
    assert (
        "CERTIFICATE_VERIFY_FAILED" if kind == "another root" else "Failed to activate SuperNode"
    ) in said, said[-2000:]


def nothing_of_the_rows_is_in_what_the_link_keeps(root: Path, state: Path, line: list[Version]) -> None:
    """Read the SuperLink's own file, where the nodes' real messages lie: updates are in it, and no row."""
    kept = b"".join(path.read_bytes() for path in (state / "federation").glob("superlink.db*"))
    assert any(array.tobytes() in kept for each in line for array in each.arrays)
    for region in ("tokyo", "frankfurt", "nyc"):
        with np.load(root / region / "rows.npz") as held:
            halves = held["x"].reshape(-1, 2)[:1000]
        assert not any(half.tobytes() in kept for half in halves)
        assert b"norm.mean" not in kept and str(root / region).encode() not in kept
