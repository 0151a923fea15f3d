"""Channels are bounded, ordered, counted, and end when closed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.channel import Channel, WhenFull


def test_a_full_channel_refuses_the_new_item_and_counts_it() -> None:
    channel: Channel[int] = Channel(2)
    assert [channel.put(each) for each in (1, 2, 3)] == [True, True, False]
    assert channel.drain() == [1, 2] and (channel.refused, channel.dropped, channel.passed) == (1, 0, 2)


def test_a_full_channel_may_drop_its_oldest_item_instead() -> None:
    channel: Channel[int] = Channel(2, WhenFull.DROP_OLDEST)
    assert [channel.put(each) for each in (1, 2, 3)] == [True, True, True]
    assert [channel.take(), channel.take(), channel.take()] == [2, 3, None]
    assert (channel.refused, channel.dropped, channel.passed) == (0, 1, 2)


def test_a_channel_for_nothing_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="at least one"):
        Channel[int](0)


def test_closing_ends_consumers_once_the_channel_is_empty() -> None:
    async def scenario() -> list[int]:
        channel: Channel[int] = Channel(10)
        channel.put(1)
        channel.put(2)
        channel.close()
        assert channel.closed and not channel.put(3) and channel.refused == 1
        return [item async for item in channel]

    assert asyncio.run(scenario()) == [1, 2]


def test_closing_wakes_every_consumer_that_waits() -> None:
    async def consume(channel: Channel[int]) -> list[int]:
        return [item async for item in channel]

    async def scenario() -> list[int]:
        channel: Channel[int] = Channel(10)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(consume(channel)) for _ in range(3)]
            await asyncio.sleep(0)
            for each in range(9):
                channel.put(each)
                await asyncio.sleep(0)
            channel.close()
        return sorted(item for task in tasks for item in task.result())

    assert asyncio.run(asyncio.wait_for(scenario(), 10)) == list(range(9))


def test_an_item_is_not_lost_with_a_cancelled_consumer() -> None:
    async def scenario() -> int:
        channel: Channel[int] = Channel(10)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(anext_of(channel))
            second = group.create_task(anext_of(channel))
            await asyncio.sleep(0)
            channel.put(7)  # wakes the first, which is cancelled before it runs
            first.cancel()
            await asyncio.wait([first])
            result = await second
            idle = group.create_task(anext_of(channel))
            await asyncio.sleep(0)
            idle.cancel()
        assert not channel._waiting
        return result

    assert asyncio.run(asyncio.wait_for(scenario(), 10)) == 7


async def anext_of(channel: Channel[int]) -> int:
    """Wait for one item."""
    return await anext(channel)


@given(st.lists(st.one_of(st.integers(0, 99), st.none())), st.integers(1, 4), st.sampled_from(WhenFull))
def test_what_went_in_came_out_or_was_counted(
    script: list[int | None], capacity: int, when_full: WhenFull
) -> None:
    channel: Channel[int] = Channel(capacity, when_full)
    put = [each for each in script if each is not None]
    for each in script:
        if each is None:
            channel.take()
        else:
            channel.put(each)
        assert len(channel) <= capacity
    assert len(put) == channel.passed + channel.refused + channel.dropped + len(channel)
