"""A region's scripts on a machine of its own: what they start, and that nothing of it is left."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from deploy.plan import REGIONS
from tests.deploy.running import processes_of, until

NAMES = sorted(path.parent.name for path in REGIONS.glob("*/region.toml"))


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder as on a region's machine, whose `swarm` only notes what it was told."""
    shutil.copytree(REGIONS, tmp_path / "deploy" / "regions")
    swarm = tmp_path / ".venv" / "bin" / "swarm"
    swarm.parent.mkdir(parents=True)
    swarm.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\nexec tail -f {tmp_path}/told > /dev/null\n')
    swarm.chmod(0o755)
    return tmp_path


def started(machine: Path, region: str, **environment: str) -> subprocess.Popen[bytes]:
    script = machine / "deploy" / "regions" / region / "learn.sh"
    return subprocess.Popen(
        [str(script), "--state", "there"], env={**os.environ, **environment}, start_new_session=True
    )


def told(machine: Path) -> list[str]:
    path = machine / "told"
    return sorted(path.read_text().splitlines()) if path.exists() else []


@pytest.mark.parametrize("region", NAMES)
def test_a_region_learns_alone_where_no_superlink_is_named(machine: Path, region: str) -> None:
    process = started(machine, region)
    until("it learns", lambda: told(machine) == [f"learner --regions {region} --state there"], 10)
    process.terminate()
    process.wait(10)
    until("nothing is left", lambda: processes_of(machine) == [], 10)


@pytest.mark.parametrize("region", NAMES)
def test_with_a_superlink_a_node_joins_it_and_both_end_together(machine: Path, region: str) -> None:
    wanted = [
        f"federate join --region {region} --superlink far:7180 --paced --ca theirs.crt --state there",
        f"learner --federated --regions {region} --state there",
    ]
    process = started(machine, region, SWARM_SUPERLINK="far:7180", SWARM_CA="theirs.crt")
    until("both run", lambda: told(machine) == wanted, 10)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143
    until("nothing is left", lambda: processes_of(machine) == [], 10)


def test_where_one_of_both_dies_the_script_ends_so_that_it_is_started_again(machine: Path) -> None:
    process = started(machine, "tokyo", SWARM_SUPERLINK="far:7180")
    until("both run", lambda: len(told(machine)) == 2 and len(processes_of(machine)) == 3, 10)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    assert process.wait(10) != 0
    until("nothing is left", lambda: processes_of(machine) == [], 10)
