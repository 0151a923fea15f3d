"""A node that spins and rehearses, as a process: it trades, it stops, and no rehearsal ever leaves it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from agents.record import decode
from bus.codec import RecordedSend
from bus.journal_reader import open_reader
from bus.keys import ensure_keys
from deploy.credentials import venue_credentials
from deploy.plan import EXCHANGES, REGIONS
from domain.ids import client_id_read
from domain.report import NodeReport
from sim.exchange.messages import Command, PlaceOrder
from tests.deploy.running import ROOT, free_port_base, until

pytestmark = pytest.mark.end_to_end

HOT = """
[hot]
spin = true
rehearse_us = 500
"""


def sent(state: Path) -> list[int]:
    """Give the client ids that the node's journal says it sent."""
    journal = open_reader(state / "journal" / "node-tokyo-1")
    records = (decode(record) for _, record in journal.read(1))
    return [record.client_id for record in records if isinstance(record, RecordedSend)]


def taken(state: Path) -> list[int]:
    """Give the client ids of ours in the exchange's own journal."""
    read = msgspec.msgpack.Decoder(Command).decode
    journal = open_reader(state / "journal" / "exchange-tokyo-x")
    commands = (read(record) for _, record in journal.read(2))
    return [
        number
        for command in commands
        if isinstance(command, PlaceOrder) and (number := client_id_read(command.client_text)) is not None
    ]


def test_a_hot_node_trades_and_its_rehearsals_stay_inside(tmp_path: Path) -> None:
    port = free_port_base() + 70
    names = re.findall(r'api_\w+_env = "(\w+)"', EXCHANGES.read_text("utf-8"))
    environment = {**os.environ, **venue_credentials(tmp_path / "keys", sorted(set(names)))}
    text = (REGIONS / "tokyo" / "region.toml").read_text("utf-8").partition("[[arbitrage]]")[0]
    text = re.sub(r"record = false\nwarm_s = 0", "record = true\nwarm_s = 60", text)
    text = text.replace("warm_ticks = 20", "warm_ticks = 1") + HOT
    region = tmp_path / "hot.toml"
    region.write_text(text, "utf-8")
    ensure_keys(tmp_path, "coordinator")
    with ExitStack() as stack:

        def start(ready: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "deploy.cli", *arguments, "--state", str(tmp_path)],
                    cwd=ROOT,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            line = process.stdout.readline()
            assert ready in line, process.communicate()
            return process, line.split()[-1]

        start("venue ready", "venue", "--port-base", str(port))
        _, address = start("coordinator ready", "coordinator", "--listen", "tcp://127.0.0.1:0")
        node, _ = start(
            "node ready",
            *("node", "--config", str(region), "--coordinator", address),
            *("--venue", f"tokyo-x=127.0.0.1:{port}"),
        )
        until("it trades", lambda: len(taken(tmp_path)) >= 3, 30)
        node.send_signal(signal.SIGTERM)
        _, said = node.communicate(timeout=15)
        assert node.returncode == 0, said
        assert "no more rehearsals" not in said and "Traceback" not in said
    report = msgspec.json.decode((tmp_path / "reports" / "tokyo-1.json").read_bytes(), type=NodeReport)
    assert report.flat_of_orders and report.reconciled
    assert sorted(taken(tmp_path)) == sorted(sent(tmp_path))
