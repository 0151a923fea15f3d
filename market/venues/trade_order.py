"""Trades in the order of their ids: live ones wait while those before them are fetched, within bounds.

Whoever reads trades takes rising ids, so a missed trade that comes after a later one is as good as lost.
Where an id is left out, or a connection was made anew, the trades of that market are held back until the ones
before them are there: `HELD_S` and `HELD_MAX` at most. What is not there by then is told as a `Gap`. Nothing
else of a feed waits. A venue's ids must go up by one (`market.venues.venue.counts_trades`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.dtypes import EXCHANGE_NS, LOCAL_NS, SEQUENCE, Rows
from domain.errors import SwarmError
from domain.events import Event
from domain.market_events import MarketRows, Trade
from domain.protocols import Clock
from market.rows import rows_of

# A live trade waits so long, and so many of one feed do.
HELD_S, HELD_MAX = 5.0, 16_384
FILLS_AT_ONCE = 4
# A venue's list may lag behind its stream.
TRIES, PAUSE_S = 4, 0.1
TOLD_AT_ONCE = 1_024
GAPS_AT_ONCE = 64
NOT_LISTED = "the venue lists them no more"


class Gap(msgspec.Struct, frozen=True):
    """Trades that could not be had: those between two ids, as far as both are known."""

    venue: str
    symbol: str
    after: int
    before: int | None
    why: str

    def __str__(self) -> str:
        end = "" if self.before is None else f" and before {self.before}"
        return f"{self.venue} {self.symbol}: trades after {self.after}{end}: {self.why}"


def holes(after: int, ids: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Give the neighbours between which ids are missing, of a known one and the rising ones after it."""
    known = np.concatenate([[after], ids])
    return [(int(known[at]), int(known[at + 1])) for at in np.flatnonzero(np.diff(known) > 1).tolist()]


class _Hold:
    """What waits of one market, and since which trade."""

    __slots__ = ("after", "at_ns", "ids", "rows", "timer", "waiting", "why")

    def __init__(self, after: int, at_ns: int) -> None:
        self.after, self.at_ns = after, at_ns
        self.ids: set[int] = set()
        self.rows: list[Rows] = []
        self.waiting = 0
        self.timer: asyncio.TimerHandle | None = None
        self.why = "they did not come in time"

    def take(self, rows: Rows) -> None:
        """Keep what follows the last trade told."""
        rows = rows[rows[:, SEQUENCE] > self.after]
        if len(rows) > 0:
            self.rows.append(rows)
            self.ids.update(rows[:, SEQUENCE].tolist())

    @property
    def whole(self) -> bool:
        """Tell whether nothing is missing between the last trade told and the newest one."""
        return len(self.ids) == max(self.ids, default=self.after) - self.after

    def sorted(self) -> Rows:
        """Give every trade once, in order."""
        rows = np.concatenate(self.rows)
        _, first = np.unique(rows[:, SEQUENCE], return_index=True)
        told: Rows = rows[first]
        return told


