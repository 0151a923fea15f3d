"""The seams: each has one contract test that runs against every implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from domain.desire import Desire
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import Tick
from domain.order import ApprovedOrder
from domain.position import Position


class Clock(Protocol):
    """Tell the time in integer nanoseconds; it never goes back."""

    def now_ns(self) -> int:
        """Give the current time."""
        ...


class BookView(Protocol):
    """A market's depth as arrays, best level first; nobody sees levels while it is stale."""

    @property
    def stale(self) -> bool:
        """Tell whether the book must not be believed."""
        ...

    @property
    def bids(self) -> NDArray[np.void]:
        """Give bid levels (LEVEL_DTYPE), best first, without copying."""
        ...

    @property
    def asks(self) -> NDArray[np.void]:
        """Give ask levels (LEVEL_DTYPE), best first, without copying."""
        ...

    @property
    def bid_ticks(self) -> int:
        """Give the best bid, 0 where there is none."""
        ...

    @property
    def ask_ticks(self) -> int:
        """Give the best ask, 0 where there is none."""
        ...


class RingView(Protocol):
    """The latest ticks of a market, oldest first."""

    def last(self, count: int) -> NDArray[np.void]:
        """Give up to `count` latest ticks (TICK_DTYPE) as one contiguous view, without copying."""
        ...

    def __len__(self) -> int: ...


class View(Protocol):
    """All that a strategy may see, without copying and without a way to send."""

    @property
    def now_ns(self) -> int:
        """Give the time of the event being stepped on."""
        ...

    def instrument(self, index: int) -> Instrument:
        """Give what the market's integers mean."""
        ...

    def book(self, index: int) -> BookView:
        """Give the market's book."""
        ...

    def ring(self, index: int) -> RingView:
        """Give the market's latest ticks."""
        ...

    def bars(self, index: int, resolution: Literal["1m", "1h"] = "1m") -> NDArray[np.void]:
        """Give the market's closed bars, oldest first, without copying."""
        ...

    def indicator(self, index: int, name: str) -> float | None:
        """Give one of the region's indicators by the name in its config, `None` while it is not warm."""
        ...

    def quality(self, index: int) -> int:
        """Tell how far the market's latest data can be believed: 0 wholly, 1 hardly, 2 not at all."""
        ...

    def position(self, index: int) -> Position:
        """Give this agent's own position in the market."""
        ...

    def signal_bps(self, index: int) -> float | None:
        """Give the model's latest opinion, `None` where there is none."""
        ...

    def ask_model(self, features: NDArray[np.float32], out: NDArray[np.float32]) -> int:
        """Have this agent's model write down, flat and up; give who answered, as `Observed.mode` tells it."""
        ...

    def observed(self, event: Tick, decision_ppm: int) -> None:
        """Keep what was asked last, and what was decided on it, as a row to learn from."""
        ...


class Strategy(Protocol):
    """A value with a frozen config: all it knows comes in with `step`, all it wants goes out of it."""

    config: Any

    def step(self, view: View, event: Event) -> Desire | None:
        """Answer what is wanted now; `None` leaves the last answer standing."""
        ...

    def state(self) -> bytes:
        """Give everything that a restart needs, as data."""
        ...

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        ...


class Gateway(Protocol):
    """Carry orders to a venue. Every call returns at once; answers come as events."""

    def send(self, client_id: int, approved: ApprovedOrder) -> None:
        """Send an approved order; nothing else can be sent."""
        ...

    def cancel(self, client_id: int, instrument: int) -> None:
        """Cancel an order by its client id."""
        ...

    def query(self, client_id: int, instrument: int) -> None:
        """Ask for an order's fate."""
        ...

    def fetch_account(self, since_trade_ids: tuple[tuple[int, int], ...]) -> None:
        """Ask for balances, open orders and fills after the given trade ids."""
        ...


class Feed(Protocol):
    """Bring a venue's market data as events."""

    def fetch_book(self, instrument: int) -> None:
        """Ask for a snapshot; it comes as an event."""
        ...


class Link(Protocol):
    """A bounded, sequenced path for messages between two processes."""

    def send(self, message: bytes) -> bool:
        """Queue a message; False says that it was dropped because the queue is full."""
        ...

    def messages(self) -> AsyncIterator[bytes]:
        """Give messages as they come, in order, until the link closes."""
        ...


class Store(Protocol):
    """An ordered, hash-chained record of bytes: the journal."""

    def append(self, record: bytes) -> int:
        """Add a record in memory and give its sequence, from 1."""
        ...

    def commit(self) -> None:
        """Make everything appended so far durable."""
        ...

    def snapshot(self, state: bytes, sequence: int | None = None) -> None:
        """Keep a state as of the last appended record, or an earlier one, so that replay can begin there."""
        ...

    def latest_snapshot(self) -> tuple[int, bytes] | None:
        """Give the newest snapshot as (sequence, state)."""
        ...

    def read(self, first_sequence: int) -> Iterator[tuple[int, bytes]]:
        """Give committed records from a sequence on."""
        ...

    @property
    def events(self) -> int:
        """Count the records appended."""
        ...

    @property
    def head_hash(self) -> str:
        """Give the chain's hash over everything committed."""
        ...
