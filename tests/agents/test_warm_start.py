"""A node begins where history ends: no trade is missing or told twice over the cut, or it is said which."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from agents import warm_start
from agents.config import RegionConfig
from agents.gaps import GAP
from agents.history import recording
from agents.node import Node
from agents.process import connect
from agents.record import decode, recover
from agents.shell import NodeShell
from bus.journal import Journal
from domain.actions import SendOrder
from domain.control_events import NodeStarted
from domain.errors import ExitCode, SwarmError
from domain.instrument import Instrument
from domain.market_events import FeedUp, MarketRows, Trade
from domain.order import Side
from hw.clock import SystemClock
from market.history.history import History
from market.quality import Reason
from market.rows import events_of
from market.venues.binance import past_trades
from market.venues.venue import load_instruments, venue_of
from tests.agents.builders import agent_table, config
from tests.market.venue_server import (
    KRAKEN_SECRET,
    SECRET,
    SYMBOLS,
    Dialect,
    Simulated,
    in_loop,
    until,
    with_keys,
)

PRICE = 6_000_000


def region(exchange: Simulated, **history: Any) -> RegionConfig:
    venue = {**exchange.venue_config().model_dump(), "symbols": SYMBOLS}
    told = {"warm_s": 600, **history}
    return config(
        agent_table(), venues=[venue], history=told, market={"indicators": ["vwap:10"], "ask_trades": True}
    )


async def trades(exchange: Simulated, number: int, instrument: int = 0) -> None:
    """Let the crowd trade with itself so many times."""
    await exchange.crowd(instrument, Side.SELL, PRICE, number * 10)
    for _ in range(number):
        await exchange.crowd(instrument, Side.BUY, PRICE, 10)


class Run:
    """One exchange and one folder, over several lives of recorders and nodes."""

    def __init__(self, exchange: Simulated, root: Path) -> None:
        self.exchange, self.root, self.said = exchange, root, list[str]()
        self.instruments: tuple[Instrument, ...] = ()
        self.shell: NodeShell | None = None

    async def record(self, during: Callable[[], Coroutine[Any, Any, None]], count: int) -> None:
        """Record what the venue tells, as `swarm data record` does, until so many trades came."""
        wanted = self.exchange.venue_config()
        self.instruments = await load_instruments(wanted, SYMBOLS, self.exchange.clock)
        heard: list[int] = []
        async with AsyncExitStack() as stack:
            tap = await recording(
                region(self.exchange, record=True),
                self.root,
                self.instruments,
                SystemClock(),
                self.said.append,
                stack,
            )
            assert tap is not None

            def deliver(event: Any) -> None:
                assert tap is not None
                tap(event)
                heard.extend(ids([event]))

            async with venue_of(wanted, self.instruments, self.exchange.clock, deliver):
                await during()
                await until(lambda: len(heard) == count, "the trades")

    def linked(self) -> bool:
        """Tell whether the node's life began and its venue is up."""
        return self.shell is not None and self.shell.node.markets[0].linked

    async def live(
        self, journal: Journal, last: int, during: Callable[[], Coroutine[Any, Any, None]], **history: Any
    ) -> Node:
        """Start a node through all that its process does, and let it hear trades up to an id."""
        wanted = region(self.exchange, **history)
        recorder, _ = recover(journal, wanted, self.instruments)
        self.shell = shell = NodeShell(wanted, recorder, journal, SystemClock(), self.said.append)
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            making = tasks.create_task(during())
            await connect(shell, self.instruments, self.root, None, stack)
            await making
            await until(lambda: shell.node.pipeline.last_trade(0)[0] == last, "the last trade")
        journal.commit()
        return shell.node


def ids(events: list[Any]) -> list[int]:
    return [
        each.trade_id
        for event in events
        for each in (events_of(event.rows) if isinstance(event, MarketRows) else [event])
        if isinstance(each, Trade) and each.instrument == 0
    ]


def inputs(journal: Journal) -> list[Any]:
    return [decode(record) for _, record in journal.read(1)]


async def refuse(past: Any, instrument: int) -> Any:
    """Answer as a venue that is down."""
    raise SwarmError("no trades today", where="test-x", mend="ask tomorrow", code=ExitCode.VENUE_DOWN)


async def nothing() -> None:
    """Let nobody trade."""


@pytest.fixture(params=["binance", "kraken"])
def dialect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Dialect:
    chosen: Dialect = request.param
    with_keys(monkeypatch, secret=KRAKEN_SECRET if chosen == "kraken" else SECRET)
    return chosen


