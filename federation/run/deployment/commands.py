"""What `swarm federate` does."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import ConfigError, ExitCode, SwarmError
from federation.loop.version import Version
from federation.run.config import CONFIG_FILE
from federation.run.deployment.config import DeploymentConfig, only, read_deployment
from federation.run.deployment.credentials import ensure_node_key
from federation.run.deployment.plan import SUPERLINK, Deployment, read_named
from federation.run.deployment.supervisor import READY_S, FederationSupervisor, read_run
from federation.run.store import Refused, read_line, read_refused, read_versions, write_durably
from hw.clock import SystemClock

READY = "federation ready"


class Wanted(msgspec.Struct, frozen=True):
    """What a start is told beside the file: which regions, whether a learner paces them, and the port."""

    config: Path | None = None
    port: int | None = None
    regions: list[str] | None = None
    paced: bool = False


def start(state: Path, wanted: Wanted) -> int:
    """Run the federation in this process until a signal ends it."""
    return _run(_deployment(state, wanted))


def join(state: Path, region: str, superlink: str, trusted: Path | None, wanted: Wanted) -> int:
    """Run one region's node here, for a SuperLink on another machine, until a signal ends it."""
    read = only(read_deployment(wanted.config), [region], paced=wanted.paced)
    given = {"superlink": superlink} | ({} if wanted.port is None else {"port": wanted.port})
    deployment = Deployment(state.absolute(), read.model_copy(update=given))
    if trusted is not None and trusted != deployment.trusted:
        deployment.keys.mkdir(parents=True, exist_ok=True)
        write_durably(deployment.trusted, read_named(trusted, "--ca"))
    ensure_node_key(deployment.keys, region)
    public = deployment.keys / f"{region}.pub"
    if not deployment.trusted.exists():
        raise ConfigError(
            "nobody has said which SuperLink to trust",
            where=str(deployment.trusted),
            mend=f"bring {public} there and its keys/ca.crt here, and name that with --ca",
        )
    _say(f"{region} is {public}: the SuperLink's machine needs it in STATE/federation/keys")
    return _run(deployment)


def _run(deployment: Deployment) -> int:
    _not_twice(deployment)
    _ports_are_free(deployment)
    clock = SystemClock()
    if (renewed := deployment.prepare(clock.now_ns())) is not None:
        _say(f"certificates made anew in {deployment.keys}: {renewed}")
    supervisor = FederationSupervisor(deployment, clock)
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda *_: supervisor.stop.set())
    supervisor.run(lambda: _say(f"{READY} https://{deployment.superlink}"))
    return ExitCode.OK


def simulate(state: Path, wanted: Wanted, versions: int) -> int:
    """Make so many more versions in Flower's simulation, where every region is an actor of Ray's."""
    from federation.run.simulation import simulate as run

    deployment = _deployment(state, wanted)
    _not_twice(deployment)
    deployment.prepare(SystemClock().now_ns())
    line = read_versions(deployment.root, 1)
    number = versions + (line[-1].number if line else 0)
    config = deployment.config.federation.model_copy(update={"versions_max": number})
    write_durably(deployment.root / CONFIG_FILE, config.model_dump_json().encode())
    run(deployment.root, {name: deployment.settings_of(name) for name in deployment.config.regions})
    made = read_versions(deployment.root, versions)
    if not made or made[-1].number < number:
        raise SwarmError(
            "the simulation ended early",
            where=str(deployment.root),
            mend="see what it said above",
            code=ExitCode.NOT_STARTED,
        )
    return rounds(state, versions, as_json=False)


def start_apart(state: Path, wanted: Wanted) -> int:
    """Start a process of its own, and return once it is ready."""
    deployment = _deployment(state, wanted)
    _not_twice(deployment)
    _ports_are_free(deployment)
    command = [sys.executable, "-m", "federation", "start", "--foreground", "--state", str(state)]
    command += [] if wanted.config is None else ["--config", str(wanted.config)]
    command += [] if wanted.port is None else ["--port", str(wanted.port)]
    command += [] if wanted.regions is None else ["--regions", *wanted.regions]
    command += ["--paced"] if wanted.paced else []
    log = state / "logs" / "federation.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        began = file.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    said = _until(lambda: process.poll() is not None or _has_said(log, began), READY_S + 10)
    told = _trouble(log, began)
    if process.poll() is not None and told:
        sys.stderr.write(f"{told}\n")
        return process.returncode
    if process.poll() is not None or not said:
        raise SwarmError(
            "the federation did not start", where=str(state), mend=f"see {log}", code=ExitCode.NOT_STARTED
        )
    _say(READY)
    return ExitCode.OK


def stop(state: Path, timeout_s: float) -> int:
    """Tell the supervisor to end, and wait until it has."""
    told = read_run(state.absolute() / "federation")
    if told is None:
        raise _not_running(state)
    os.kill(told.supervisor, signal.SIGTERM)
    if not _until(lambda: not Path(f"/proc/{told.supervisor}").exists(), timeout_s):
        raise SwarmError(
            "the federation still runs",
            where=f"process {told.supervisor}",
            mend="wait, or end it by hand",
            code=ExitCode.TIMED_OUT,
        )
    return ExitCode.OK


