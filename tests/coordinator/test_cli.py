from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bus.keys import ensure_keys
from domain.errors import ExitCode
from domain.units import atoms
from tests.coordinator.commands import main
from tests.coordinator.processes import ROOT, coordinator, node, until
from tests.coordinator.test_orders import move

pytestmark = pytest.mark.end_to_end


def swarm(state: Path, *words: str) -> int:
    return main([words[0], "--state", str(state), *words[1:]])


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return answer


def test_without_a_coordinator_every_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["arb", "moves", "--state", str(tmp_path)]) == ExitCode.NOT_RUNNING
    assert "no coordinator is running" in capsys.readouterr().err
    for command in ("status", "halt", "resume"):
        assert swarm(tmp_path, command) == ExitCode.NOT_RUNNING
        assert "no coordinator is running" in capsys.readouterr().err


def test_moves_are_listed_and_an_operators_word_reaches_its_node_over_a_crash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        coordinator(tmp_path) as running,
        node(tmp_path, running.address, "nyc-1", obeys=False) as nyc,
    ):
        nyc.moves = (move(), move("arb-8", state="arrived", note="late"))
        until(lambda: nyc.grants)
        moves = ["arb", "moves", "--state", str(tmp_path)]
        until(lambda: _listed(moves, capsys) != "nothing is to be moved\n")
        main(moves)
        assert capsys.readouterr().out.splitlines() == [
            "arb-7            proposed  transfer 1.5 BTC  a-x -> b-x, costs 0.001 BTC, takes 60 s",
            "                 because",
        ]
        assert main([*moves, "--json", "--all", "--region", "nyc"]) == ExitCode.OK
        listed = json.loads(capsys.readouterr().out)
        assert [(one["move"], one["state"], one["amount"]) for one in listed] == [
            ("arb-7", "proposed", "1.5"),
            ("arb-8", "arrived", "1.5"),
        ]
        assert main([*moves, "--region", "tokyo"]) == ExitCode.OK
        assert capsys.readouterr().out == "nothing is to be moved\n"
        assert main([*moves, "take"]) == ExitCode.USAGE
        assert main([*moves, "take", "arb-9"]) == ExitCode.USAGE
        assert "no node proposes it" in capsys.readouterr().err
        for wrong in (["take", "arb-7", "--amount", "0"], ["take", "arb-7", "--amount", "1e400x"]):
            assert main([*moves, *wrong]) == ExitCode.USAGE
            assert "is no amount that can be sent" in capsys.readouterr().err
        assert main([*moves, "drop", "arb-7", "--amount", "1"]) == ExitCode.USAGE
        assert main([*moves, "--amount", "1"]) == ExitCode.USAGE
        assert capsys.readouterr().err.count("an amount goes with `take` only") == 2
        # The node hears nothing; the coordinator dies, comes back, and tells it then.
        assert main([*moves, "take", "arb-7", "--amount", "1.25", "--timeout", "0.4"]) == ExitCode.TIMED_OUT
        assert "nyc-1 did not answer within 0.4 s" in capsys.readouterr().err
        running.kill()
        nyc.obeys = True
        running.start()
        until(lambda: nyc.heard)
        assert [(one.move, one.verb, one.atoms) for one in nyc.heard] == [("arb-7", "take", atoms("1.25"))]
        nyc.moves = (move(state="taken"),)
        assert main([*moves, "take", "arb-7"]) == ExitCode.OK
        assert "arb-7            taken" in capsys.readouterr().out
        nyc.answer = "a-x has 0 BTC free"
        assert main([*moves, "drop", "arb-7"]) == ExitCode.USAGE
        assert "a-x has 0 BTC free" in capsys.readouterr().err


def _listed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    main(words)
    return capsys.readouterr().out


def test_an_address_where_nobody_is_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_keys(tmp_path, "operator")
    ensure_keys(tmp_path, "coordinator")
    words = ("--coordinator", "tcp://127.0.0.1:1", "--timeout", "0.3")
    assert swarm(tmp_path, "status", *words) == ExitCode.NOT_RUNNING
    assert "no coordinator is running (tcp://127.0.0.1:1)" in capsys.readouterr().err


def test_a_halt_waits_until_every_region_confirmed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        coordinator(tmp_path) as running,
        node(tmp_path, running.address, "tokyo-1") as tokyo,
        node(tmp_path, running.address, "nyc-1") as nyc,
    ):
        tokyo.wait_for_grant(), nyc.wait_for_grant()
        assert swarm(tmp_path, "halt", "--json", "--reason", "storm") == ExitCode.OK
        answer = printed(capsys)
        assert answer["unconfirmed"] == []
        took = answer["confirmed_ms"]
        assert isinstance(took, dict) and list(took) == ["nyc", "tokyo"]
        assert max(took.values()) < 1000
        assert tokyo.latch == nyc.latch == (True, 1)
        assert tokyo.grants[-1].halt_reason == "storm"

        assert swarm(tmp_path, "resume", "--region", "nyc") == ExitCode.OK
        assert "resumed nyc; still halted: tokyo" in capsys.readouterr().out
        until(lambda: nyc.latch == (False, 2))
        assert swarm(tmp_path, "resume", "--json") == ExitCode.OK
        assert printed(capsys)["halted_regions"] == []
        assert swarm(tmp_path, "halt", "--region", "tokyo") == ExitCode.OK
        assert "tokyo halted, no open orders, in" in capsys.readouterr().out
        assert not nyc.latch[0]

        assert swarm(tmp_path, "status") == ExitCode.OK
        told = capsys.readouterr().out
        assert "halted: tokyo" in told and "confirmed" in told
        assert swarm(tmp_path, "status", "--json") == ExitCode.OK
        status = printed(capsys)
        assert status["halted_regions"] == ["tokyo"] and status["journal_events"] == 6


