"""What learning costs the demo, and how soon it shows: `python -m benchmarks.demo_learns --seeds 1 2 3 4 5`.

No case of the table: its runs last minutes. Each seed runs without learning and with it, so that the figures
of the nodes stand beside their peers. Times count from the start of the command.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from federation.run.store import read_versions
from hw.clock import SystemClock
from learning.places import models_root
from learning.registry.registry import Registry

TICKS_S = os.sysconf("SC_CLK_TCK")
EVERY_S = 1.0
MANY = 10_000


def cost_of(pid: int) -> tuple[float, float] | None:
    """Give the seconds of processor time that a process took so far, and its memory in MB."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / TICKS_S, pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def watched(process: subprocess.Popen[bytes], state: Path) -> dict[str, tuple[float, float]]:
    """Note what each process takes until the swarm ends; the last figures are kept."""
    waiting = threading.Event()
    last: dict[str, tuple[float, float]] = {}
    while process.poll() is None:
        try:
            pids = json.loads((state / "run.json").read_text()).get("pids", {})
        except (OSError, ValueError):
            pids = {}
        for name, pid in pids.items():
            cost = cost_of(pid) if pid is not None else None
            if cost is not None:
                last[name] = (cost[0], max(cost[1], last.get(name, cost)[1]))
        waiting.wait(EVERY_S)
    return last


def run(seed: int, seconds: float, port_base: int, more: list[str]) -> dict[str, Any]:
    """Run the demo once, on a state of its own, and tell what it took and made."""
    with tempfile.TemporaryDirectory() as folder:
        state, began_ns = Path(folder), SystemClock().now_ns()
        command = [sys.executable, "-m", "deploy.cli", "up", "--json", "--seed", str(seed)]
        command += ["--seconds", str(seconds), "--port-base", str(port_base), "--state", folder, *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        costs = watched(process, state)
        out, _ = process.communicate()
        summary = json.loads(out)
        told = {
            "code": process.returncode,
            "seconds": summary["seconds"],
            "mismatches": summary["mismatches"],
            "latency_us": summary["tick_to_order_us"],
            "fills": summary["fills"],
            "cpu_s": {name: round(cost[0], 1) for name, cost in costs.items()},
            "memory_mb": {name: round(cost[1]) for name, cost in costs.items()},
        }
        return told | made(state, began_ns)


def made(state: Path, began_ns: int) -> dict[str, Any]:
    """Tell when versions came, which served, and what held the others."""
    versions = [each for each in read_versions(state / "federation", MANY) if each.number > 0]
    served: list[tuple[float, str, str]] = []
    held: dict[str, int] = {}
    judged = 0
    for folder in sorted(models_root(state).glob("*")):
        for entry in Registry(folder).history():
            if entry.verb == "promote":
                served.append((round((entry.at_ns - began_ns) / 1e9, 1), folder.name, entry.to))
            if entry.verb == "judge":
                judged += 1
                for gate in entry.gates:
                    if not gate.passed:
                        held[gate.name] = held.get(gate.name, 0) + 1
    times = [round((each.made_ns - began_ns) / 1e9, 1) for each in versions]
    first = min((each for each in served if each[2] == "champion"), default=None)
    return {
        "versions": len(versions),
        "first_version_s": times[0] if times else None,
        "regions_a_version": [len(each.members) for each in versions],
        "first_champion_s": first[0] if first else None,
        "served": sorted(served),
        "judged": judged,
        "held_by": held,
    }


def main() -> int:
    """Run all seeds and print one JSON object a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--port-base", type=int, default=7070)
    parser.add_argument("--alone", action="store_true", help="without the runs that do not learn")
    parser.add_argument("--federate", action="store_true", help="in Flower's deployment")
    asked = parser.parse_args()
    learning = ["--federate"] if asked.federate else ["--learn"]
    for seed in asked.seeds:
        for name, more in (("peer", ["--no-learn"]), ("learning", learning)):
            if name == "learning" or not asked.alone:
                told = run(seed, asked.seconds, asked.port_base, more)
                print(json.dumps({"run": name, "seed": seed, **told}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
