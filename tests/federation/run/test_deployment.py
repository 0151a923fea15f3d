"""The deployment's plan, keys and commands; the processes themselves are started by the soak test."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from domain.errors import ConfigError, ExitCode, SwarmError
from federation.__main__ import main
from federation.cli import add_commands
from federation.run.config import CONFIG_FILE, FIRST_FILE
from federation.run.deployment import lowered, supervisor
from federation.run.deployment.child import Child
from federation.run.deployment.config import DeployedRegion, DeploymentConfig, only
from federation.run.deployment.credentials import ensure_authority, ensure_node_key
from federation.run.deployment.plan import Deployment, Planned
from federation.run.deployment.supervisor import FederationSupervisor, RunFile, read_run, server_app
from federation.run.store import write_durably
from federation.run.tensors import read_tensors
from hw.clock import SystemClock
from tests.federation.building import shell

NOW_NS = 1_800_000_000 * 10**9


def deployment(state: Path) -> Deployment:
    made = Deployment(state, DeploymentConfig(port=7300))
    made.prepare(NOW_NS)
    return made


def python(folder: Path, name: str, script: str) -> Planned:
    command = (sys.executable, "-c", script)
    return Planned(name, command, dict(os.environ), folder / f"{name}.log", ready_word="up")


def until(true: Callable[[], bool]) -> None:
    clock, waiting = SystemClock(), threading.Event()
    ends_ns = clock.now_ns() + 20 * 10**9
    while not true():
        assert clock.now_ns() < ends_ns, "it did not come"
        waiting.wait(0.02)


def test_the_plan_names_every_process_with_tls_and_its_own_key(tmp_path: Path) -> None:
    made = deployment(tmp_path)
    link, *nodes = made.processes()
    assert [each.name for each in nodes] == ["tokyo", "frankfurt", "nyc"]
    assert "--enable-supernode-auth" in link.command and "--insecure" not in link.command
    assert "--disable-runtime-dependency-installation" in link.command
    for node in nodes:
        assert str(made.keys / node.name) in node.command and "--root-certificates" in node.command
        assert f'region="{node.name}"' in " ".join(node.command)
    for each in (link, *nodes):
        assert each.environment["FLWR_TELEMETRY_ENABLED"] == "0"
        assert each.environment["FLWR_HOME"].startswith(str(tmp_path))
        assert each.environment["OMP_NUM_THREADS"] == "1"
    assert [port for _, port in made.ports()] == [7300, 7301, 7302, 7303]


def test_what_was_prepared_stays(tmp_path: Path) -> None:
    made = deployment(tmp_path)
    before = {path: path.read_bytes() for path in made.keys.iterdir()}
    made.prepare(NOW_NS)
    assert before == {path: path.read_bytes() for path in made.keys.iterdir()}
    first = read_tensors(made.root / FIRST_FILE)
    assert first["l0.weight"].shape == (32, 16) and not any(name.startswith("norm") for name in first)
    assert json.loads((made.root / CONFIG_FILE).read_text())["personal"] == ["norm."]


def test_a_child_runs_low_is_started_again_and_ends_with_all_that_it_started(tmp_path: Path) -> None:
    script = (
        "import os,subprocess,time;subprocess.Popen(['sleep','60']);"
        "print('up',os.nice(0),flush=True);time.sleep(60)"
    )
    planned = python(tmp_path, "x", script)
    clock = SystemClock()
    child = Child(planned, DeploymentConfig(nice=7), lambda url: False)

    def tended() -> bool:
        child.tend(clock.now_ns())
        return child.ready

    until(tended)
    assert f"up {os.nice(0) + 7}" in planned.log.read_text() and child.restarts == 0
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: child.pid != first)
    until(lambda: tended() and child.pid != first)
    assert child.restarts == 1
    second = child.pid
    child.stop(5)
    assert child.pid is None and second is not None
    sessions = subprocess.run(["ps", "-eo", "sid,stat"], capture_output=True, text=True, check=True).stdout
    alive = [line.split() for line in sessions.splitlines()]
    assert not any(sid in (str(first), str(second)) and state[0] != "Z" for sid, state in alive[1:])


def test_lowering_sets_rank_and_memory() -> None:
    code = "import resource,os;print(os.nice(0), resource.getrlimit(resource.RLIMIT_DATA)[0] >> 20)"
    command = [sys.executable, "-I", lowered.__file__, "5", "2048", sys.executable, "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert told == [str(os.nice(0) + 5), "2048"]


class FakeControl:
    """Note what a SuperLink is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __enter__(self) -> FakeControl:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def register(self, region: str, key: Path) -> None:
        self.told.append(f"register {region}")

    def active_runs(self) -> list[int]:
        return [41]

    def stop_run(self, run: int) -> None:
        self.told.append(f"stop {run}")

    def start_run(self, app: Path) -> int:
        self.told.append("run")
        return 42


