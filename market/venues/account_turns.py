"""Accounts are read in turn: the latest ask only, again until it can be had, and none across a new link."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from domain.errors import SwarmError
from domain.order_events import AccountSnapshot
from market.venues.backoff import Backoff

Since = tuple[tuple[int, int], ...]


class AccountTurns:
    """Read the account by `read` whenever it is asked for, and deliver it while the link stands.

    `link` is set while the link stands; `stood` says that it does so anew.
    """

    def __init__(
        self,
        read: Callable[[Since], Awaitable[AccountSnapshot]],
        deliver: Callable[[AccountSnapshot], None],
        link: asyncio.Event,
        backoff: Backoff,
    ) -> None:
        self._read, self._deliver, self._link, self._backoff = read, deliver, link, backoff
        self._wanted: asyncio.Queue[Since] = asyncio.Queue(maxsize=1)
        self._ups = self.failed = self.dropped = 0

    def ask(self, since: Since) -> None:
        """Ask for the account; a later ask replaces one that has not begun."""
        if self._wanted.full():
            self._wanted.get_nowait()
        self._wanted.put_nowait(since)

    def stood(self) -> None:
        """Learn that a new link stands."""
        self._ups += 1

    async def run(self) -> None:
        """Take turns until cancelled."""
        while True:
            began, snapshot = await self._had(await self._wanted.get())
            self._backoff.reset()
            if self._link.is_set() and began == self._ups:
                self._deliver(snapshot)
            else:
                # Fills may have gone by between its reading and the new link: the core asks again then.
                self.dropped += 1

    async def _had(self, since: Since) -> tuple[int, AccountSnapshot]:
        while True:
            began = self._ups
            try:
                return began, await self._read(since)
            except SwarmError:
                self.failed += 1
            await asyncio.sleep(self._backoff.next_s())
            if not self._wanted.empty():
                since = self._wanted.get_nowait()
