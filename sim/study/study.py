"""Every bot at every latency on every seed, side by side in processes; results in the order of the jobs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

from sim.study.naive_run import run_naive
from sim.study.ours_run import run_ours
from sim.study.result import Result
from sim.study.world import Job, StudyConfig, exchanges

BOTS = {"naive": run_naive, "ours": run_ours}
Told = Callable[[int, int], None]


def jobs(bots: Sequence[str], latencies_ms: Sequence[float], seeds: Sequence[int]) -> list[Job]:
    """List the runs, the slowest last."""
    return [
        Job(bot=bot, latency_ms=latency_ms, seed=seed)
        for latency_ms in latencies_ms
        for seed in seeds
        for bot in bots
    ]


def run(job: Job, config: StudyConfig, path: Path) -> Result:
    """Do one run."""
    return BOTS[job.bot](job, config, exchanges(path, config), lambda virtual_s: None)


def study(wanted: Sequence[Job], config: StudyConfig, path: Path, processes: int, tell: Told) -> list[Result]:
    """Do all runs; what a run finds depends on its job alone, not on how many run beside it."""
    if processes == 1:
        return list(_one_by_one(wanted, config, path, tell))
    # What is imported and compiled is there at once; a library of ours asks for spawning by default.
    forking = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=forking) as pool:
        futures: dict[Future[Result], int] = {
            pool.submit(run, job, config, path): place for place, job in enumerate(wanted)
        }
        found: dict[int, Result] = {}
        try:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                tell(len(found), len(wanted))
        finally:
            pool.shutdown(cancel_futures=True)
    return [found[place] for place in range(len(wanted))]


def _one_by_one(wanted: Sequence[Job], config: StudyConfig, path: Path, tell: Told) -> Iterator[Result]:
    for done, job in enumerate(wanted, start=1):
        yield run(job, config, path)
        tell(done, len(wanted))
