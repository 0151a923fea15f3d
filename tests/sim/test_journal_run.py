"""`swarm journal`: what it prints and answers, on what a simulation left behind."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import pytest

from agents.record import encode_action, encode_event, encode_mark
from bus.journal import Journal
from coordinator.facts import LatchSet, NodeLeft, write_fact
from deploy.cli import parser
from domain.actions import FetchBook
from domain.control_events import Clocked
from domain.errors import ExitCode, SwarmError
from domain.protocols import Store
from sim import cli
from sim.exchange.messages import CancelPlaced
from sim.swarm import SwarmModel
from tests.sim.plans import plan


def on_disk(state: Path, seconds: float) -> None:
    """Leave a simulation's journals behind."""

    def opened(name: str) -> Store:
        return Journal.open(state / "journal" / name, name)

    model = SwarmModel(plan(7, "tokyo"), opened)
    model.nodes[0].recorder.snapshot_every = 100
    model.run_for(seconds)
    model.stop()
    for host in model.hosts.values():
        host.recorded.keep_snapshot()
    coordinator = model.stores["coordinator"]
    coordinator.snapshot(model.coordinator.core.snapshot())
    for store in model.stores.values():
        assert isinstance(store, Journal)
        store.close()


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("left")
    on_disk(state, 8)
    return state


@pytest.fixture
def state(left: Path, tmp_path: Path) -> Path:
    shutil.copytree(left, tmp_path / "state")
    return tmp_path / "state"


def swarm(*words: str) -> int:
    """Run a command as `swarm` does."""
    parser = argparse.ArgumentParser()
    cli.add_commands(parser.add_subparsers())
    arguments = parser.parse_args(words)
    code: int = arguments.run(arguments)
    return code


def journal(state: Path, verb: str, *words: str) -> int:
    return swarm("journal", verb, "--state", str(state), *words)