def status(state: Path, *, as_json: bool) -> int:
    """Print processes and the newest version."""
    root = state.absolute() / "federation"
    told, line, now_ns = read_run(root), read_line(root, 1), SystemClock().now_ns()
    if told is None and not line:
        raise _not_running(state)
    refused = {name: _aged(each, now_ns) for name, each in sorted(read_refused(root).items())}
    if as_json:
        newest = _plain(line[-1]) if line else None
        _say(msgspec.json.encode({"running": told, "newest": newest, "refused": refused}).decode())
        return ExitCode.OK
    if told is None:
        _say("not running")
    else:
        for name, pid in told.pids.items():
            _say(f"{name:<12} {'-' if pid is None else pid:>8}  restarts {told.restarts.get(name, 0)}")
    for each in line:
        _say(_line(each))
    for name, why in refused.items():
        _say(f"{name}: not counted {why['age_s']:.0f} s ago, at version {why['version']}: {why['reason']}")
    return ExitCode.OK


def _aged(refused: Refused, now_ns: int) -> dict[str, Any]:
    return {**msgspec.structs.asdict(refused), "age_s": max(0.0, (now_ns - refused.at_ns) / 1e9)}


def rounds(state: Path, last: int, *, as_json: bool) -> int:
    """Print the newest versions, oldest first."""
    line = read_line(state.absolute() / "federation", last)
    if not line:
        raise SwarmError(
            "there are no versions yet",
            where=str(state),
            mend="run `swarm federate start`",
            code=ExitCode.NOT_RUNNING,
        )
    for each in line:
        _say(msgspec.json.encode(_plain(each)).decode() if as_json else _line(each))
    return ExitCode.OK


def _line(version: Version) -> str:
    loss = "" if version.loss is None else f" loss {version.loss:.5f}"
    counted = ", ".join(
        each.region
        + ("" if each.weight is None else f" {each.weight:.2f}")
        + (f" ({each.staleness} late)" if each.staleness else "")
        for each in version.members
    )
    left_out = "".join(f"; without {each.region}: {each.reason}" for each in version.left_out)
    told = f"{version.number:>6} {version.hash[:8]}{loss} champion {version.champion}"
    return f"{told}: {counted or '-'}{left_out}"


def _plain(version: Version) -> dict[str, Any]:
    """Leave out the arrays."""
    names = ("number", "hash", "parent", "made_ns", "members", "left_out", "loss", "champion")
    return {name: getattr(version, name) for name in names}


def _deployment(state: Path, wanted: Wanted) -> Deployment:
    read = only(read_deployment(wanted.config), wanted.regions, paced=wanted.paced)
    _functions_are_there(read)
    given = {} if wanted.port is None else {"port": wanted.port}
    return Deployment(state.absolute(), read.model_copy(update=given))


def _functions_are_there(config: DeploymentConfig) -> None:
    """Look for the modules that are named: else each region would say so with every version."""
    named = [(f"regions.{name}.trainer", config.regions[name].trainer) for name in config.here]
    for field, function in [*named, ("federation.holdout", config.federation.holdout)]:
        module, _, name = function.partition(":")
        if function and not (name.isidentifier() and _module_is_there(module)):
            raise ConfigError(
                f"{field}: there is no {function[:80]}", where="federation", mend="name it as module:function"
            )


def _module_is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _not_twice(deployment: Deployment) -> None:
    told = read_run(deployment.root)
    if told is not None:
        raise SwarmError(
            f"process {told.supervisor} runs it already",
            where=str(deployment.root),
            mend="stop it with `swarm federate stop`",
            code=ExitCode.STATE_IN_USE,
        )


def _ports_are_free(deployment: Deployment) -> None:
    for name, port in deployment.ports():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((deployment.config.host if name == SUPERLINK else "127.0.0.1", port))
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                raise SwarmError(
                    f"port {port} is not to be had for {name}: {error.strerror}",
                    where=str(deployment.root) if taken else f"host {deployment.config.host}",
                    mend="choose others with --port" if taken else "name a host of this machine",
                    code=ExitCode.NOT_STARTED,
                ) from None


def _not_running(state: Path) -> SwarmError:
    return SwarmError(
        "no federation runs here",
        where=str(state),
        mend="start one with `swarm federate start`",
        code=ExitCode.NOT_RUNNING,
    )


def _has_said(log: Path, began: int) -> bool:
    with log.open("rb") as file:
        file.seek(began)
        return READY.encode() in file.read(1 << 16)


def _trouble(log: Path, began: int) -> str:
    """Give the line that the process ended with, where it is one of ours."""
    with log.open("rb") as file:
        file.seek(began)
        lines = file.read().decode(errors="replace").splitlines()
    return lines[-1] if lines and lines[-1].startswith("swarm: ") else ""


def _until(true: Callable[[], bool], timeout_s: float) -> bool:
    """Look every tenth of a second whether something is so, until the time is over."""
    clock, waiting = SystemClock(), threading.Event()
    ends_ns = clock.now_ns() + int(timeout_s * 1e9)
    while not true():
        if clock.now_ns() >= ends_ns:
            return False
        waiting.wait(0.1)
    return True


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
