"""The real venue process: started, shot, started again, ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bus.journal import Journal
from domain.errors import ConfigError, ExitCode, SwarmError
from sim.exchange import sign
from sim.exchange.config import load_exchanges
from sim.exchange.exchange import Exchange
from sim.exchange.messages import CancelPlaced
from sim.exchange.recovery import RecordedExchange
from sim.exchange.server import bind
from sim.exchange.server_process import VenueSettings, run_venue
from sim.exchange.server_venue import read_keys
from tests.sim.exchange.server_builders import KEYS, Running, ask, config

CONFIG = """
[shared]
assets = ["BTC", "USDT"]
markets = [
    { base = "BTC", quote = "USDT", tick = "0.01", lot = "0.00001", size_max = "200", start_price = "60000" },
]
accounts = [
    { name = "alice", api_key_env = "A_KEY", api_secret_env = "A_SECRET", balances = { USDT = "1000000" } },
    { name = "flow-maker", unlimited = true },
    { name = "flow-noise", unlimited = true },
    { name = "flow-momentum", unlimited = true },
]
[[exchanges]]
name = "one-x"
[[exchanges]]
name = "two-x"
"""

START = (
    "import argparse, sys; from sim import venue_cli; p = argparse.ArgumentParser();"
    "venue_cli.add_commands(p.add_subparsers()); a = p.parse_args(); sys.exit(a.run(a))"
)


class Process:
    """One run of `swarm venue`."""

    def __init__(self, folder: Path) -> None:
        (folder / "exchanges.toml").write_text(CONFIG)
        self.child = subprocess.Popen(
            [
                *(sys.executable, "-c", START, "venue", "--state", str(folder)),
                *("--config", str(folder / "exchanges.toml"), "--speed", "20"),
            ],
            env={**os.environ, **KEYS},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.child.stdout is not None
        words = self.child.stdout.readline().split()
        assert words[:3] == ["venue", "ready", "one-x"] and words[4] == "two-x", words
        self.url = words[3]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def end(self, how: signal.Signals) -> int:
        self.child.send_signal(how)
        code = self.child.wait(10)
        assert self.child.stdout is not None
        self.child.stdout.close()
        return code


@contextmanager
def process(folder: Path) -> Iterator[Process]:
    """Start, and never leave it behind."""
    started = Process(folder)
    try:
        yield started
    finally:
        if started.child.poll() is None:
            started.end(signal.SIGKILL)


async def _place_until_shot(at: Process, count: int) -> list[str]:
    """Place orders and collect the ids that were acknowledged; the process is shot after `count` answers."""
    acknowledged: list[str] = []
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{at.url}/ws-api/v3") as door:
        for number in range(count):
            stamp = (await ask(door, 0, "time", {}))["result"]["serverTime"]
            params = {
                **Running.order(None, "BUY", "50000", "0.001", newClientOrderId=f"order-{number}"),  # type: ignore[arg-type]
                "apiKey": KEYS["A_KEY"],
                "timestamp": stamp,
            }
            payload = sign.ws_payload({name: str(value) for name, value in params.items()})
            params["signature"] = sign.signature(KEYS["A_SECRET"].encode(), payload)
            answer = await ask(door, number, "order.place", params)
            assert answer["status"] == 200, answer
            acknowledged.append(answer["result"]["clientOrderId"])
        at.end(signal.SIGKILL)
    return acknowledged


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    with process(tmp_path) as at:
        acknowledged = asyncio.run(_place_until_shot(at, 20))
    one = load_exchanges(tmp_path / "exchanges.toml")[0]
    name = "exchange-one-x"
    with Journal.open(tmp_path / "journal" / name, name) as journal:
        shot: Exchange = RecordedExchange.recover(one, journal).exchange
        commands = journal.events
    assert [order.client_text for order in shot.open_orders(0)] == acknowledged
    assert shot.balances(0)["USDT"] == (9_990_000_000_000_000, 10_000_000_000_000)
    with process(tmp_path) as at:
        depth = at.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
        assert depth["lastUpdateId"] >= shot.depth(0, 1)[0]
        assert ["50000.00", "0.02000"] in depth["bids"]
        while at.get("/api/v3/depth?symbol=BTCUSDT&limit=1")["lastUpdateId"] <= shot.depth(0, 1)[0] + 5:
            pass
        assert at.end(signal.SIGTERM) == 0
    with Journal.open(tmp_path / "journal" / name, name) as journal:
        assert journal.events > commands
        recorded = RecordedExchange.recover(one, journal)
        assert recorded.replayed == 0
        wanted = CancelPlaced(1, 0, 0, client_text=acknowledged[0])
        assert len(recorded.step(wanted)) == 2


def taken_after_a_free_one() -> socket.socket:
    """Listen on a port whose lower neighbour nobody else has: other tests run beside this one."""
    while True:
        taken = socket.create_server(("127.0.0.1", 0))
        try:
            socket.create_server(("127.0.0.1", taken.getsockname()[1] - 1)).close()
            return taken
        except OSError:
            taken.close()


def test_a_port_in_use_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "exchanges.toml").write_text(CONFIG)
    with taken_after_a_free_one() as taken:
        port = taken.getsockname()[1]
        settings = VenueSettings(tmp_path / "state", tmp_path / "exchanges.toml", port_base=port - 1)
        with pytest.raises(SwarmError, match=str(port)) as refused:
            run_venue(settings)
    assert refused.value.code == ExitCode.PORT_IN_USE
    assert "--port-base" in refused.value.mend
    assert not (tmp_path / "state").exists()


def test_a_port_that_is_not_ours_to_take_is_refused() -> None:
    with pytest.raises(SwarmError, match="port 70000 cannot be bound") as refused:
        bind([("x", 0), ("y", 70_000)])
    assert (refused.value.code, refused.value.where) == (ExitCode.CONFIG, "y")


@pytest.mark.parametrize("key", ["keyAAAA", "ключ-ключ", "k" * 129, "with space"])
def test_a_key_that_every_request_would_be_refused_for_is_told_at_the_start(key: str) -> None:
    with pytest.raises(ConfigError, match="A_KEY is no API key") as refused:
        read_keys(config(), {"A_KEY": key, "A_SECRET": "secret"})
    assert refused.value.where == "test-x" and key not in str(refused.value)


def test_a_missing_key_names_its_variable() -> None:
    with pytest.raises(ConfigError, match="A_SECRET") as refused:
        read_keys(config(), {"A_KEY": "alice-key-1"})
    assert refused.value.where == "test-x"