def added(state: Path, process: str, *records: bytes) -> None:
    """Add records to a journal, properly chained."""
    with Journal.open(state / "journal" / process, process) as opened:
        for record in records:
            opened.append(record)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_journal_verifies(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert journal(left, "verify", "--json") == 0
    found = lines(capsys)
    assert [one["process"] for one in found] == ["coordinator", "exchange-tokyo-x", "node-tokyo-1"]
    assert all(one["verified"] and one["cut_events"] == 0 for one in found)
    assert journal(left, "verify", "--process", "node-tokyo-1") == 0
    assert f"node-tokyo-1: {found[2]['events']} events" in capsys.readouterr().out


def test_a_broken_journal_is_named_and_the_others_are_still_checked(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = next(
        path for path in sorted((state / "journal" / "coordinator").iterdir()) if path.suffix == ".db"
    )
    whole = bytearray(segment.read_bytes())
    place = bytes(whole).index(b"tokyo-1")
    whole[place] ^= 1
    segment.write_bytes(bytes(whole))
    assert journal(state, "verify", "--json") == ExitCode.JOURNAL_BROKEN
    captured = capsys.readouterr()
    found = [json.loads(line) for line in captured.out.splitlines()]
    assert [one["verified"] for one in found] == [False, True, True]
    assert captured.err.startswith("swarm: ") and "coordinator" in captured.err


@pytest.mark.parametrize("words", [(), ("--from-snapshot",)], ids=["genesis", "snapshot"])
def test_every_journal_replays_to_what_was_recorded(
    left: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert journal(left, "replay", "--json", *words) == 0
    found = {str(one["process"]): one for one in lines(capsys)}
    assert all(one["equal"] and one["recorded_hash"] == one["derived_hash"] for one in found.values())
    if words:
        assert found["node-tokyo-1"]["from_sequence"] != 1
    else:
        assert all(one["snapshots"] for one in found.values()), "states on the way are compared too"
        assert found["node-tokyo-1"]["actions"]
    assert journal(left, "replay", *words) == 0
    assert "node-tokyo-1: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("process", "record"),
    [
        ("node-tokyo-1", encode_action(FetchBook(3))),
        ("exchange-tokyo-x", b"\x95\x02\x01\x00\x00\xce\x3b\x9a\xca\x00"),
        ("coordinator", write_fact(LatchSet(None, True, 0, "an id that went back"))),
        ("coordinator", write_fact(NodeLeft("nobody-1"))),
    ],
    ids=[
        "an action that nothing called for",
        "a command that is refused",
        "a stale latch",
        "an unknown node",
    ],
)
def test_what_does_not_follow_is_named_by_its_sequence(
    state: Path, capsys: pytest.CaptureFixture[str], process: str, record: bytes
) -> None:
    with Journal.open(state / "journal" / process, process) as opened:
        sequence = opened.append(record)
    assert journal(state, "replay") == ExitCode.REPLAY_MISMATCH
    told = capsys.readouterr().out
    assert f"NOT EQUAL, first difference at record {sequence}" in told
    assert told.count("NOT EQUAL") == 1


def test_an_input_that_lost_its_action_is_a_difference(state: Path) -> None:
    added(state, "node-tokyo-1", encode_event(Clocked(2**62)), encode_event(Clocked(2**62 + 1)))
    assert journal(state, "replay", "--process", "node-tokyo-1") == ExitCode.REPLAY_MISMATCH


def test_a_tail_that_was_torn_off_is_no_difference(state: Path) -> None:
    added(state, "node-tokyo-1", encode_event(Clocked(2**62)))
    assert journal(state, "replay", "--process", "node-tokyo-1") == 0


def test_the_tail_is_readable(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    added(
        state,
        "node-tokyo-1",
        encode_mark("build", version="x" * 200),
        encode_event(Clocked(7)),
        encode_action(FetchBook(3)),
    )
    assert journal(state, "tail", "-n", "3", "--process", "node-tokyo-1") == 0
    mark, event, action = capsys.readouterr().out.splitlines()
    assert " mark build version=xxx" in mark and mark.endswith("…")
    assert event.endswith("in   Clocked local_ts_ns=7") and action.endswith("out  FetchBook instrument=3")
    assert journal(state, "tail", "-n", "1", "--json") == 0
    kinds = {str(one["process"]): (one["kind"], one["type"]) for one in lines(capsys)}
    assert kinds["coordinator"] == ("fact", "EpochGranted") and kinds["node-tokyo-1"] == ("out", "FetchBook")
    assert kinds["exchange-tokyo-x"][0] == "in"


def test_following_gives_what_is_added(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[float] = []

    def pause(seconds: float) -> None:
        turns.append(seconds)
        if len(turns) == 3:
            raise KeyboardInterrupt
        added(state, "node-tokyo-1", encode_event(Clocked(len(turns))))

    monkeypatch.setattr("sim.journal_tail.time.sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        journal(state, "tail", "-n", "1", "--follow", "--process", "node-tokyo-1", "--json")
    found = lines(capsys)
    assert [one["fields"] for one in found[1:]] == [{"local_ts_ns": 1}, {"local_ts_ns": 2}]
    assert len({one["sequence"] for one in found}) == 3


@pytest.mark.parametrize("verb", ["verify", "tail", "replay"])
def test_where_there_is_nothing_that_is_said(tmp_path: Path, verb: str) -> None:
    with pytest.raises(SwarmError, match="no journals") as caught:
        journal(tmp_path, verb)
    assert caught.value.code == ExitCode.NOT_STARTED


def test_an_unknown_process_names_the_known_ones(left: Path) -> None:
    with pytest.raises(SwarmError, match="journal of paris-1") as caught:
        journal(left, "verify", "--process", "paris-1")
    assert "node-tokyo-1" in caught.value.mend


def test_an_exchange_that_is_not_configured_is_said(state: Path) -> None:
    added(state, "exchange-paris-x", b"\x95\x02\x01\x00\x00\x01")
    with pytest.raises(SwarmError, match="paris-x is not configured"):
        journal(state, "replay", "--process", "exchange-paris-x")


def test_a_cancelled_order_reads_as_a_command(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import msgspec

    added(state, "exchange-tokyo-x", msgspec.msgpack.encode(CancelPlaced(5, 0, 1, 9)))
    assert journal(state, "tail", "-n", "1", "--process", "exchange-tokyo-x") == 0
    assert "CancelPlaced now_ns=5 account=0 instrument=1 order_id=9" in capsys.readouterr().out


@pytest.mark.parametrize("count", ["0", "-3", "many"])
def test_a_tail_of_no_length_is_a_wrong_call(count: str) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(["journal", "tail", "-n", count])
    assert caught.value.code == ExitCode.USAGE
