"""Kill -9 each process of a deployed federation in the middle of a round: the line of versions goes on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.fed_world import REGIONS, first_layers, write_federation, write_regions
from benchmarks.result import Result
from federation.loop.version import Version
from federation.run.store import read_versions
from federation.run.tensors import write_tensors
from hw.clock import SystemClock

CASE = "fed_kill"
BAR = {"continues_s_max": ("<=", 60.0), "missed": ("<=", 0.0)}
ROWS, MANY = 2000, 10_000
START_S, VERSION_S = 120.0, 120.0
TARGETS = ("serverapp", "superlink", "tokyo")


def run(quick: bool) -> Result:
    """Kill, and time how long it takes until the next version; a quick one kills one process of one."""
    with tempfile.TemporaryDirectory() as root:
        after, round_s, line = small(Path(root)) if quick else deployment(Path(root))
    wrong, worst = faults(line), max(after.values())
    # Flower's own loop keeps nothing: it begins at its first round again.
    again_s = worst + line[-1].number * round_s
    return Result(
        case=CASE,
        metrics={
            "continues_s_max": worst,
            "missed": float(wrong),
            "round_s": round_s,
            **{f"{target}_s": seconds for target, seconds in after.items()},
        },
        bar="continues <= 60 s, no version lost or doubled",
        met=worst <= 60.0 and wrong == 0,
        peer="Flower FedAvg.start, which has no resume: the same start, and every round again (reckoned)",
        peer_metrics={"continues_s_max": again_s},
        ratio=again_s / worst,
        note=f"{len(line)} versions; " + ("one process" if quick else "SuperLink, three nodes, TLS, keys"),
    )


def deployment(root: Path) -> tuple[dict[str, float], float, list[Version]]:
    """Kill each process of a whole deployment."""
    with deployed(root) as state:
        round_s = min(seconds_to_next(state) for _ in range(3))
        after = {target: kill(state, target) for target in TARGETS}
        seconds_to_next(state)
        return after, round_s, read_versions(state / "federation", MANY)


def small(root: Path) -> tuple[dict[str, float], float, list[Version]]:
    """Kill the process of a federation that is one process."""
    write_federation(root, {}, holdout="", loop={"deadline_min_s": 60.0})
    for name in REGIONS:
        (root / name).mkdir()
        (root / name / "pace.json").write_text('{"seconds": 0.2}')
    code = f"from benchmarks.fed_kill import serve; serve({str(root)!r})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    first, after = subprocess.Popen([sys.executable, "-c", code], env=environment), {}
    try:
        until(lambda: newest(root) >= 0, VERSION_S)
        seconds_to_next(root)
        round_s = seconds_to_next(root)
    finally:
        first.kill()
        first.wait()
    again = subprocess.Popen([sys.executable, "-c", code], env=environment)
    try:
        after["serverapp"] = seconds_to_next(root)
    finally:
        again.kill()
        again.wait()
    return after, round_s, read_versions(root / "federation", MANY)


def serve(root: str) -> None:
    """Be that process."""
    from benchmarks.fed_world import grid_of
    from federation.run.server import open_shell

    configs = {
        name: {
            "store": f"{root}/{name}/pace.json",
            "state": f"{root}/{name}",
            "trainer": "benchmarks.fed_world:wait_and_step",
        }
        for name in REGIONS
    }
    open_shell(Path(root) / "federation", grid_of(configs)).run()


def faults(line: list[Version]) -> int:
    """Count versions that are missing, forked, or count an update that another counted."""
    wrong = sum(each.number != place for place, each in enumerate(line))
    wrong += sum(child.parent != parent.hash for parent, child in pairwise(line))
    counted = [(member.region, member.base, member.attempt) for each in line for member in each.members]
    return wrong + len(counted) - len(set(counted))


@contextmanager
def deployed(root: Path) -> Iterator[Path]:
    """Run the whole deployment from its own command, and end it."""
    state = root / "state"
    state.mkdir()
    write_tensors(root / "first.safetensors", first_layers())
    config = root / "federation.toml"
    config.write_text(toml(root, write_regions(root, ROWS)))
    command = [sys.executable, "-m", "federation", "start", "--foreground"]
    command += ["--state", str(state), "--config", str(config)]
    log = (root / "log").open("wb")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        until(lambda: process.poll() is not None or b"ready" in (root / "log").read_bytes(), START_S)
        assert process.poll() is None, (root / "log").read_text()
        yield state
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()


def toml(root: Path, regions: dict[str, dict[str, Any]]) -> str:
    """Write the deployment's file."""
    text = f'port = {free_port()}\nfirst = "{root / "first.safetensors"}"\n'
    text += '[federation]\npoll_s = 0.2\nholdout = "benchmarks.fed_world:public_loss"\n'
    text += "[federation.train]\nepochs = 2\n"
    for name, each in regions.items():
        text += f'[regions.{name}]\nstore = "{each["store"]}"\ntrainer = "{each["trainer"]}"\n'
    return text


def free_port() -> int:
    """Find a port that is free together with the next three."""
    for base in range(18_200, 20_000, 10):
        with socket.socket() as first, socket.socket() as last:
            try:
                first.bind(("127.0.0.1", base))
                last.bind(("127.0.0.1", base + 3))
            except OSError:
                continue
            return base
    raise AssertionError("there is no free port")


def kill(state: Path, target: str) -> float:
    """Kill a process while a round is on its way, and give the seconds until the next version."""
    pid = pids(state)[target]
    assert pid is not None, f"{target} runs"
    os.kill(pid, signal.SIGKILL)
    return seconds_to_next(state)


def seconds_to_next(state: Path) -> float:
    """Wait for one more version, and give how long that took."""
    clock, before = SystemClock(), newest(state)
    began_ns = clock.now_ns()
    until(lambda: newest(state) > before, VERSION_S)
    return (clock.now_ns() - began_ns) / 1e9


def newest(state: Path) -> int:
    """Give the newest version's number, -1 before there is one."""
    files = sorted((state / "federation" / "versions").glob("*.version"))
    return int(files[-1].stem) if files else -1


def pids(state: Path) -> dict[str, int | None]:
    """Read which processes run."""
    told: dict[str, int | None] = json.loads((state / "federation" / "run.json").read_bytes())["pids"]
    return told


def until(true: Callable[[], bool], timeout_s: float) -> None:
    """Wait for something, and not for ever."""
    clock, waiting = SystemClock(), threading.Event()
    ends_ns = clock.now_ns() + int(timeout_s * 1e9)
    while not true():
        assert clock.now_ns() < ends_ns, f"nothing came within {timeout_s:.0f} s"
        waiting.wait(0.1)
