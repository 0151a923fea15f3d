"""One passes at a time, the most urgent first, and nobody who gave up blocks the way."""

from __future__ import annotations

import asyncio

from market.venues.ccxt.turnstile import Turnstile
from market.venues.quota import Priority


def test_the_most_urgent_passes_first_and_alone() -> None:
    async def run() -> list[str]:
        gate, order, inside = Turnstile(), [], 0

        async def pass_through(name: str, priority: Priority) -> None:
            nonlocal inside
            async with gate.passing(priority):
                inside += 1
                assert inside == 1
                order.append(name)
                await asyncio.sleep(0)
                inside -= 1

        async with asyncio.TaskGroup() as group:
            for name, priority in (("first", Priority.DATA), ("data", Priority.DATA), ("new", Priority.NEW)):
                group.create_task(pass_through(name, priority))
            gone = group.create_task(pass_through("gone", Priority.CANCEL))
            group.create_task(pass_through("cancel", Priority.CANCEL))
            await asyncio.sleep(0)
            gone.cancel()
        async with gate.passing(Priority.DATA):
            order.append("free again")
        return order

    assert asyncio.run(run()) == ["first", "cancel", "new", "data", "free again"]


def test_a_turn_given_to_one_who_was_cancelled_goes_on_to_the_next() -> None:
    async def run() -> list[str]:
        gate, order = Turnstile(), []

        async def wait(name: str) -> None:
            async with gate.passing(Priority.NEW):
                order.append(name)

        async with asyncio.TaskGroup() as group:
            async with gate.passing(Priority.NEW):
                one, _ = group.create_task(wait("one")), group.create_task(wait("two"))
                await asyncio.sleep(0)
            one.cancel()
        return order

    assert asyncio.run(run()) == ["two"]
