"""Compile every kernel once, so that no process does it while it trades."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator

PACKAGES = ("market", "risk", "arbitrage", "agents", "sim")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm kernels`."""
    command = commands.add_parser("kernels", help="compile the kernels (cold: seconds; warm: from cache)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import every kernel module and compile what is in it, with a progress line."""
    from hw.clock import perf_ns
    from hw.kernel import compile_kernels

    started_ns = perf_ns()
    for name in kernel_modules():
        importlib.import_module(name)
    compile_kernels(_progress)
    seconds = (perf_ns() - started_ns) / 1e9
    _write(f"kernels: ready in {seconds:.1f} s\n")
    return 0


def kernel_modules() -> Iterator[str]:
    """Name every module of kernels in the tree."""
    for package in PACKAGES:
        try:
            root = importlib.import_module(package)
        except ModuleNotFoundError:
            continue
        for found in pkgutil.walk_packages(root.__path__, prefix=f"{package}."):
            if found.name.endswith("_kernels"):
                yield found.name


def _progress(done: int, total: int, name: str) -> None:
    if sys.stderr.isatty():
        _write(f"\rkernels: {done}/{total} {name:<40.40}" + ("\n" if done == total else ""))


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
