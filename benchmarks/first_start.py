"""How long a first start compiles, and how long a later one loads."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.result import Result
from hw.clock import perf_ns

CASE = "first_start"
BAR: dict[str, tuple[str, float]] = {"cold_s": ("<=", 30.0), "warm_s": ("<=", 3.0)}

_ROOT = Path(__file__).parent.parent
# What a quick run starts: one module's kernels, since compiling all of them is most of a minute of two cores.
_FEW = """
import sys
import market.history.record_kernels
from hw.kernel import compile_kernels
print("kernels:", compile_kernels(None), "ready", file=sys.stderr)
"""


def kernel_modules(root: Path = _ROOT) -> list[str]:
    """Find every module of kernels in our packages."""
    packages = [
        each.parent for each in root.glob("*/__init__.py") if each.parent.name not in ("tests", "benchmarks")
    ]
    files = [file for package in packages for file in package.rglob("*_kernels.py")]
    return sorted(".".join(file.relative_to(root).with_suffix("").parts) for file in files)


def run(quick: bool) -> Result:
    """Start a fresh process with an empty cache, then another one with the cache it left."""
    modules = kernel_modules()
    command = ["-c", _FEW] if quick else ["-m", "deploy.cli", "kernels"]
    with tempfile.TemporaryDirectory() as cache:
        cold_s, kernels = _start_s(cache, command)
        warm_s = min(_start_s(cache, command)[0] for _ in range(1 if quick else 3))
    metrics = {"cold_s": cold_s, "warm_s": warm_s, "kernels": float(kernels), "modules": float(len(modules))}
    return Result(
        case=CASE,
        metrics=metrics,
        bar="cold_s <= 30, warm_s <= 3",
        met=kernels > 0 and cold_s <= BAR["cold_s"][1] and warm_s <= BAR["warm_s"][1],
        peer="the same start without a cache",
        peer_metrics={"warm_s": cold_s},
        ratio=cold_s / warm_s,
    )


def _start_s(cache: str, command: list[str]) -> tuple[float, int]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "SWARM_KERNELS": "on"}
    started_ns = perf_ns()
    ended = subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=_ROOT,
        check=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    took_s = (perf_ns() - started_ns) / 1e9
    return took_s, int(ended.stderr.split()[1])  # "kernels: 15 ready in 20.0 s"