def test_the_supervisor_introduces_nodes_and_keeps_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, control = deployment(tmp_path), FakeControl()
    script = "import time;print('up',flush=True);time.sleep(60)"
    planned = [python(tmp_path, name, script) for name in ("superlink", "tokyo", "nyc")]
    monkeypatch.setattr(Deployment, "processes", lambda self: planned)
    monkeypatch.setattr(FederationSupervisor, "_control", lambda self: control)
    clock = SystemClock()
    mine = FederationSupervisor(made, clock)
    runner = threading.Thread(target=mine.run, args=(lambda: control.told.append("ready"),))
    runner.start()
    until(lambda: "ready" in control.told)
    assert control.told[:5] == ["register tokyo", "register frankfurt", "register nyc", "stop 41", "run"]
    told = read_run(made.root)
    assert told is not None and told.ready and told.runs == 1 and told.supervisor == os.getpid()
    holder = subprocess.Popen(["sleep", "60"])
    (made.root / "lock").write_text(str(holder.pid))
    until(lambda: (read_run(made.root) or told).pids.get("serverapp") == holder.pid)
    holder.kill()
    until(lambda: mine.runs == 2)
    holder.wait()
    mine.stop.set()
    runner.join(20)
    assert read_run(made.root) is None and all(child.pid is None for child in mine.children)
    assert server_app(made.root) is None


def test_one_that_is_never_ready_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = deployment(tmp_path)
    monkeypatch.setattr(supervisor, "READY_S", 0.5)
    said = {
        "": r"within 0 s \(federation",
        "SSL: CERTIFICATE_VERIFY_FAILED": "not the one whose certificate",
        "[code: 2004] Failed to activate SuperNode.": "does not know its key",
    }
    for words, told in said.items():
        silent = python(tmp_path, "superlink", "import time;time.sleep(60)")
        silent.log.write_text(words)
        monkeypatch.setattr(Deployment, "processes", lambda self, silent=silent: [silent])
        with pytest.raises(SwarmError, match=f"superlink was not ready.*{told}"):
            FederationSupervisor(made, SystemClock()).run(lambda: None)


