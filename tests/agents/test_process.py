import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.config import load_region
from agents.process import check_clock, config_hash, moved
from bus.keys import ensure_keys
from deploy.cli import main
from deploy.credentials import venue_credentials
from deploy.plan import REGIONS, plan
from domain.errors import ConfigError, ExitCode, SwarmError
from tests.deploy.running import ROOT, free_port_base

TOKYO = REGIONS / "tokyo" / "region.toml"


def test_the_command_line_moves_coordinator_and_venue() -> None:
    config = moved(load_region(TOKYO), "tcp://10.0.0.5:9", ["tokyo-x=127.0.0.1:8101"])
    assert config.coordinator.address == "tcp://10.0.0.5:9"
    (venue,) = config.venues
    assert venue.rest_url == "http://127.0.0.1:8101"
    assert venue.api_url == "ws://127.0.0.1:8101/ws-api/v3"
    assert config_hash(config) != config_hash(load_region(TOKYO))
    assert moved(load_region(TOKYO), None, []) == load_region(TOKYO)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("nyc-x=h:1", "no venue is named nyc-x"),
        ("tokyo-x", "not NAME=HOST:PORT"),
        ("tokyo-x=h:99999", "not NAME=HOST:PORT"),
        ("tokyo-x=:1", "not NAME=HOST:PORT"),
    ],
)
def test_a_wrong_place_is_refused(place: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        moved(load_region(TOKYO), None, [place])


def test_a_real_venue_cannot_be_moved_from_the_command_line() -> None:
    config = load_region(TOKYO)
    real = config.venues[0].model_copy(update={"simulated": False, "live": True})
    with pytest.raises(ConfigError, match="only a simulated venue"):
        moved(config.model_copy(update={"venues": (real,)}), None, ["tokyo-x=h:1"])


def test_a_clock_behind_the_journal_is_refused() -> None:
    check_clock(10_000_000_000, 6_000_000_000, "tokyo-1")
    with pytest.raises(SwarmError, match="60 s behind the journal") as caught:
        check_clock(70_000_000_000, 10_000_000_000, "tokyo-1")
    assert caught.value.code == ExitCode.CLOCK_STEPPED


def node(
    state: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `swarm node` until it fails, as every case here does."""
    command = [sys.executable, "-m", "deploy.cli", "node", "--state", str(state), *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def node_here(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `swarm node` in this process, where it has to fail before it starts anything."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = main(["node", "--state", str(state), *arguments])
    return subprocess.CompletedProcess(arguments, code, "", said.getvalue())


def refused(told: subprocess.CompletedProcess[str], code: ExitCode, words: str) -> None:
    assert told.returncode == code, told
    assert words in told.stderr
    assert told.stderr.splitlines()[-1].startswith("swarm: ")
    assert "Traceback" not in told.stderr


@pytest.fixture
def state(tmp_path: Path) -> Path:
    ensure_keys(tmp_path, "coordinator")
    return tmp_path


@pytest.fixture
def secrets(state: Path) -> dict[str, str]:
    return venue_credentials(state / "keys", ["TOKYO_X_API_KEY", "TOKYO_X_API_SECRET"])


@pytest.fixture
def venue(state: Path) -> Iterator[int]:
    """A venue process of its own; gives the first port."""
    port = free_port_base() + 40
    planned = plan(state, seed=1, port_base=7070, only=None)
    command = [sys.executable, "-m", "deploy.cli", "venue", "--state", str(state), "--port-base", str(port)]
    environment = {**os.environ, **planned.credentials}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "venue ready" in process.stdout.readline()
        yield port
        process.terminate()


def test_an_unknown_region_names_the_known_ones(state: Path) -> None:
    refused(node_here(state, "--region", "osaka"), ExitCode.CONFIG, "choose from frankfurt, nyc, tokyo")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('region = "tokyo"', 'region = "tokyo"\nspeed = 3', "speed"),
        ('node = "tokyo-1"', "", "node"),
        ("shard = 102", "shard = 101", "shard"),
        ("[[venues]]", "[[venues]", "TOML"),
        ('strategy = "momentum"', 'strategy = "clairvoyance"', "clairvoyance"),
        ("fast_s = 2.0", "fast_s = -2.0", "fast_s"),
    ],
)
def test_a_bad_region_file_names_file_and_field(state: Path, old: str, new: str, words: str) -> None:
    path = state / "region.toml"
    text = TOKYO.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    told = node_here(state, "--config", str(path))
    refused(told, ExitCode.CONFIG, words)
    assert str(path) in told.stderr


def test_a_missing_api_key_is_named(state: Path) -> None:
    refused(node_here(state, "--region", "tokyo"), ExitCode.WRONG_KEY, "TOKYO_X_API_KEY")


def test_a_missing_coordinator_key_is_named(
    tmp_path: Path, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys" / "coordinator.pub").unlink()
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    told = node_here(tmp_path, "--region", "tokyo")
    refused(told, ExitCode.WRONG_KEY, "coordinator.pub")


@pytest.mark.end_to_end
def test_a_venue_that_is_down_is_named(state: Path, secrets: dict[str, str]) -> None:
    place = f"tokyo-x=127.0.0.1:{free_port_base() + 60}"
    told = node(state, "--region", "tokyo", "--venue", place, environment=secrets)
    refused(told, ExitCode.VENUE_DOWN, "tokyo-x")


@pytest.mark.end_to_end
def test_a_wrong_api_key_is_told_by_the_venue(state: Path, secrets: dict[str, str], venue: int) -> None:
    wrong = {**secrets, "TOKYO_X_API_SECRET": "0" * 64}
    told = node(state, "--region", "tokyo", "--venue", f"tokyo-x=127.0.0.1:{venue}", environment=wrong)
    refused(told, ExitCode.WRONG_KEY, "tokyo-x")


@pytest.mark.end_to_end
def test_a_broken_journal_refuses_to_start(state: Path, secrets: dict[str, str], venue: int) -> None:
    folder = state / "journal" / "node-tokyo-1"
    folder.mkdir(parents=True)
    (folder / "000001.db").write_bytes(b"not a database" * 100)
    told = node(state, "--region", "tokyo", "--venue", f"tokyo-x=127.0.0.1:{venue}", environment=secrets)
    refused(told, ExitCode.JOURNAL_BROKEN, str(folder))