def test_a_region_that_does_not_confirm_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        coordinator(tmp_path) as running,
        node(tmp_path, running.address, "tokyo-1", obeys=False) as deaf,
    ):
        deaf.wait_for_grant()
        assert swarm(tmp_path, "halt", "--timeout", "0.3") == ExitCode.TIMED_OUT
        told = capsys.readouterr()
        assert "tokyo NOT confirmed" in told.out
        assert "halt not confirmed within 0.3 s by tokyo" in told.err
        until(lambda: deaf.grants[-1].halted)


def test_an_unknown_region_is_refused_with_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "coordinator.toml"
    config.write_text('regions = ["nyc", "tokyo"]')
    with coordinator(tmp_path, "--config", str(config)):
        assert swarm(tmp_path, "halt", "--region", "mars") == ExitCode.USAGE
        assert "region mars is not known; known: nyc, tokyo" in capsys.readouterr().err
        assert swarm(tmp_path, "halt", "--region", "nyc") == ExitCode.OK
        assert "no node is there" in capsys.readouterr().out


def test_a_coordinator_killed_and_restarted_is_still_halted_and_never_repeats_an_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[int, int] = {}
    with coordinator(tmp_path) as running:
        for incarnation in range(1, 4):
            with node(tmp_path, running.address, "tokyo-1", incarnation) as tokyo:
                grant = tokyo.wait_for_grant()
                assert seen.setdefault(grant.epoch, incarnation) == incarnation
                if incarnation == 2:
                    assert swarm(tmp_path, "halt") == ExitCode.OK
                running.kill()
                running.start()
                after = tokyo.wait_for_grant(len(tokyo.grants))
                assert (after.epoch, after.halted) == (grant.epoch, incarnation >= 2)
            if incarnation == 3:
                assert sorted(seen) == [1, 2, 3]
    capsys.readouterr()


def test_a_second_process_of_a_name_is_refused(tmp_path: Path) -> None:
    with (
        coordinator(tmp_path) as running,
        node(tmp_path, running.address, "tokyo-1") as first,
    ):
        first.wait_for_grant()
        with node(tmp_path, running.address, "tokyo-1", incarnation=2) as second:
            until(lambda: second.refusals)
            assert second.grants == []


def test_a_strangers_key_is_refused_as_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = tmp_path / "theirs"
    with coordinator(tmp_path / "ours") as running:
        ensure_keys(theirs, "operator")
        (theirs / "keys" / "coordinator.pub").write_bytes(
            (tmp_path / "ours" / "keys" / "coordinator.pub").read_bytes()
        )
        assert swarm(theirs, "halt", "--coordinator", running.address) == ExitCode.WRONG_KEY
        assert "not known to the coordinator" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly_within_a_second(tmp_path: Path, number: signal.Signals) -> None:
    with coordinator(tmp_path) as running, node(tmp_path, running.address, "tokyo-1") as tokyo:
        tokyo.wait_for_grant()
        began = time.monotonic()
        running.process.send_signal(number)
        assert running.end() == ""
        assert running.process.returncode == 0
        assert time.monotonic() - began < 1.0


def test_two_coordinators_on_one_state_folder_or_port_are_refused(tmp_path: Path) -> None:
    with coordinator(tmp_path / "a") as running:
        for state, code in ((tmp_path / "a", ExitCode.STATE_IN_USE), (tmp_path / "b", ExitCode.PORT_IN_USE)):
            words = ["coordinator", "--state", str(state), "--listen", running.address]
            command = [sys.executable, "-m", "tests.coordinator.commands", *words]
            ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20, check=False)
            assert ended.returncode == code, ended.stderr
            assert ended.stderr.count("\n") == 1 and ended.stderr.startswith("swarm: ")


def test_watching_shows_the_status_again_until_interrupted(tmp_path: Path) -> None:
    with coordinator(tmp_path):
        words = ["status", "--watch", "--json", "--state", str(tmp_path)]
        watching = subprocess.Popen(
            [sys.executable, "-m", "tests.coordinator.commands", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        assert watching.stdout is not None
        stamps = [json.loads(watching.stdout.readline())["ts_ns"] for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=10)
        assert stamps[1] > stamps[0]
