"""Starting with the admin door, and starting over after a fault that outlived its process."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from domain.errors import ConfigError
from sim import venue_cli
from sim.exchange.faults import words
from sim.exchange.faults.config import FaultKind
from sim.exchange.faults.faults import Verdict
from sim.exchange.messages import MarketStatus, SetMarket
from sim.exchange.recovery import RecordedExchange
from sim.exchange.server_process import VenueSettings, run_venue
from tests.market.venue_server import Simulated, in_loop, until
from tests.sim.exchange.server_builders import KEYS
from tests.sim.exchange.test_server_process import CONFIG, START


def test_the_admin_door_is_shut_unless_asked_for() -> None:
    parser = argparse.ArgumentParser()
    venue_cli.add_commands(parser.add_subparsers())
    told = [parser.parse_args(["venue", *more]).admin for more in ([], ["--admin"], ["--admin", "MINE"])]
    assert told == [None, "SWARM_ADMIN_TOKEN", "MINE"]


def test_the_admin_door_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exchanges.toml").write_text(CONFIG)
    for name, value in {**KEYS, "MINE": ""}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="environment variable MINE is not set"):
        run_venue(VenueSettings(tmp_path, tmp_path / "exchanges.toml", admin_token_env="MINE"))


@pytest.mark.end_to_end
def test_a_started_venue_takes_faults_from_whoever_has_the_token(tmp_path: Path) -> None:
    (tmp_path / "exchanges.toml").write_text(CONFIG)
    command = [sys.executable, "-c", START, "venue", "--state", str(tmp_path), "--admin"]
    child = subprocess.Popen(
        [*command, "--config", str(tmp_path / "exchanges.toml")],
        env={**os.environ, **KEYS, "SWARM_ADMIN_TOKEN": "mine"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        url = child.stdout.readline().split()[3]
        body = json.dumps({"kind": "http_5xx", "target": "rest", "amount": 502}).encode()
        asked = urllib.request.Request(f"{url}/admin/faults", body, {"X-Admin-Token": "mine"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert json.load(answer) == {"id": 1}
        with pytest.raises(urllib.error.HTTPError, match="502"):
            urllib.request.urlopen(f"{url}/api/v3/ping", timeout=10)
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
        assert child.stdout is not None
        child.stdout.close()


@in_loop
async def test_a_market_that_a_fault_closed_trades_again_after_a_restart() -> None:
    one = Simulated()
    recorded = RecordedExchange.recover(one.config, one.store)
    recorded.step(SetMarket(1, 0, MarketStatus.BREAK, 10))
    recorded.commit()
    await one.start()
    try:
        await until(lambda: one.exchange.markets[0].status == MarketStatus.TRADING)
        assert one.exchange.markets[0].tick_multiple == 1
    finally:
        await one.stop()


@pytest.mark.parametrize(
    ("verdict", "status", "text"),
    [
        (Verdict(FaultKind.MAINTENANCE, status=503), 503, b"EService:Unavailable"),
        (Verdict(FaultKind.BAN, status=418, retry_after_s=5), 200, b"EGeneral:Temporary lockout"),
        (Verdict(FaultKind.HTTP_5XX, status=502), 502, b"EGeneral:Internal error"),
    ],
)
def test_kraken_is_refused_in_its_own_words(verdict: Verdict, status: int, text: bytes) -> None:
    answer = words.response("/0/public/Time", verdict)
    assert answer.status == status and isinstance(answer.body, bytes) and text in answer.body
