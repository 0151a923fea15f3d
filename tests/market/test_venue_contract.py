"""Every venue adapter is found and does the same against a real exchange."""

from __future__ import annotations

import asyncio
import pkgutil
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import pytest

import market.venues
from domain.actions import FetchBook
from domain.errors import ConfigError, ExitCode, SwarmError
from domain.events import Event
from domain.ids import client_id, client_id_text
from domain.market_events import BookDelta, BookSnapshot, FeedLost, FeedUp, MarketRows, Tick, Trade
from domain.order import OrderState, Side, TimeInForce
from domain.order_events import (
    AccountSnapshot,
    CancelRefused,
    FateUnknown,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderLinkLost,
    OrderLinkUp,
    OrderRefusedByVenue,
    OrderStatus,
)
from domain.position import Position
from market.book import Book
from market.rows import events_of
from market.venues.config import VenueConfig
from market.venues.venue import Venue, account_truth, load_instruments, venue_of
from tests.market.venue_server import (
    KEY,
    KRAKEN_SECRET,
    SECRET,
    SYMBOLS,
    Dialect,
    Heard,
    Simulated,
    buy,
    in_loop,
    simulated,
    until,
    with_keys,
)

FOUND = [name for _, name, is_package in pkgutil.iter_modules(market.venues.__path__) if is_package]


class Case(NamedTuple):
    """An adapter, and the dialect of the exchange that it is held against."""

    adapter: str
    dialect: Dialect

    def __str__(self) -> str:
        return f"{self.adapter}-{self.dialect}"


CASES = [
    Case("binance", "binance"),
    Case("kraken", "kraken"),
    Case("ccxt", "binance"),
    Case("ccxt", "kraken"),
]
all_venues = pytest.mark.parametrize("venue", CASES, ids=str)


def reached(venue: Case, exchange: Simulated, **changes: Any) -> VenueConfig:
    """Say how the case's adapter reaches the exchange."""
    which = {"exchange": venue.dialect} if venue.adapter == "ccxt" else {}
    return exchange.venue_config(**{"dialect": venue.adapter, **which, **changes})


def served(venue: Case) -> AbstractAsyncContextManager[Simulated]:
    """Run the exchange that the case is held against."""
    return simulated(venue.dialect)


def secret_of(venue: Case) -> str:
    return KRAKEN_SECRET if venue.dialect == "kraken" else SECRET


