"""A link is kept up, says why it was lost, and never hides our own mistakes."""

from __future__ import annotations

import asyncio

import pytest

from market.venues.link import LinkBroken, VenueLink
from tests.market.scripted_venue import Scripted, scripted
from tests.market.venue_server import in_loop, until


class Kept:
    """A link with its callbacks."""

    def __init__(self, venue: Scripted, path: str = "/stream") -> None:
        self.lost: list[str] = []
        self.frames: list[bytes] = []
        self.fail: Exception | None = None
        config = venue.config()
        url = f"ws://127.0.0.1:{venue.port}{path}"
        self.link = VenueLink(
            "test", url, config, on_open=self.opened, on_frame=self.frame, on_lost=self.lost.append
        )

    async def opened(self) -> None:
        self.link.up.set()

    def frame(self, payload: bytes) -> None:
        self.frames.append(payload)
        if self.fail is not None:
            raise self.fail


@in_loop
async def test_a_dropped_link_is_lost_once_and_made_anew() -> None:
    async with scripted() as venue, asyncio.TaskGroup() as tasks:
        kept = Kept(venue)
        running = tasks.create_task(kept.link.run())
        await until(kept.link.up.is_set)
        kept.link.drop()
        await until(lambda: kept.link.epoch == 2 and kept.link.up.is_set())
        assert kept.lost == ["the connection was closed"]
        running.cancel()
    assert len(kept.lost) == 2


@in_loop
async def test_a_split_message_counts_as_an_empty_frame() -> None:
    async with scripted() as venue, asyncio.TaskGroup() as tasks:
        kept = Kept(venue)
        running = tasks.create_task(kept.link.run())
        await until(lambda: venue.stream_sockets)
        await until(kept.link.up.is_set)
        await venue.stream_sockets[-1].send_str("whole")
        transport = venue.stream_sockets[-1]._req.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.write(b"\x01\x02ha")
        transport.write(b"\x80\x02lf")
        await until(lambda: len(kept.frames) >= 2)
        assert kept.frames[:2] == [b"whole", b""]
        running.cancel()


@in_loop
async def test_our_own_mistake_ends_the_link() -> None:
    async with scripted() as venue:
        kept = Kept(venue)
        kept.fail = ZeroDivisionError("mine")
        running = asyncio.ensure_future(kept.link.run())
        await until(kept.link.up.is_set)
        await venue.stream_sockets[-1].send_str("x")
        with pytest.raises(ZeroDivisionError):
            await running
        assert kept.lost == ["the connection was closed"]


@in_loop
async def test_a_refused_handshake_is_tried_again() -> None:
    async with scripted() as venue, asyncio.TaskGroup() as tasks:
        kept = Kept(venue, "/nowhere")
        running = tasks.create_task(kept.link.run())
        await until(lambda: len([path for path, _ in venue.rest_calls if path == "/nowhere"]) >= 2)
        assert kept.link.epoch == 0 and kept.lost == []
        await until(lambda: "404" in kept.link.last_reason)
        running.cancel()


@in_loop
async def test_a_full_socket_pauses_the_link_until_it_drains() -> None:
    async with scripted() as venue, asyncio.TaskGroup() as tasks:
        kept, resumed = Kept(venue, "/ws-api/v3"), []
        kept.link.on_resume = lambda: resumed.append(kept.link.paused)
        running = tasks.create_task(kept.link.run())
        await until(kept.link.up.is_set)
        payload = b'{"id":1,"method":"none","params":"' + b"x" * 1_000_000 + b'"}'
        for _ in range(20):
            if not kept.link.paused:
                kept.link.send(payload)
        assert kept.link.paused
        await until(lambda: resumed == [False])
        running.cancel()


@in_loop
async def test_a_link_that_is_given_up_again_and_again_waits_longer_each_time() -> None:
    async with scripted() as venue, asyncio.TaskGroup() as tasks:
        kept = Kept(venue)
        kept.fail = LinkBroken("not a word to believe")
        running = tasks.create_task(kept.link.run())
        for times in (1, 2, 3):
            await until(kept.link.up.is_set)
            await venue.stream_sockets[-1].send_str("x")
            await until(lambda times=times: len(kept.lost) == times)  # type: ignore[misc]
        assert kept.link._backoff._tries == 3
        kept.fail = None
        await until(kept.link.up.is_set)
        await asyncio.sleep(venue.config().backoff_max_s * 1.1)
        kept.link.drop()
        await until(lambda: len(kept.lost) == 4 and kept.link.up.is_set())
        assert kept.link._backoff._tries == 1
        running.cancel()
