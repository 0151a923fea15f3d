"""Trades of the past over REST: the newest, or all that followed one whose id is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from domain.dtypes import NO_ROWS, Rows
from domain.market_events import Trade
from domain.protocols import Clock
from market.rows import rows_of
from market.venues.binance.rest import RestClient
from market.venues.binance.wire import MarketWire

# What one request lists, and how many a market is asked for at most: 100 requests, the newest ones.
TRADES_MAX = 1_000
PAST_MAX = 100_000


class PastTrades:
    """Ask for trades; what cannot be read is taken for not listed."""

    def __init__(self, rest: RestClient, wire: MarketWire, symbols: Mapping[int, str], clock: Clock) -> None:
        self._rest, self._wire, self._symbols, self._clock = rest, wire, symbols, clock

    async def recent(self, instrument: int) -> list[Trade]:
        """Ask for the newest trades of a market, oldest first."""
        return await self._page("/api/v3/trades", instrument, {})

    async def after(self, instrument: int, trade_id: int, at_ns: int) -> Rows:
        """Ask for all trades after one, oldest first; ids tell what the venue does not list any more."""
        recent = await self.recent(instrument)
        found: list[Trade] = []
        if recent and recent[0].trade_id > trade_id + 1:
            first = max(trade_id + 1, recent[-1].trade_id - PAST_MAX + 1)
            found = await self._from(instrument, first, recent[0].trade_id)
        found += [trade for trade in recent if trade.trade_id > trade_id]
        return np.concatenate([NO_ROWS, *(rows_of(trade) for trade in found)])

    async def _from(self, instrument: int, first: int, end: int) -> list[Trade]:
        found: list[Trade] = []
        while first < end:
            page = await self._page("/api/v3/historicalTrades", instrument, {"fromId": first})
            wanted = [trade for trade in page if first <= trade.trade_id < end]
            if not wanted:
                break
            found += wanted
            first = wanted[-1].trade_id + 1
        return found

    async def _page(self, path: str, instrument: int, more: Mapping[str, int]) -> list[Trade]:
        parameters: dict[str, str | int] = {"symbol": self._symbols[instrument], "limit": TRADES_MAX, **more}
        body = await self._rest.get(path, parameters)
        return self._wire.recent(instrument, body, self._clock.now_ns())
