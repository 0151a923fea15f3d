"""Arbitrage in the simulated swarm: found in real order flow, and the same to the byte at every run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from arbitrage.saga.events import SagaState
from sim.market.config import FlowConfig
from sim.replay import NodeReplay
from sim.sim_run import swarm_plan
from sim.swarm import SwarmModel, readable

ROOT = Path(__file__).parents[2]
# Large orders come every few seconds, for a test has no minutes to wait for them.
BUSY = FlowConfig(parent_rate=1 / 6, parent_usdt=60_000.0)


def lived(seed: int, seconds: float, *, stopped: bool = True) -> SwarmModel:
    """Let New York trade at all three exchanges."""
    plan = replace(swarm_plan(ROOT / "deploy", seed, ["nyc"]), flow=BUSY)
    model = SwarmModel(plan)
    model.run_for(seconds)
    if stopped:
        model.stop()
    return model


@cache
def once() -> SwarmModel:
    return lived(3, 8)


def test_what_large_orders_push_apart_is_taken_between_venues_and_everything_agrees() -> None:
    model = once()
    (node,) = model.nodes
    (group,) = node.node.groups
    assert len(group.ring.taken) >= 3
    venues = {group.instruments[index].venue for found in group.ring.taken for index, _ in found.legs}
    assert len(venues) >= 2
    ended = [found.ended for found in group.ring.taken if found.ended is not None]
    assert {how.state for how in ended} <= {SagaState.FLAT, SagaState.UNWOUND} and len(ended) >= 3
    summary = model.summary(readable)
    assert summary.positions_match, summary.mismatches
    assert group.latencies.mean_ns["tokyo-x"] > 100_000_000 > group.latencies.mean_ns["frankfurt-x"]


def test_every_action_of_an_arbitraging_node_is_derived_again() -> None:
    (node,) = once().nodes
    replay = NodeReplay()
    for sequence, record in node.recorder.store.read(1):
        replay.take(sequence, record)
    recorded, derived = replay.hashes()
    assert replay.first_difference is None and recorded == derived and replay.actions > 0


def test_the_journals_depend_neither_on_the_process_nor_on_compiled_kernels() -> None:
    script = (
        "from tests.sim.test_arbitrage_swarm import *\n"
        "model = lived(3, 4.6, stopped=False)\n"
        "assert model.nodes[0].node.groups[0].ring.taken\n"
        "[actor.step() for actor in model.nodes]\n"
        "print(model.nodes[0].recorder.store.head_hash)"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "SWARM_KERNELS": kernels},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, kernels in (("1", "on"), ("2", "off"))
    }
    assert len(hashes) == 1
