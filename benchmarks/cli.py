"""How soon the command line answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.result import Result
from hw.clock import perf_ns

CASE = "cli"
BAR: dict[str, tuple[str, float]] = {"seconds": ("<=", 0.3)}

_ROOT = Path(__file__).parent.parent


def run(quick: bool) -> Result:
    """Time `swarm --help` after a first run, beside an interpreter that does nothing."""
    rounds = 3 if quick else 10
    seconds = _median_s([sys.executable, "-c", "from deploy.cli import main; main()", "--help"], rounds)
    peer_s = _median_s([sys.executable, "-c", "pass"], rounds)
    return Result(
        case=CASE,
        metrics={"seconds": seconds},
        bar="seconds <= 0.3",
        met=seconds <= BAR["seconds"][1],
        peer="python -c pass",
        peer_metrics={"seconds": peer_s},
        ratio=peer_s / seconds,
    )


def _median_s(command: list[str], rounds: int) -> float:
    taken = []
    for _ in range(rounds + 1):
        started_ns = perf_ns()
        subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.DEVNULL)
        taken.append((perf_ns() - started_ns) / 1e9)
    return sorted(taken[1:])[rounds // 2]  # the first run fills the caches
