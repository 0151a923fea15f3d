"""The real processes, shot at."""

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from agents.record import decode
from bus.journal_reader import open_reader
from domain.control_events import ModelSet
from domain.errors import ExitCode
from domain.ids import client_id_read
from learning.places import models_root
from learning.registry.registry import Registry
from sim.exchange.messages import Command, PlaceOrder
from tests.deploy.running import RunningSwarm, processes_of, swarm, until

pytestmark = pytest.mark.end_to_end

EXCHANGES = ("tokyo-x", "frankfurt-x", "nyc-x")
LEARNT_S = 240.0  # rounds that the hold-out refuses are asked for again half a minute later
PROCESSES = ("venue", "coordinator", "tokyo-1", "frankfurt-1", "nyc-1")


def sent_ids(state: Path, exchange: str) -> Counter[str]:
    """Count our client ids in what an exchange accepted, by its own journal."""
    decode = msgspec.msgpack.Decoder(Command).decode
    journal = open_reader(state / "journal" / f"exchange-{exchange}")
    commands = (decode(record) for _, record in journal.read(2))  # the first names the config
    return Counter(
        command.client_text
        for command in commands
        if isinstance(command, PlaceOrder) and client_id_read(command.client_text) is not None
    )


def test_every_kind_of_process_is_killed_nothing_is_lost_and_a_new_run_goes_on_from_there(
    tmp_path: Path,
) -> None:
    draws = random.Random(20261121)
    with RunningSwarm(tmp_path) as running:
        running.wait_started()
        for name in draws.sample(PROCESSES, len(PROCESSES)):
            time.sleep(draws.uniform(0.5, 3.0))  # at a random moment; nothing is waited for
            running.wait_back(name, running.kill(name))
        until("every region trades again", running.all_active, 60)
        until("bitcoin has a way into euros", lambda: _routed(tmp_path), 30)
        for verb in ("verify", "replay"):
            told = swarm("journal", verb, state=tmp_path, timeout_s=120, counted=False)
            assert told.returncode == 0, told
        assert swarm("journal", "tail", "-n", "3", state=tmp_path).stdout.count("\n") >= 3
        running.process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        code, summary, err = running.end()
        assert time.monotonic() - asked < 10, "Ctrl-C ended nothing"
    assert code == ExitCode.OK, (summary, err)
    assert summary["positions_match"] is True
    assert summary["restarts"] == len(PROCESSES)
    assert summary["journal"]["verified"] is True
    assert len(summary["regions"]) == 3
    assert all(region["fills"] > 0 for region in summary["regions"].values())
    for exchange in EXCHANGES:
        ids = sent_ids(tmp_path, exchange)
        assert sum(ids.values()) > 0
        assert [text for text, count in ids.items() if count > 1] == []
    _goes_on(tmp_path)


def _routed(state: Path) -> bool:
    told = swarm("arb", "route", "BTC", "EUR", "1.5", "--json", state=state)
    return told.returncode == 0 and json.loads(told.stdout)["best"] is not None


def _goes_on(state: Path) -> None:
    """Run again on the same state, and learn this time: rows of the first run lie in its journals."""
    with RunningSwarm(state, learn=True) as running:
        running.wait_started()
        until(
            "every region has judged a version of all",
            lambda: all(map(_judged, _registries(state))),
            LEARNT_S,
        )
        champions = {each.folder.name: each.pointer().champion for each in _registries(state)}
        served = [name for name, champion in champions.items() if champion]
        until("champions serve", lambda: all(_serves(running, name) for name in served), 30)
        running.process.send_signal(signal.SIGINT)
        code, summary, err = running.end()
    assert code == ExitCode.OK, (summary, err)
    assert summary["positions_match"] is True
    assert summary["restarts"] == 0
    assert summary["agents"] >= 12
    assert summary["orders"]["sent"] == summary["orders"]["approved"] > 0
    assert summary["tick_to_order_us"]["p99"] >= summary["tick_to_order_us"]["p50"] > 0
    learnt = summary["learning"]
    assert learnt["version"] == learnt["made"] >= 1
    for region in learnt["regions"].values():
        assert region["rows"] > 0 and region["judged"] >= 1
        assert (region["champion"] != "") == (region["promoted"] >= 1)
    assert not (state / "run.json").exists()
    until("nothing is left", lambda: processes_of(state) == [], 5)


def _registries(state: Path) -> list[Registry]:
    return [Registry(models_root(state) / region) for region in ("tokyo", "frankfurt", "nyc")]


def _judged(registry: Registry) -> bool:
    """Tell whether a region has held a version of all against its gates; its own models do not count."""
    judged = {entry.model for entry in registry.history() if entry.verb == "judge"}
    return any(registry.show(model).source == "federation" for model in judged)


def _serves(running: RunningSwarm, region: str) -> bool:
    """Tell whether a region's node was given its champion, by its own journal."""
    champion = Registry(models_root(running.state) / region).pointer().champion
    facts = (
        decode(record) for _, record in open_reader(running.state / "journal" / f"node-{region}-1").read(1)
    )
    return any(isinstance(fact, ModelSet) and fact.model == champion for fact in facts)


def test_a_halt_is_confirmed_within_a_second_and_outlives_every_process(tmp_path: Path) -> None:
    with RunningSwarm(tmp_path) as running:
        running.wait_started()
        _refuses_a_second(running, tmp_path)
        told = swarm("halt", "--json", "--reason", "test", state=tmp_path)
        assert told.returncode == 0, told
        confirmed = json.loads(told.stdout)["confirmed_ms"]
        assert sorted(confirmed) == ["frankfurt", "nyc", "tokyo"]
        assert max(confirmed.values()) <= 1000
        orders = {exchange: sum(sent_ids(tmp_path, exchange).values()) for exchange in EXCHANGES}
        for name in PROCESSES:
            running.wait_back(name, running.kill(name))
        until("every region is seen halted", lambda: _all_halted(running), 60)
        assert orders == {exchange: sum(sent_ids(tmp_path, exchange).values()) for exchange in EXCHANGES}
        assert swarm("resume", "--region", "nyc", state=tmp_path).returncode == 0
        until("nyc trades again", lambda: _trading(running) == ["nyc"], 30)
        running.process.send_signal(signal.SIGTERM)
        code, summary, err = running.end()
    assert code == ExitCode.OK, (summary, err)


def _refuses_a_second(running: RunningSwarm, state: Path) -> None:
    """Start another on the same state, and one on the same ports: both are told so."""
    assert (state / "up.lock").exists()
    second = swarm("up", "--seconds", "5", state=state)
    assert second.returncode == ExitCode.STATE_IN_USE
    assert second.stderr.count("\n") == 1
    other = swarm("up", "--seconds", "5", "--port-base", str(running.port_base), state=state / "other")
    assert other.returncode == ExitCode.PORT_IN_USE
    assert "is in use (coordinator)" in other.stderr


def _all_halted(running: RunningSwarm) -> bool:
    members = running.status().get("members", ())
    reports = [member["report"] for member in members if member["report"] and member["health"] == "ok"]
    return len(reports) == 3 and all(report["halted"] and report["flat_of_orders"] for report in reports)


def _trading(running: RunningSwarm) -> list[str]:
    members = running.status().get("members", ())
    return [
        member["region"]
        for member in members
        if member["report"] and all(agent["lifecycle"] == 2 for agent in member["report"]["agents"])
    ]
