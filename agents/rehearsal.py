"""A node that trades with nobody: it runs the code between a frame and its order, so that caches keep it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from agents.config import HotConfig, RegionConfig
from agents.node import Node
from domain.actions import CancelOrder, SendOrder
from domain.control_events import LeaseGranted, NodeStarted
from domain.dtypes import EXCHANGE_NS, LAST_SEQUENCE, LOCAL_NS, SEQUENCE, Rows
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot, FeedUp, Levels, MarketRows
from domain.order import OrderIntent, OrderState
from domain.order_events import AccountSnapshot, OrderAcked, OrderClosed, OrderLinkUp
from hw.clock import monotonic_ns
from market.rows import rows_of

# Its own time runs so fast that neither message rates nor the choice of ticks hold anything back.
PASS_NS = 250_000_000
EPOCH_PASSES = 1 << 20
STEP_BPS, NEAR = 3, 5
FREE_ATOMS, BUDGET_ATOMS, FOR_EVER_NS = 10**30, 10**18, 1 << 62
_CANCELLED = int(OrderState.CANCELLED)

Rehearse = Callable[[OrderIntent], None]


class Rehearsal:
    """Keep a twin of the node with one market, in a time of its own; nothing of it is sent or recorded.

    What it wants sent is given as a bare intent to `show`, which may build a frame of it: no gateway takes an
    intent for an order. Every order of it is acknowledged and closed at once, so it stays as small as it is.
    """

    def __init__(self, config: RegionConfig, instruments: Iterable[Instrument]) -> None:
        self.instrument, self.node = _twin(config, instruments)
        self.passes = self._sequence = 0
        self._rows: tuple[Rows, Rows] | None = None

    @property
    def begun(self) -> bool:
        """Tell whether it has a price to rehearse with."""
        return self._rows is not None

    def begin(self, bid_ticks: int, ask_ticks: int) -> None:
        """Take a touch as the market's: from now on it moves to and fro there."""
        index, venue, step = self.instrument.index, self.instrument.venue, self.node.step
        places = (bid_ticks, ask_ticks), _moved(bid_ticks, ask_ticks)
        balances = dict.fromkeys((self.instrument.base, self.instrument.quote), (FREE_ATOMS, 0))
        here, there = (_near(*place) for place in places)
        begin: tuple[Event, ...] = (
            NodeStarted(1, "", ""),
            OrderLinkUp(venue, 1),
            AccountSnapshot(venue, 1, balances, (), ()),
            FeedUp(venue, 1),
            BookSnapshot(index, 1, 1, 1, *here),
            LeaseGranted(1, 1, FOR_EVER_NS, BUDGET_ATOMS),
        )
        for event in begin:
            step(event)
        self._sequence, self._rows = 1, (_change(index, here, there), _change(index, there, here))

    def play(self, show: Rehearse) -> None:
        """Let the touch move once, and answer what the strategy does about it."""
        assert self._rows is not None
        rows = self._rows[self.passes & 1]
        self.passes = passes = self.passes + 1
        self._sequence = sequence = self._sequence + 1
        now_ns = passes * PASS_NS
        head = rows[0]
        head[EXCHANGE_NS] = head[LOCAL_NS] = now_ns
        head[SEQUENCE] = head[LAST_SEQUENCE] = sequence
        step = self.node.step
        for action in step(MarketRows(now_ns, rows)):
            if type(action) is SendOrder:
                show(action.approved.intent)
                step(OrderAcked(action.client_id, now_ns, passes))
                step(OrderClosed(action.client_id, now_ns, _CANCELLED, 0))
            elif type(action) is CancelOrder:
                step(OrderClosed(action.client_id, now_ns, _CANCELLED, 0))
        if passes % EPOCH_PASSES == 0:
            # Ids would run out one day.
            step(LeaseGranted(now_ns, 1 + passes // EPOCH_PASSES, FOR_EVER_NS, BUDGET_ATOMS))


async def keep_warm(config: HotConfig, play: Callable[[], None]) -> None:
    """Play at the config's pace, for ever; with `spin` the loop looks for work without ever sleeping."""
    pause_ns = config.rehearse_us * 1_000
    pause_s = 0.0 if config.spin else config.rehearse_us / 1e6
    due_ns = monotonic_ns()
    while True:
        await asyncio.sleep(pause_s)
        if pause_ns > 0 and monotonic_ns() >= due_ns:
            play()
            due_ns = monotonic_ns() + pause_ns


def _twin(config: RegionConfig, instruments: Iterable[Instrument]) -> tuple[Instrument, Node]:
    """Build a node with the first agent whose market is priced in the reporting currency, else the first."""
    listed = {(one.venue, one.symbol): one for one in instruments}
    found = [(listed[agent.venue, agent.symbol], agent) for agent in config.agents]
    own = [pair for pair in found if pair[0].quote == config.reporting_currency]
    instrument, agent = (own or found)[0]
    changes: dict[str, Any] = {
        "agents": (agent.model_copy(update={"warm_ticks": 0}),),
        "arbitrage": (),
        "venues": tuple(venue for venue in config.venues if venue.name == instrument.venue),
        "market": config.market.model_copy(update={"mode": "full"}),
    }
    return instrument, Node(config.model_copy(update=changes), (instrument,))


def _moved(bid_ticks: int, ask_ticks: int) -> tuple[int, int]:
    away = max(1, bid_ticks * STEP_BPS // 10_000)
    return bid_ticks + away, ask_ticks + away


def _near(bid_ticks: int, ask_ticks: int) -> tuple[Levels, Levels]:
    bids = tuple((bid_ticks - place, 100 + place) for place in range(NEAR) if bid_ticks > place)
    return bids, tuple((ask_ticks + place, 100 + place) for place in range(NEAR))


def _change(index: int, before: tuple[Levels, Levels], after: tuple[Levels, Levels]) -> Rows:
    """Give the rows that take the book from one place to the other; times and sequences come later."""
    bids, asks = (
        tuple((ticks, 0) for ticks, _ in gone if ticks not in dict(stay)) + stay
        for gone, stay in zip(before, after, strict=True)
    )
    return rows_of(BookDelta(index, 0, 0, 0, 0, bids, asks))
