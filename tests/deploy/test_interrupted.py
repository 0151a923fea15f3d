"""Told to end before it stood: it ends at once, leaves nothing behind, and tells no story."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.process import report_file
from domain.errors import ExitCode
from tests.deploy.running import RunningSwarm, processes_of, swarm, until

pytestmark = pytest.mark.end_to_end


def begins(state: Path) -> bool:
    return (state / "keys" / "nyc-1.key").exists()


def venue_begins(state: Path) -> bool:
    return (state / "logs" / "venue.log").exists()


def nodes_begin(state: Path) -> bool:
    return (state / "logs" / "nyc-1.log").exists()


@pytest.mark.parametrize(
    ("moment", "signum"),
    [(begins, signal.SIGINT), (venue_begins, signal.SIGTERM), (nodes_begin, signal.SIGINT)],
)
def test_a_word_to_end_is_obeyed_while_it_starts_and_then_it_starts_again(
    tmp_path: Path, moment: Callable[[Path], bool], signum: signal.Signals
) -> None:
    stale = report_file(tmp_path, "tokyo-1")
    stale.parent.mkdir()
    stale.write_text("what an earlier run left")
    with RunningSwarm(tmp_path) as running:
        until("it begins", lambda: moment(tmp_path), 60)
        asked = time.monotonic()
        running.process.send_signal(signum)
        code, summary, err = running.end()
        took_s = time.monotonic() - asked
    assert took_s < 5
    assert code == ExitCode.INTERRUPTED, (summary, err)
    assert summary == {}
    assert err.splitlines()[-1].startswith("swarm: stopped before every part was ready")
    assert processes_of(tmp_path) == []
    assert not stale.exists()
    if moment is nodes_begin:
        assert swarm("status", state=tmp_path).returncode == ExitCode.NOT_RUNNING
        with RunningSwarm(tmp_path, "--seconds", "3", counted=False) as running:
            code, summary, err = running.end()
        assert code == ExitCode.OK, (summary, err)


def test_a_viewer_that_goes_away_ends_it_cleanly(tmp_path: Path) -> None:
    with RunningSwarm(tmp_path) as running:
        assert running.process.stderr is not None
        until("it runs", lambda: len(running.pids()) == 5, 120)
        running.process.stderr.close()
        running.process.stderr = None
        assert running.process.stdout is not None
        assert '"positions_match":true' in running.process.stdout.read()
        assert running.process.wait(30) == ExitCode.OK
    assert processes_of(tmp_path) == []
