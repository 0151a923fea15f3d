"""Somebody else trades on our account: the run must not end as if nothing had happened."""

import hashlib
import hmac
import json
import signal
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ExitCode
from tests.deploy.running import RunningSwarm, until

pytestmark = pytest.mark.end_to_end


def keys(state: Path) -> dict[str, str]:
    lines = (state / "keys" / "venues.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def buy_at_market(port: int, key: str, secret: str) -> dict[str, Any]:
    """Trade on an account as any other client of the exchange would."""
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    query = urllib.parse.urlencode({**order, "timestamp": int(time.time() * 1000), "recvWindow": 5000})
    signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v3/order?{query}&signature={signature}",
        headers={"X-MBX-APIKEY": key},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def test_a_trade_that_is_not_ours_is_seen_blocked_and_told_at_the_end(tmp_path: Path) -> None:
    with RunningSwarm(tmp_path, counted=False) as running:
        running.wait_started()
        known = keys(tmp_path)
        told = buy_at_market(running.port_base + 31, known["TOKYO_X_API_KEY"], known["TOKYO_X_API_SECRET"])
        assert told["status"] == "FILLED"
        until("tokyo sees it", lambda: _unexplained(running) == ["tokyo"], 30)
        running.process.send_signal(signal.SIGINT)
        code, summary, err = running.end()
    assert code == ExitCode.POSITIONS_MISMATCH, (summary, err)
    assert summary["positions_match"] is False
    assert [name for name, region in summary["regions"].items() if not region["positions_match"]] == ["tokyo"]
    assert "swarm: positions do not match: tokyo-1" in err


def _unexplained(running: RunningSwarm) -> list[str]:
    members = running.status().get("members", ())
    return [member["region"] for member in members if member["report"] and member["report"]["unexplained"]]