def test_the_commands_tell_versions_and_what_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = ["--state", str(tmp_path)]
    assert (
        main(["status", *state]) == main(["rounds", *state]) == main(["stop", *state]) == ExitCode.NOT_RUNNING
    )
    assert "start one with" in capsys.readouterr().err
    made, grid = shell(tmp_path, versions_max=2, loop={"deadline_min_s": 60.0})
    made.run()
    grid.close()
    assert main(["rounds", *state]) == ExitCode.OK
    told = capsys.readouterr().out
    assert told.count("champion") == 3 and "frankfurt 0.33, nyc 0.33, tokyo 0.33" in told
    assert main(["rounds", *state, "--json", "--last", "1"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["number"] == 2
    assert main(["status", *state]) == ExitCode.OK and "not running" in capsys.readouterr().out
    run = RunFile(os.getpid(), 1, True, {"superlink": 5, "tokyo": None}, {"superlink": 2}, 1)
    write_durably(tmp_path / "federation" / "run.json", msgspec.json.encode(run))
    assert main(["status", *state]) == ExitCode.OK and "restarts 2" in capsys.readouterr().out
    assert main(["status", *state, "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["newest"]["number"] == 2
    assert main(["start", *state]) == ExitCode.STATE_IN_USE


def test_stop_waits_for_the_supervisor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = subprocess.Popen(["sleep", "60"])
    folder = tmp_path / "federation"
    folder.mkdir()
    run = RunFile(runs.pid, 1, True, {}, {}, 1)
    write_durably(folder / "run.json", msgspec.json.encode(run))
    reaper = threading.Thread(target=runs.wait)
    reaper.start()
    assert main(["stop", "--state", str(tmp_path)]) == ExitCode.OK
    reaper.join()
    script = "import signal,time;signal.signal(15,signal.SIG_IGN);print(1,flush=True);time.sleep(60)"
    stubborn = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert stubborn.stdout is not None and stubborn.stdout.readline() == b"1\n"
    write_durably(folder / "run.json", msgspec.json.encode(RunFile(stubborn.pid, 1, True, {}, {}, 1)))
    assert main(["stop", "--state", str(tmp_path), "--timeout", "0.3"]) == ExitCode.TIMED_OUT
    assert "still runs" in capsys.readouterr().err
    stubborn.kill()
    stubborn.wait()
    stubborn.stdout.close()


def test_a_start_that_fails_says_why_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "federation.toml"
    config.write_text('first = "nowhere.safetensors"\n[regions.zug]\nstore = "rows"\n')
    code = main(["start", "--state", str(tmp_path / "state"), "--config", str(config), "--port", "7399"])
    said = capsys.readouterr().err
    assert code == ExitCode.CONFIG and said.count("\n") == 1 and "first cannot be read" in said


def test_a_start_that_breaks_says_where_to_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    code = main(["start", "--state", str(tmp_path / "state"), "--port", "7399"])
    assert code == ExitCode.NOT_STARTED and "federation.log" in capsys.readouterr().err


def test_the_commands_are_described_without_importing_flower() -> None:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    asked = parser.parse_args(["federate", "rounds", "--last", "3"])
    assert asked.last == 3
    code = "import sys,federation.cli;sys.exit('flwr' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_region_is_described_by_its_own_settings(tmp_path: Path) -> None:
    given = DeployedRegion(store=Path("rows"), settings={"clip": 1.0, "noise": 0.5, "waits": True})
    made = Deployment(tmp_path, DeploymentConfig(regions={"zug": given}))
    command = " ".join(made.processes()[1].command)
    assert "clip=1.0 noise=0.5 waits=true" in command and f'store="{tmp_path / "rows"}"' in command


def test_only_the_regions_that_were_named_take_part_and_paced_ones_wait_to_be_told(tmp_path: Path) -> None:
    config = only(DeploymentConfig(), ["nyc"], paced=True)
    made = Deployment(tmp_path, config)
    loop = config.federation.loop
    assert loop.deadline_min_s > loop.retry_s, "who had nothing to say is asked again before the others go on"
    assert [name for name, _ in made.ports()] == ["superlink", "node nyc"]
    assert "waits=true" in " ".join(made.processes()[1].command)
    assert "waits" not in " ".join(Deployment(tmp_path, DeploymentConfig()).processes()[1].command)
    with pytest.raises(ConfigError, match="there is no region zug"):
        only(DeploymentConfig(), ["zug"], paced=False)


def test_a_region_elsewhere_has_no_process_here_and_is_let_in_once_its_key_was_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = DeployedRegion(store=Path("rows"), here=False)
    here = DeployedRegion(store=Path("rows"))
    made = Deployment(tmp_path, DeploymentConfig(host="0.0.0.0", regions={"nyc": here, "tokyo": away}))
    made.prepare(NOW_NS)
    assert [each.name for each in made.processes()] == ["superlink", "nyc"]
    assert made.superlink == "127.0.0.1:7180"
    control = FakeControl()
    script = "import time;print('up',flush=True);time.sleep(60)"
    planned = [python(tmp_path, name, script) for name in ("superlink", "nyc")]
    monkeypatch.setattr(Deployment, "processes", lambda self: planned)
    monkeypatch.setattr(FederationSupervisor, "_control", lambda self: control)
    mine = FederationSupervisor(made, SystemClock())
    runner = threading.Thread(target=mine.run, args=(lambda: control.told.append("ready"),))
    runner.start()
    until(lambda: "ready" in control.told)
    assert control.told == ["register nyc", "stop 41", "run", "ready"]
    ensure_node_key(made.keys, "tokyo")
    until(lambda: control.told[-1] == "register tokyo")
    mine.stop.set()
    runner.join(20)
    assert not runner.is_alive()


def test_joining_makes_a_key_and_wants_to_know_whom_to_trust(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["join", "--state", str(tmp_path), "--region", "tokyo", "--superlink"]
    assert main([*asked, "10.0.0.5:7180"]) == ExitCode.CONFIG
    said = capsys.readouterr().err
    assert "tokyo.pub" in said and "--ca" in said
    assert (tmp_path / "federation" / "keys" / "tokyo").exists()
    ensure_authority(tmp_path / "other", ["10.0.0.5"], NOW_NS)
    monkeypatch.setattr(FederationSupervisor, "run", lambda self, ready: ready())
    assert main([*asked, "10.0.0.5:7180", "--ca", str(tmp_path / "other" / "ca.crt")]) == ExitCode.OK
    assert "federation ready https://10.0.0.5:7180" in capsys.readouterr().out
    joined = DeploymentConfig(
        superlink="10.0.0.5:7180", regions={"tokyo": DeployedRegion(store=Path("rows"))}
    )
    made = Deployment(tmp_path, joined)
    (node,) = made.processes()
    command = " ".join(node.command)
    assert "--superlink 10.0.0.5:7180" in command and f"--root-certificates {made.trusted}" in command
    assert made.trusted.read_bytes() == (tmp_path / "other" / "ca.crt").read_bytes()
    assert made.ports() == [("node tokyo", 7180)]


def test_an_address_to_join_must_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    for wrong in ("nowhere", ":7180", "host:0", "host:port"):
        with pytest.raises(SystemExit):
            parser.parse_args(["federate", "join", "--region", "tokyo", "--superlink", wrong])
    assert "HOST:PORT" in capsys.readouterr().err


def test_a_supervisor_that_was_killed_and_not_buried_does_not_stand_in_the_way(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    run = RunFile(dead.pid, 1, True, {}, {}, 1)
    folder = tmp_path / "federation"
    folder.mkdir()
    write_durably(folder / "run.json", msgspec.json.encode(run))
    until(lambda: read_run(folder) is None)
    assert Path(f"/proc/{dead.pid}").exists(), "it waits to be buried"
    dead.wait()
