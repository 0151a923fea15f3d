"""Sagas over a real adapter and an exchange that goes wrong: flat or alarmed, and every atom agrees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.draws import stream
from tests.chaos.arbitrage_world import A, B, World, live

CASES: dict[str, dict[str, Any]] = {
    "accepted, and no answer": {"kind": "timeout_after_acceptance", "target": "ws_api"},
    "5xx": {"kind": "http_5xx", "target": "ws_api"},
    "banned": {"kind": "ban", "target": "ws_api"},
    "disconnected": {"kind": "disconnect", "target": "ws_api"},
    "half open": {"kind": "half_open", "target": "ws_api"},
    "user events lost": {"kind": "drop", "target": "user"},
    "user events twice": {"kind": "duplicate", "target": "user", "amount": 2},
    "late, and the price is gone": {"kind": "delay", "target": "ws_api", "amount": 400},
    "delisted": {"kind": "delisting", "symbol": "BTCUSDT"},
    "in maintenance": {"kind": "maintenance"},
}


async def settled(world: World) -> None:
    """Let the world be well again, and check what must hold."""
    for exchange in world.exchanges.values():
        exchange.calm()
    await world.close()
    for _ in range(12):
        await asyncio.sleep(5)
        group = world.node.groups[0]
        if not group.execution.sagas.living and not group.execution.orphans and not world.differences():
            break
    living = group.execution.sagas.living
    assert not living or any("saga-stuck" in alarm for alarm in world.alarms), living
    assert world.differences() == []
    if not living:
        assert all(hand.risk.position_lots == 0 for hand in group.hands.values())
        moved = [one.balances()["BTC"] - 10 * 10**10 for one in world.exchanges.values()]
        assert abs(sum(moved)) < 10**7, "BTC is left over between the legs"


@pytest.mark.parametrize("name", [pytest.param(A, marks=pytest.mark.soak), B])
@pytest.mark.parametrize("case", CASES)
def test_a_saga_ends_well_while_an_exchange_goes_wrong(case: str, name: str) -> None:
    async def scenario(world: World, _: asyncio.TaskGroup) -> None:
        spec = CASES[case]
        # What cuts the node off strikes once its first orders are on their way.
        at_once = spec["kind"] not in ("disconnect", "half_open", "maintenance")
        if at_once:
            world.exchanges[name].add(**spec, for_s=4.0)
        await world.gap()
        await asyncio.sleep(0.05)
        if not at_once:
            world.exchanges[name].add(**spec, for_s=4.0)
        await asyncio.sleep(0.1)
        await world.close()
        await asyncio.sleep(1)
        await world.gap()
        await asyncio.sleep(6)
        assert world.node.groups[0].ring.counts.get(("TAKEN", ""), 0) > 0
        await settled(world)

    live(scenario)


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.3])
def test_a_node_killed_in_the_middle_of_a_saga_goes_on_or_takes_it_flat(after_s: float) -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        world.exchanges[B].add(kind="delay", target="ws_api", amount=100, for_s=2.0)
        await world.gap()
        while not world.node.groups[0].ring.taken:
            await asyncio.sleep(0.001)
        await asyncio.sleep(after_s)
        await world.kill()
        await world.close()
        await world.begin(tasks)
        await asyncio.sleep(3)
        await settled(world)

    live(scenario)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_ten_minutes_of_gaps_faults_and_kills(seed: int) -> None:
    draws = stream(seed, "arbitrage", "chaos")

    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        for _ in range(60):
            spec = CASES[draws.choice(list(CASES))]
            world.exchanges[draws.choice((A, B))].add(**spec, for_s=draws.uniform(0.5, 6))
            await world.gap()
            await asyncio.sleep(draws.uniform(0.05, 2))
            await world.close()
            if draws.random() < 0.3:
                await world.kill()
                for exchange in world.exchanges.values():
                    exchange.calm()
                await world.begin(tasks)
            await asyncio.sleep(draws.uniform(1, 8))
        await settled(world)

    live(scenario)
