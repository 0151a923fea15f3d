"""What the exchange says keeps its shape: a session of today uses the names and types of the recorded one."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.sim.exchange.record_stock import captured, record, shapes
from tests.sim.exchange.server_builders import running


def test_a_session_of_today_has_the_shapes_of_the_recorded_one() -> None:
    async def check() -> None:
        async with running() as at:
            today = await record(at)
        recorded = captured()
        assert shapes(today) == shapes(recorded)
        doors = Counter(door.partition(" ")[0] for door, _ in recorded)
        assert doors["stream"] > 100 and doors["orders"] > 50 and doors["GET"] > 20

    asyncio.run(check())
