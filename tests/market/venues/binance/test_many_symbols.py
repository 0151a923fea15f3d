"""Six hundred markets of the real exchange server, followed over as many connections as it takes."""

from __future__ import annotations

from typing import Any

import pytest

from domain.market_events import BookSnapshot, FeedLost, FeedUp, Tick, Trade
from domain.order import Side
from market.venues.binance.stream_links import STREAMS_MAX
from market.venues.venue import load_instruments, venue_of
from sim.exchange.config import MarketConfig
from tests.market.venue_server import Heard, Simulated, in_loop, until, with_keys

MARKETS = 600


def wide() -> Simulated:
    """Build an exchange of many markets."""
    exchange = Simulated()
    bases = [f"A{number:03}" for number in range(MARKETS)]
    changes: dict[str, Any] = {
        "assets": (*bases, "USDT"),
        "markets": tuple(
            MarketConfig(base=base, quote="USDT", tick="0.01", lot="0.001", size_max="1000",
                         notional_min="1", start_price="100")
            for base in bases
        ),
        "accounts": tuple(
            one.model_copy(update={"balances": {"USDT": "1000"}}) if not one.unlimited else one
            for one in exchange.config.accounts
        ),
    }  # fmt: skip
    exchange.config = exchange.config.model_copy(update=changes)
    return exchange


@in_loop
async def run(heard: Heard) -> None:
    exchange = wide()
    await exchange.start()
    try:
        config = exchange.venue_config(start_timeout_s=15.0, rest_timeout_s=5.0)
        symbols = [f"A{number:03}USDT" for number in range(MARKETS)]
        instruments = await load_instruments(config, symbols, exchange.clock)
        async with venue_of(config, instruments, exchange.clock, heard.append) as live:
            served = exchange.served
            assert served is not None
            streams = [name for name in served.hub.listened if "@" in name]
            assert len(streams) == 3 * MARKETS > STREAMS_MAX
            assert len({sink for name in streams for sink in served.hub._sinks[name]}) == 2
            live.fetch_book(MARKETS - 1)
            for market in (0, MARKETS - 1):
                await exchange.crowd(market, Side.SELL, 10_000, 50)
                await exchange.crowd(market, Side.BUY, 10_000, 20)
            await until(lambda: len(heard.of(Trade)) == 2 and len(heard.of(Tick)) >= 2, "both ends")
            assert {trade.instrument for trade in heard.of(Trade)} == {0, MARKETS - 1}
            await until(lambda: heard.of(BookSnapshot), "a book")
            assert live.bad_frames == 0 and len(heard.of(FeedUp)) == 1 and not heard.of(FeedLost)
    finally:
        await exchange.stop()


def test_six_hundred_symbols_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)
    run(Heard())
