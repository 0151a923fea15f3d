"""Compile every kernel once, so that no process does it while it trades."""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import pkgutil
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from deploy.child import end_with_parent
from domain.errors import SwarmError

PACKAGES = ("hw", "market", "risk", "arbitrage", "learning", "agents", "sim")
# Who needs one of these compiles it as it begins: who learns, reads history, has deferred indicators or
# Kraken's venue.
LATER = frozenset(
    {
        "hw.inference.fixed_kernels",
        "learning.rows.gather_kernels",
        "learning.rows.labels_kernels",
        "market.history.record_kernels",
        "market.indicator_job_kernels",
        "market.venues.kraken.frame_kernels",
    }
)
WORKERS_MAX = 4

Needs = dict[str, frozenset[str]]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm kernels`."""
    command = commands.add_parser("kernels", help="compile the kernels (cold: seconds; warm: from cache)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import every kernel module and compile what is in it, with a progress line."""
    from hw.clock import perf_ns
    from hw.kernel import compile_kernel, prune_cache, stated_kernels

    started_ns = perf_ns()
    for name in kernel_modules():
        importlib.import_module(name)
    stated = stated_kernels()
    compile_beside(stated, compile_kernel, min(WORKERS_MAX, len(os.sched_getaffinity(0))), _progress)
    prune_cache()
    seconds = (perf_ns() - started_ns) / 1e9
    _write(f"kernels: {len(stated)} ready in {seconds:.1f} s\n")
    return 0


def kernel_modules() -> Iterator[str]:
    """Name every module of kernels that a trading process may call."""
    for package in PACKAGES:
        try:
            root = importlib.import_module(package)
        except ModuleNotFoundError:
            continue
        for found in pkgutil.walk_packages(root.__path__, prefix=f"{package}."):
            if found.name.endswith("_kernels") and found.name not in LATER:
                yield found.name


def compile_beside(
    stated: Needs, build: Callable[[str], None], workers: int, told: Callable[[int, int, str], None]
) -> None:
    """Compile kernels in several processes, and end with the first that cannot be compiled.

    Each process leaves what it made in the cache of all. Two that need the same callee never compile at
    once: they would do it twice, and the second could write over the first.
    """
    waiting, running = list(stated), dict[Future[None], str]()
    # Forked, so that workers need not import again; each ends with this process, as this one with its own.
    forking = multiprocessing.get_context("fork")
    # Killed, since a signal that is handled waits for the compiler; what is built is renamed into place.
    with ProcessPoolExecutor(workers, forking, end_with_parent, (signal.SIGKILL,)) as pool:
        try:
            while waiting or running:
                while len(running) < workers and (name := next_one(stated, waiting, running.values())):
                    waiting.remove(name)
                    told(len(stated) - len(waiting) - len(running) - 1, len(stated), name)
                    running[pool.submit(build, name)] = name
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(ended)
                    ended.result()
        except BrokenProcessPool as error:
            raise SwarmError(
                "a process that compiles kernels was killed", where=name, mend="see whether memory ran out"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
    told(len(stated), len(stated), "")


def next_one(stated: Needs, waiting: Collection[str], running: Collection[str]) -> str:
    """Name what to compile next, or nothing: what others wait for comes first, then the largest."""
    busy = frozenset[str]().union(*(stated[name] for name in running))
    free = [
        name
        for name in waiting
        if not stated[name] & busy and not any(each in stated[name] and each != name for each in waiting)
    ]
    awaited = {name: sum(name in stated[each] for each in waiting) for name in free}
    return max(free, key=lambda name: (awaited[name], len(stated[name])), default="")


def _progress(done: int, total: int, name: str) -> None:
    if sys.stderr.isatty():
        _write(f"\rkernels: {done}/{total} {name:<40.40}" + ("\n" if done == total else ""))


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