@pytest.mark.parametrize(("hole", "meanwhile"), [(0, 0), (7, 12), (40, 0)])
def test_no_trade_is_missing_or_told_twice_over_the_cut(
    dialect: Dialect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hole: int, meanwhile: int
) -> None:
    monkeypatch.setattr(past_trades, "TRADES_MAX", 15)  # so that a hole takes several pages

    @in_loop
    async def run() -> None:
        async with AsyncExitStack() as stack:
            exchange = Simulated(dialect)
            await exchange.start()
            stack.push_async_callback(exchange.stop)
            one = Run(exchange, tmp_path / "history")
            await one.record(lambda: trades(exchange, 5), 5)
            await trades(exchange, hole)
            with Journal.open(tmp_path / "journal", "node") as journal:
                last = 5 + hole + meanwhile + 3

                async def during() -> None:
                    for _ in range(meanwhile):  # some before the cut, some in it, some after it
                        await trades(exchange, 1)
                        await asyncio.sleep(0.003)
                    await until(one.linked, "the start of the node")
                    await trades(exchange, 3)

                node = await one.live(journal, last, during, record=True)
                told = inputs(journal)
                assert ids(told) == list(range(1, last + 1))
                counts = node.pipeline.quality(0).counts
                assert Reason.DUPLICATE not in counts and Reason.OUT_OF_ORDER not in counts
                started = next(n for n, each in enumerate(told) if isinstance(each, NodeStarted))
                assert started < next(n for n, each in enumerate(told) if isinstance(each, FeedUp))
                assert not any(isinstance(each, SendOrder) for each in told)
                assert not any(GAP in line for line in one.said)
                again, replay = recover(journal, region(exchange, record=True), one.instruments)
                assert replay.equal and again.core.state() == node.state()
            kept = History(one.root).rows("test-x", SYMBOLS)
            found = sorted(ids([MarketRows(0, rows) for rows in kept]))
            assert found == list(range(1, last + 1)), "the recording has no hole either"

    run()


def test_a_node_that_comes_back_hears_what_was_traded_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keys(monkeypatch)

    @in_loop
    async def run() -> None:
        exchange = Simulated()
        await exchange.start()
        one = Run(exchange, tmp_path / "history")
        one.instruments = await load_instruments(exchange.venue_config(), SYMBOLS, exchange.clock)
        for life in range(3):
            with Journal.open(tmp_path / "journal", "node") as journal:

                async def during() -> None:
                    await until(one.linked)
                    await trades(exchange, 2)

                await one.live(journal, 6 * life + 2, during)
                assert ids(inputs(journal)) == list(range(1, 6 * life + 3))
            one.shell = None
            await trades(exchange, 4)
        assert not any(GAP in line for line in one.said)
        await exchange.stop()

    run()


def test_what_the_venue_lists_no_more_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)

    @in_loop
    async def run() -> None:
        exchange = Simulated()
        exchange.config = exchange.config.model_copy(update={"public_trades_kept": 10})
        await exchange.start()
        one = Run(exchange, tmp_path / "history")
        await one.record(lambda: trades(exchange, 5), 5)
        await trades(exchange, 30)
        with Journal.open(tmp_path / "journal", "node") as journal:
            await one.live(journal, 35, nothing)
            assert ids(inputs(journal)) == [*range(1, 6), *range(26, 36)]
            (mark,) = [each for each in inputs(journal) if isinstance(each, dict) and each["kind"] == GAP]
            assert (mark["symbol"], mark["after"], mark["before"]) == ("BTCUSDT", 5, 26)
        assert any(
            "alarm history-gap: test-x BTCUSDT: trades after 5 and before 26" in each for each in one.said
        )
        await exchange.stop()

    run()


@pytest.mark.parametrize("why", ["time", "room", "refused"])
def test_a_venue_that_is_not_asked_or_does_not_answer_leaves_a_marked_gap_and_a_node_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    with_keys(monkeypatch)

    @in_loop
    async def run() -> None:
        exchange = Simulated()
        await exchange.start()
        one = Run(exchange, tmp_path / "history")
        await one.record(lambda: trades(exchange, 5), 5)
        await trades(exchange, 4)
        if why == "room":
            monkeypatch.setattr(warm_start, "HELD_ROWS_MAX", 0)
        if why == "refused":
            monkeypatch.setattr(past_trades.PastTrades, "recent", refuse)
        with Journal.open(tmp_path / "journal", "node") as journal:

            async def during() -> None:
                await until(one.linked)
                await trades(exchange, 2)

            await one.live(journal, 11, during, fill_s=0.0 if why == "time" else 10.0)
            assert ids(inputs(journal)) == [1, 2, 3, 4, 5, 10, 11]
            marks = [each for each in inputs(journal) if isinstance(each, dict) and each["kind"] == GAP]
            assert [mark["after"] for mark in marks] == [5]
        await exchange.stop()

    run()
