"""The connections of one feed: streams are subscribed to by message at the venue's pace; all stand or none.

Source: developers.binance.com, "WebSocket Streams" of spot: at most 1,024 streams a connection, and 5
messages a second to it, pings and pongs among them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from itertools import count

from domain.errors import ExitCode, SwarmError
from market.venues.binance.wire import Answer
from market.venues.config import VenueConfig
from market.venues.link import VenueLink

STREAMS_MAX = 1_024
NAMES_MAX = 200
PAUSE_S = 0.25


class _Part:
    """One connection and the streams that it carries."""

    def __init__(
        self,
        number: int,
        names: Sequence[str],
        config: VenueConfig,
        ids: count[int],
        on_begin: Callable[[], None],
        on_frame: Callable[[bytes], None],
        on_up: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._names, self._config, self._ids = names, config, ids
        self._on_begin, self._on_up = on_begin, on_up
        self._left: set[int] = set()
        self._refused = ""
        self._told = asyncio.Event()
        self.stands = False
        self.link = VenueLink(
            f"stream {number}" if number > 0 else "stream",
            f"{config.stream_url.rstrip('/')}/stream",
            config,
            on_open=self._subscribe,
            on_frame=on_frame,
            on_lost=on_lost,
        )

    async def _subscribe(self) -> None:
        """Ask for every stream; up once the venue took them all."""
        some = [self._names[first : first + NAMES_MAX] for first in range(0, len(self._names), NAMES_MAX)]
        requests = {next(self._ids): names for names in some}
        self._left, self._refused = set(requests), ""
        self._told.clear()
        self._on_begin()
        for place, (number, names) in enumerate(requests.items()):
            if place > 0:
                await asyncio.sleep(PAUSE_S)
            self._ask(number, names)
        async with asyncio.timeout(self._config.request_timeout_s):
            await self._told.wait()
        if self._refused != "":
            raise SwarmError(
                f"venue {self._config.name} refused streams: {self._refused}",
                where=self._config.stream_url,
                mend="correct the venue's url or symbols",
                code=ExitCode.CONFIG,
            )
        self.stands = True
        self.link.up.set()
        self._on_up()

    def _ask(self, number: int, names: Sequence[str]) -> None:
        request = {"method": "SUBSCRIBE", "params": list(names), "id": number}
        self.link.send(json.dumps(request, separators=(",", ":")).encode())

    def answered(self, answer: Answer) -> None:
        """Take the answer to one of our messages; one that names none of them is about any."""
        if answer.id is not None and answer.id not in self._left:
            return
        if answer.refusal is not None:
            self._refused = answer.refusal[:160]
        elif answer.id is not None:
            self._left.discard(answer.id)
        if self._refused != "" or not self._left:
            self._told.set()

    def drop(self) -> None:
        """Make this connection anew."""
        self.stands = False
        self.link.drop()


class StreamLinks:
    """Keep as many connections as the streams need. The feed is up while every one stands and is subscribed.

    All are made anew when one is lost: a venue's books begin again together.
    """

    def __init__(
        self,
        config: VenueConfig,
        names: Sequence[str],
        *,
        on_begin: Callable[[], None],
        on_frame: Callable[[bytes], None],
        on_up: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._on_up, self._on_lost, ids = on_up, on_lost, count(1)
        self._parts = [
            _Part(
                number,
                names[first : first + STREAMS_MAX],
                config,
                ids,
                on_begin,
                on_frame,
                self._one_up,
                self._one_lost,
            )
            for number, first in enumerate(range(0, len(names), STREAMS_MAX))
        ]
        self.links = tuple(part.link for part in self._parts)
        self.up = asyncio.Event()
        self.epoch = 0

    @property
    def refused(self) -> SwarmError | None:
        """Give why the venue will not have us, where it says so."""
        return next((link.refused for link in self.links if link.refused is not None), None)

    @property
    def last_reason(self) -> str:
        """Give why the feed does not stand."""
        down = (part.link.last_reason for part in self._parts if not part.stands)
        return next(down, self.links[0].last_reason)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for link in self.links:
                tasks.create_task(link.run())

    def answered(self, answer: Answer) -> None:
        """Pass an answer to the connection that asked."""
        for part in self._parts:
            part.answered(answer)

    def _one_up(self) -> None:
        if not self.up.is_set() and all(part.stands for part in self._parts):
            self.epoch += 1
            self.up.set()
            self._on_up()

    def _one_lost(self, reason: str) -> None:
        if not self.up.is_set():
            return
        self.up.clear()
        for part in self._parts:
            part.drop()
        self._on_lost(reason)
