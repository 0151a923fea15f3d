"""The simulated swarm: one seed, one journal; every account agrees; every action follows from the journal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bus.journal import Journal
from bus.journal_memory import MemoryJournal
from domain.errors import ConfigError
from domain.lifecycle import Lifecycle
from domain.protocols import Store
from domain.report import Summary
from domain.steering import HaltRequest, ResumeRequest
from sim.replay import CoordinatorReplay, ExchangeReplay, NodeReplay, Replaying
from sim.swarm import SwarmModel, SwarmPlan, readable
from tests.sim.plans import exchanges, plan, region_config

ROOT = Path(__file__).parents[2]
SECONDS = 20


def simulated(seed: int, seconds: float = SECONDS, *regions: str) -> SwarmModel:
    """Run a swarm to its end."""
    model = SwarmModel(plan(seed, *regions))
    model.run_for(seconds)
    model.stop()
    return model


def summary(model: SwarmModel) -> Summary:
    return model.summary(readable)


@pytest.fixture(scope="module")
def swarm() -> SwarmModel:
    return simulated(1)


def test_three_regions_trade_and_agree_with_their_venues(swarm: SwarmModel) -> None:
    found = summary(swarm)
    assert found.positions_match, found.mismatches
    assert list(found.regions) == ["tokyo", "frankfurt", "nyc"] and found.agents == 12
    for region in found.regions.values():
        assert region.ticks > 50 and region.orders.sent > 0 and region.fills > 0
    assert found.orders.unknown == 0 and found.journal.verified
    assert found.seconds >= SECONDS


def test_everybody_has_a_lease_and_ends_with_nothing_open(swarm: SwarmModel) -> None:
    for node in swarm.nodes:
        report = node.report()
        assert report.epoch == 1 and report.flat_of_orders and report.reconciled and report.stopping
        assert report.journal_events == node.recorder.store.events > 0 and not report.alarms


def test_the_parts_are_agents_of_the_model(swarm: SwarmModel) -> None:
    kinds = {kind.__name__: len(agents) for kind, agents in swarm.agents_by_type.items()}
    assert kinds == {"VenueHost": 3, "CoordinatorActor": 1, "NodeActor": 3}
    assert swarm.steps >= SECONDS * 10 and not swarm.running


def test_the_same_seed_gives_the_same_journals_and_another_seed_gives_others(swarm: SwarmModel) -> None:
    again, other = simulated(1), simulated(2)
    heads = {name: store.head_hash for name, store in swarm.stores.items()}
    assert {name: store.head_hash for name, store in again.stores.items()} == heads
    assert summary(again).journal == summary(swarm).journal
    assert all(other.stores[name].head_hash != head for name, head in heads.items() if name != "coordinator")


def test_the_hash_depends_neither_on_the_process_nor_on_compiled_kernels() -> None:
    script = (
        "from tests.sim.test_swarm import *\nprint(summary(simulated(5, 5, 'tokyo', 'nyc')).journal.hash)"
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
    assert hashes == {summary(simulated(5, 5, "tokyo", "nyc")).journal.hash + "\n"}


def replaying(name: str) -> Replaying:
    """Choose a replay as the command does."""
    if name == "coordinator":
        return CoordinatorReplay()
    known = {f"exchange-{one.name}": one for one in exchanges()}
    return ExchangeReplay(known[name]) if name in known else NodeReplay()


def test_every_action_of_every_core_is_derived_again(swarm: SwarmModel) -> None:
    for name, store in swarm.stores.items():
        fresh = replaying(name)
        for sequence, record in store.read(1):
            fresh.take(sequence, record)
        recorded, derived = fresh.hashes()
        assert fresh.first_difference is None and recorded == derived and fresh.actions > 0, name
    for node in swarm.nodes:
        assert node.node.report(0).ticks > 0


def test_a_halt_reaches_every_region_and_a_resume_ends_it() -> None:
    model = SwarmModel(plan(3))
    model.run_for(10)
    model.coordinator.command(HaltRequest(None, "drill"))
    model.run_for(1)
    for node in model.nodes:
        report = node.report()
        assert report.halted and report.flat_of_orders
        assert all(agent.lifecycle == Lifecycle.HALTED for agent in report.agents)
    sent = [summary_orders(node.report()) for node in model.nodes]
    model.run_for(5)
    assert [summary_orders(node.report()) for node in model.nodes] == sent
    model.coordinator.command(ResumeRequest(None))
    model.run_for(5)
    assert all(not node.report().halted for node in model.nodes)
    assert [summary_orders(node.report()) for node in model.nodes] > sent
    model.stop()
    assert summary(model).positions_match


def summary_orders(report: object) -> int:
    return sum(agent.orders.sent for agent in report.agents)  # type: ignore[attr-defined]


def test_a_region_that_is_halted_leaves_the_others_trading() -> None:
    model = SwarmModel(plan(3, "tokyo", "nyc"))
    model.run_for(5)
    model.coordinator.command(HaltRequest("nyc", "drill"))
    model.run_for(2)
    assert {node.config.region: node.report().halted for node in model.nodes} == {"tokyo": False, "nyc": True}


def test_journals_on_disk_say_the_same_as_journals_in_memory(tmp_path: Path) -> None:
    def on_disk(name: str) -> Store:
        return Journal.open(tmp_path / name, name)

    kept = SwarmModel(plan(4, "frankfurt"), on_disk)
    kept.run_for(3)
    heads = {name: store.head_hash for name, store in kept.stores.items()}
    assert heads == {name: store.head_hash for name, store in ran(4, 3, "frankfurt").stores.items()}
    for store in kept.stores.values():
        assert isinstance(store, Journal)
        store.close()


def ran(seed: int, seconds: float, *regions: str) -> SwarmModel:
    model = SwarmModel(plan(seed, *regions), MemoryJournal)
    model.run_for(seconds)
    return model


def test_a_mismatch_at_the_venue_is_found() -> None:
    model = simulated(6, 3, "tokyo")
    host = model.hosts["tokyo-x"]
    host.exchange.accounts.free[host.exchange.config.account_index("tokyo-main")][0] += 1
    found = summary(model)
    assert not found.positions_match and "BTC" in found.mismatches[0]


def test_a_venue_that_is_not_simulated_is_refused() -> None:
    wanted = [one for one in exchanges() if one.name == "nyc-x"]
    with pytest.raises(ConfigError, match="tokyo-x, which is not simulated"):
        SwarmModel(SwarmPlan(1, wanted, [region_config("tokyo")]))


def test_progress_is_told_at_every_step() -> None:
    told: list[float] = []
    SwarmModel(plan(1, "nyc")).run_for(0.5, told.append)
    assert told == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
