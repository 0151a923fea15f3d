"""Ten minutes under fire; SOAK_SECONDS and SOAK_SEED change the length and the shots."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from domain.errors import ExitCode
from tests.deploy.running import RunningSwarm, swarm, until
from tests.deploy.test_swarm import EXCHANGES, PROCESSES, sent_ids

pytestmark = pytest.mark.soak

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
SEED = int(os.environ.get("SOAK_SEED", "1"))


def test_ten_minutes_of_random_shots_lose_nothing(tmp_path: Path) -> None:
    draws, shots = random.Random(SEED), 0
    with RunningSwarm(tmp_path) as running:
        running.wait_started()
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            time.sleep(draws.uniform(1.0, 10.0))
            hit = [
                (name, running.kill(name)) for name in draws.sample(PROCESSES, draws.choice((1, 1, 1, 2, 5)))
            ]
            shots += len(hit)
            for name, killed in hit:
                running.wait_back(name, killed)
        until("every region trades again", running.all_active, 90)
        running.process.send_signal(signal.SIGINT)
        code, summary, err = running.end()
    assert code == ExitCode.OK, (summary, err)
    assert summary["positions_match"] is True
    assert summary["restarts"] >= shots
    assert swarm("journal", "replay", state=tmp_path, timeout_s=600).returncode == 0
    for exchange in EXCHANGES:
        assert [text for text, count in sent_ids(tmp_path, exchange).items() if count > 1] == []
    print(f"{shots} shots, {summary['fills']} fills, {summary['orders']['sent']} orders")
