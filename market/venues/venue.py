"""What every venue adapter is, and the way from a config to the one that it names."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from domain.dtypes import Rows
from domain.events import Event
from domain.instrument import Instrument
from domain.order import ApprovedOrder, OrderIntent
from domain.protocols import Clock
from market.config import BookRules
from market.venues.config import VenueConfig
from market.venues.quota import Quotas
from market.venues.trade_order import Gap

Balances = dict[str, tuple[int, int]]


class AccountTruth(msgspec.Struct, frozen=True):
    """What the venue says we have: (free, locked) atoms per asset, and open orders by client text."""

    venue: str
    balances: Balances
    open_order_ids: tuple[str, ...]

    @property
    def totals(self) -> dict[str, int]:
        """Give free and locked together."""
        return {asset: free + locked for asset, (free, locked) in self.balances.items()}


class Venue(Protocol):
    """One venue account as an async context that turns actions into bytes and bytes into events."""

    name: str
    instruments: tuple[Instrument, ...]
    send: Callable[[int, ApprovedOrder], None]
    cancel: Callable[[int, int], None]
    query: Callable[[int, int], None]
    fetch_account: Callable[[tuple[tuple[int, int], ...]], None]
    fetch_book: Callable[[int], None]
    trades_after: Callable[[int, int, int], Awaitable[Rows]]
    prefer: Callable[[Iterable[int]], None]
    purge: Callable[[], list[int]]
    rehearse: Callable[[OrderIntent], None]
    reread: Callable[[], None]
    on_gap: Callable[[Gap], None]

    @property
    def bad_frames(self) -> int:
        """Count frames that could not be read."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def venue_of(
    config: VenueConfig,
    instruments: Sequence[Instrument],
    clock: Clock,
    deliver: Callable[[Event], None],
    *,
    live_word: str | None = None,
    quotas: Quotas | None = None,
) -> Venue:
    """Build the adapter that the config's dialect names; accounts that share an address share `quotas`."""
    build: Callable[..., Venue] = _part(config, "venue").open_venue
    return build(config, instruments, clock, deliver, live_word=live_word, quotas=quotas)


def book_rules(config: VenueConfig) -> BookRules | None:
    """Say how a venue keeps its books, where that is not as deep as we like."""
    if config.dialect != "kraken":
        return None
    return BookRules(depth=_part(config, "stream").book_depth(config))


async def load_instruments(
    config: VenueConfig,
    symbols: Sequence[str],
    clock: Clock,
    *,
    first_index: int = 0,
    live_word: str | None = None,
) -> tuple[Instrument, ...]:
    """Ask a venue for its rules; indexes run from `first_index` in the order of `symbols`."""
    found: tuple[Instrument, ...] = await _part(config, "instruments").load_instruments(
        config, symbols, clock, first_index=first_index, live_word=live_word
    )
    return found


def counts_trades(config: VenueConfig) -> bool:
    """Tell whether a venue's trade ids go up by one, so that a missing one can be seen."""
    return config.dialect != "ccxt"


def know(config: VenueConfig) -> None:
    """Import what the config's dialect needs, for who will have no time for it later."""
    _part(config, "venue")


async def account_truth(config: VenueConfig, clock: Clock) -> AccountTruth:
    """Ask a venue for its own word on an account: balances and open orders."""
    truth: AccountTruth = await _part(config, "venue").account_truth(config, clock)
    return truth


def _part(config: VenueConfig, name: str) -> Any:
    return importlib.import_module(f"market.venues.{config.dialect}.{name}")