class TradeOrder:
    """Stand between a feed's trades and whoever reads them.

    `fetch(instrument, trade_id, at_ns)` gives the trades after one, oldest first.
    """

    def __init__(
        self,
        venue: str,
        symbols: Mapping[int, str],
        clock: Clock,
        deliver: Callable[[Event], None],
        fetch: Callable[[int, int, int], Awaitable[Rows]],
    ) -> None:
        self._venue, self._symbols, self._clock = venue, symbols, clock
        self._deliver, self._fetch = deliver, fetch
        self.on_gap: Callable[[Gap], None] = _unheard
        self.preferred: frozenset[int] = frozenset()
        self.lost = 0
        self._last: dict[int, tuple[int, int]] = {}
        self._holds: dict[int, _Hold] = {}
        self._wanted: dict[int, None] = {}
        self._wake = asyncio.Event()
        self._held = 0

    def heard(self, event: Trade | MarketRows, instrument: int, trade_id: int, exchange_ns: int) -> None:
        """Take a live trade: pass it on, or hold it while some before it are missing."""
        last = self._last.get(instrument)
        if last is None or (trade_id == last[0] + 1 and instrument not in self._holds):
            self._last[instrument] = (trade_id, exchange_ns)
            self._deliver(event)
        elif trade_id > last[0]:
            self._hold(event, instrument, trade_id)

    def known(self, instrument: int, trade_id: int, exchange_ns: int) -> None:
        """Learn from where on trades are wanted, where none was told yet."""
        self._last.setdefault(instrument, (trade_id, exchange_ns))

    def reopened(self) -> None:
        """Ask for what was missed of every market, since the connection is a new one."""
        for instrument in self._last:
            self._want(instrument)

    async def run(self) -> None:
        """Fetch what is missing until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(FILLS_AT_ONCE):
                tasks.create_task(self._work())

    def _want(self, instrument: int) -> _Hold:
        hold = self._holds.get(instrument)
        if hold is None:
            hold = self._holds[instrument] = _Hold(*self._last[instrument])
        self._wanted[instrument] = None
        self._wake.set()
        return hold

    def _hold(self, event: Trade | MarketRows, instrument: int, trade_id: int) -> None:
        hold = self._holds.get(instrument) or self._want(instrument)
        if trade_id in hold.ids:
            return
        # The feed writes its next frame over rows.
        hold.take(event.rows.copy() if type(event) is MarketRows else rows_of(event))  # type: ignore[arg-type]
        hold.waiting += 1
        self._held += 1
        if hold.whole:
            self._tell(instrument)
        elif self._held > HELD_MAX:
            hold.why = "too many trades waited for them"
            self._tell(instrument)
        elif hold.timer is None:
            hold.timer = asyncio.get_running_loop().call_later(HELD_S, self._tell, instrument)

    async def _work(self) -> None:
        while True:
            if not self._wanted:
                self._wake.clear()
                await self._wake.wait()
                continue
            # Where trades wait comes first, then where somebody trades.
            instrument = min(
                self._wanted, key=lambda one: (self._holds[one].waiting == 0, one not in self.preferred)
            )
            del self._wanted[instrument]
            await self._fill(instrument, self._holds[instrument])

    async def _fill(self, instrument: int, hold: _Hold) -> None:
        pause_s = PAUSE_S
        for place in range(TRIES):
            if place > 0:
                await asyncio.sleep(pause_s)
                pause_s *= 2
            found = False
            try:
                rows = await self._fetch(instrument, hold.after, hold.at_ns)
            except SwarmError as trouble:
                hold.why = str(trouble)
            else:
                found, hold.why = True, NOT_LISTED
                hold.take(rows)
            if self._holds.get(instrument) is not hold:
                return
            # Where nothing waits there is nothing to meet: the next live trade tells whether some are left.
            if found and (hold.waiting == 0 or hold.whole):
                break
        self._tell(instrument)

    def _tell(self, instrument: int) -> None:
        """Tell what is there in order, and say what is not."""
        hold = self._holds.pop(instrument)
        self._wanted.pop(instrument, None)
        self._held -= hold.waiting
        if hold.timer is not None:
            hold.timer.cancel()
        if not hold.rows:
            return
        rows = hold.sorted()
        now_ns = self._clock.now_ns()
        # They come after their time, and after ticks that did not wait.
        rows[:, LOCAL_NS] = now_ns
        self._mark(instrument, hold, rows)
        self._last[instrument] = int(rows[-1, SEQUENCE]), int(rows[-1, EXCHANGE_NS])
        for start in range(0, len(rows), TOLD_AT_ONCE):
            self._deliver(MarketRows(now_ns, rows[start : start + TOLD_AT_ONCE]))

    def _mark(self, instrument: int, hold: _Hold, rows: Rows) -> None:
        missing = holes(hold.after, rows[:, SEQUENCE])
        self.lost += sum(before - after - 1 for after, before in missing)
        if len(missing) > GAPS_AT_ONCE:
            missing[GAPS_AT_ONCE - 1 :] = [(missing[GAPS_AT_ONCE - 1][0], missing[-1][1])]
        for after, before in missing:
            self.on_gap(Gap(self._venue, self._symbols[instrument], after, before, hold.why))


def _unheard(gap: Gap) -> None:
    """Tell nobody: not every reader keeps marks."""