@pytest.fixture(autouse=True)
def _keys(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "venue" in request.fixturenames:
        with_keys(monkeypatch, secret=secret_of(request.getfixturevalue("venue")))


def test_every_adapter_has_its_cases() -> None:
    assert len(FOUND) == 3 and sorted(FOUND) == sorted({case.adapter for case in CASES})
    assert len(CASES) == 4


def spread(event: Event) -> list[Event]:
    """Give what an event tells, one by one."""
    return list(events_of(event.rows)) if isinstance(event, MarketRows) else [event]


async def connected(venue: Case, exchange: Simulated, deliver: Any) -> Venue:
    config = reached(venue, exchange)
    instruments = await load_instruments(config, SYMBOLS, exchange.clock)
    return venue_of(config, instruments, exchange.clock, deliver)


@all_venues
def test_orders_live_their_lives(venue: Case) -> None:
    @in_loop
    async def run() -> None:
        heard, one, two, three = Heard(), client_id(1, 1, 1), client_id(1, 1, 2), client_id(1, 1, 3)
        async with (
            served(venue) as exchange,
            await connected(venue, exchange, heard.append) as live,
        ):
            assert heard.of(FeedUp) and heard.of(OrderLinkUp)
            await exchange.crowd(0, Side.SELL, 6_000_000, 500)
            live.send(one, buy(6_000_000, 200))
            live.send(two, buy(5_000_000, 200, TimeInForce.POST))
            live.send(three, buy(6_000_000, 200, TimeInForce.POST))
            await until(
                lambda: heard.of(Fill) and heard.of(OrderRefusedByVenue) and len(heard.of(OrderAcked)) == 2
            )
            (fill,) = heard.of(Fill)
            assert (fill.client_id, fill.side, fill.price_ticks, fill.size_lots) == (one, 1, 6_000_000, 200)
            assert (fill.fee_asset, fill.fee_atoms, fill.maker) == (
                "BTC",
                200 * 100_000 * 500 // 1_000_000,
                False,
            )
            assert heard.of(OrderRefusedByVenue)[0].client_id == three
            live.send(two, buy(5_000_000, 200, TimeInForce.POST))
            await until(lambda: heard.of(OrderStatus))
            live.cancel(two, 0)
            live.cancel(one, 0)
            live.query(one, 0)
            await until(
                lambda: heard.of(OrderClosed) and heard.of(CancelRefused) and len(heard.of(OrderStatus)) == 2
            )
            assert heard.of(OrderClosed)[0].client_id == two
            assert heard.of(OrderStatus)[-1].state == OrderState.FILLED
            assert len(heard.of(OrderAcked)) == 2 and live.bad_frames == 0

    run()


@all_venues
def test_a_book_follows_the_exchange_through_a_lost_connection(venue: Case) -> None:
    @in_loop
    async def run() -> None:
        heard, book = Heard(), Book(0)
        live: Any = None

        def follow(event: Event) -> None:
            heard.append(event)
            if isinstance(event, FeedUp):
                book.feed_up(event.local_ts_ns)
            elif isinstance(event, FeedLost):
                book.feed_lost()
            for told in spread(event):
                if isinstance(told, BookDelta | BookSnapshot) and told.instrument == 0:
                    book.apply(told)
            if live is not None and book.wants_snapshot(exchange.clock.now_ns()):
                live.fetch_book(FetchBook(0).instrument)

        def same() -> bool:
            _, bids, asks = exchange.exchange.depth(0, 1_000)
            shown = (tuple(book.bids.tolist()), tuple(book.asks.tolist()))
            return not book.stale and shown == (tuple(bids), tuple(asks))

        async with served(venue) as exchange:
            live = await connected(venue, exchange, follow)
            async with live:
                for around in range(2):
                    for step in range(30):
                        await exchange.crowd(0, Side.BUY, 5_900_000 - 7 * step - around, 100 + step)
                        await exchange.crowd(0, Side.SELL, 6_100_000 + 5 * step + around, 100)
                        await asyncio.sleep(0.005)
                    await exchange.crowd(0, Side.SELL, 5_899_900, 250)
                    await until(same, "book and exchange to agree")
                    if around == 0:
                        await exchange.stop()
                        await until(lambda: book.stale and heard.of(OrderLinkLost))
                        await exchange.start()
                        await until(lambda: len(heard.of(OrderLinkUp)) == 2 and len(heard.of(FeedUp)) == 2)
                assert heard.of(Trade)[-1].aggressor == Side.SELL and live.bad_frames == 0

    run()


@all_venues
def test_the_account_adds_up_to_the_fills(venue: Case) -> None:
    @in_loop
    async def run() -> None:
        heard = Heard()
        async with (
            served(venue) as exchange,
            await connected(venue, exchange, heard.append) as live,
        ):
            for sequence in range(1, 6):
                await exchange.crowd(0, Side.SELL, 6_000_000 + sequence, 100)
                live.send(client_id(1, 1, sequence), buy(6_000_100, 100, TimeInForce.IOC))
            live.send(client_id(1, 1, 9), buy(5_000_000, 300))
            await until(lambda: len(heard.of(Fill)) == 5 and len(heard.of(OrderAcked)) == 6)
            live.fetch_account(((0, 2), (1, 0)))
            await until(lambda: heard.of(AccountSnapshot))
            snapshot = heard.of(AccountSnapshot)[0]
            strip = [
                (fill.trade_id, fill.client_id, fill.size_lots, fill.fee_atoms) for fill in snapshot.fills
            ]
            known = [
                (fill.trade_id, fill.client_id, fill.size_lots, fill.fee_atoms) for fill in heard.of(Fill)
            ]
            assert strip == known[2:]
            position = Position()
            for fill in heard.of(Fill):
                position = position.fold(fill, live.instruments[0])
            free, locked = snapshot.balances["BTC"]
            assert free + locked - 100_000_000_000 == position.base_atoms
            (order,) = snapshot.open_orders
            assert (order.client_id, order.price_ticks, order.size_lots) == (
                client_id(1, 1, 9),
                5_000_000,
                300,
            )
            truth = await account_truth(reached(venue, exchange), exchange.clock)
            assert truth.open_order_ids == (client_id_text(client_id(1, 1, 9)),)
            assert truth.totals["USDT"] == sum(snapshot.balances["USDT"])

    run()


@all_venues
def test_a_stopped_exchange_loses_nothing_and_nothing_is_guessed(venue: Case) -> None:
    @in_loop
    async def run() -> None:
        heard, one = Heard(), client_id(1, 1, 1)
        async with (
            served(venue) as exchange,
            await connected(venue, exchange, heard.append) as live,
        ):
            live.send(one, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderAcked))
            await exchange.stop()
            await until(lambda: heard.of(OrderLinkLost) and heard.of(FeedLost))
            live.cancel(one, 0)
            await until(lambda: heard.of(FateUnknown))
            await exchange.start()
            await until(lambda: len(heard.of(OrderLinkUp)) == 2)
            live.query(one, 0)
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderStatus)[0].state == OrderState.OPEN

    run()


@all_venues
def test_a_wrong_key_is_refused_before_anything_starts(venue: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    @in_loop
    async def run() -> None:
        async with served(venue) as exchange:
            live = await connected(venue, exchange, Heard().append)
            for key, secret in (("x" * 64, secret_of(venue)), (KEY, "d3Jvbmc=")):
                with_keys(monkeypatch, key, secret)
                refused = venue_of(reached(venue, exchange), live.instruments, exchange.clock, Heard().append)
                with pytest.raises(SwarmError) as told:
                    await refused.__aenter__()
                assert told.value.code == ExitCode.WRONG_KEY

    run()


@all_venues
def test_a_venue_that_is_down_at_the_start_says_so(venue: Case) -> None:
    @in_loop
    async def run() -> None:
        async with served(venue) as exchange:
            live = await connected(venue, exchange, Heard().append)
        config = reached(venue, exchange, start_timeout_s=0.3)
        with pytest.raises(SwarmError, match="is down") as told:
            async with venue_of(config, live.instruments, exchange.clock, Heard().append):
                pass
        assert told.value.code == ExitCode.VENUE_DOWN

    run()


@all_venues
def test_a_core_that_fails_ends_the_venue_with_its_own_error(venue: Case) -> None:
    def fail_on_data(event: Event) -> None:
        if isinstance(event, Tick | Trade | BookDelta | BookSnapshot | MarketRows):
            raise SwarmError("the disk is full", where="journal", mend="make room", code=ExitCode.DISK_FULL)

    @in_loop
    async def run() -> None:
        async with served(venue) as exchange:
            live = await connected(venue, exchange, fail_on_data)

            async def trade() -> None:
                async with live:
                    await exchange.crowd(0, Side.BUY, 5_000_000, 100)
                    await asyncio.sleep(5)

            with pytest.raises(SwarmError, match="disk is full"):
                await trade()

    run()


@all_venues
def test_an_error_of_the_caller_and_a_cancellation_pass_through(venue: Case) -> None:
    @in_loop
    async def run() -> None:
        async with served(venue) as exchange:
            with pytest.raises(KeyError):
                async with await connected(venue, exchange, Heard().append):
                    raise KeyError("mine")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), await connected(venue, exchange, Heard().append):
                    await asyncio.sleep(5)

    run()


@all_venues
def test_real_money_without_both_locks_is_refused_at_once(venue: Case) -> None:
    @in_loop
    async def run() -> None:
        async with served(venue) as exchange:
            live = await connected(venue, exchange, Heard().append)
            config = reached(venue, exchange, simulated=False)
            with pytest.raises(ConfigError):
                venue_of(config, live.instruments, exchange.clock, Heard().append)
            with pytest.raises(ConfigError):
                await load_instruments(config, SYMBOLS, exchange.clock)

    run()


@all_venues
def test_nothing_is_delivered_once_leaving_began(venue: Case) -> None:
    @in_loop
    async def run() -> None:
        heard = Heard()
        async with served(venue) as exchange:
            async with await connected(venue, exchange, heard.append) as live:
                live.send(client_id(1, 1, 1), buy(5_000_000, 200))
                heard.clear()
            await asyncio.sleep(0.05)
        assert heard == []

    run()


@pytest.mark.parametrize("venue", [case for case in CASES if case != Case("ccxt", "kraken")], ids=str)
def test_a_key_that_can_withdraw_is_refused_before_anything_starts(venue: Case) -> None:
    @in_loop
    async def run() -> None:
        async with served(venue) as exchange:
            assert exchange.served is not None
            config, (ours, *others) = exchange.served.config, exchange.served.config.accounts
            able = ours.model_copy(update={"can_withdraw": True})
            exchange.served.config = config.model_copy(update={"accounts": (able, *others)})

            async def start() -> None:
                async with await connected(venue, exchange, Heard().append):
                    pass

            with pytest.raises(SwarmError, match="can withdraw") as told:
                await start()
            assert told.value.code == ExitCode.WRONG_KEY

    run()


@all_venues
def test_trades_of_the_past_can_be_asked_for_from_one_that_is_known(venue: Case) -> None:
    @in_loop
    async def run() -> None:
        heard = Heard()
        async with served(venue) as exchange:
            await exchange.crowd(0, Side.SELL, 6_000_000, 500)
            for _ in range(6):
                await exchange.crowd(0, Side.BUY, 6_000_000, 10)
            async with await connected(venue, exchange, heard.append) as live:
                every = events_of(await live.trades_after(0, 0, 0))
                known = every[1]
                assert isinstance(known, Trade) and len(every) == 6
                assert [each.price_ticks for each in every if isinstance(each, Trade)] == [6_000_000] * 6
                later = await live.trades_after(0, known.trade_id, known.exchange_ts_ns)
                assert [each.trade_id for each in events_of(later) if isinstance(each, Trade)] == [
                    each.trade_id for each in every[2:] if isinstance(each, Trade)
                ]
                assert len(await live.trades_after(1, 0, 0)) == 0

    run()
