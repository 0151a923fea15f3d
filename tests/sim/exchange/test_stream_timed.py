"""Streams that are told by the clock: partial depth, tickers, bars, mean prices."""

from __future__ import annotations

import asyncio
from typing import Any

from sim.exchange.dialect_errors import DialectError
from sim.exchange.server_flow import tell_timed
from sim.exchange.server_venue import QUEUE_MAX
from sim.exchange.stream_names import SELDOM, turns_of
from tests.sim.exchange.ccxt_clients import books, crowd
from tests.sim.exchange.server_builders import Running, ask, hear, running


class Ear:
    """Somebody who listens to streams, at no socket."""

    def __init__(self, at: Running, *streams: str) -> None:
        self.combined, self.heard = True, list[bytes]()
        self._hub, self._streams = at.venue.hub, streams
        for one in streams:
            assert self._hub.known(one), one
            self._hub.subscribe(one, self)

    def send(self, payload: bytes) -> None:
        """Keep a message."""
        self.heard.append(payload)

    def leave(self) -> None:
        """Listen no more."""
        for one in self._streams:
            self._hub.unsubscribe(one, self)


def test_partial_depth_is_told_when_it_changed() -> None:
    async def check() -> None:
        async with running() as at:
            await books(at)
            url = f"{at.url}/stream?streams=btcusdt@depth5@100ms/ethusdt@depth10"
            async with at.session.ws_connect(url) as socket:
                first = await hear(socket)
                assert first["stream"] == "btcusdt@depth5@100ms"
                assert (len(first["data"]["bids"]), first["data"]["asks"][0]) == (5, ["60001.00", "0.10000"])
                assert (await hear(socket))["stream"] == "ethusdt@depth10"
                await crowd(at, 1, 5_999_950, 500)
                again = (await hear(socket))["data"]
                assert again["bids"][0] == ["59999.50", "0.00500"]
                assert again["lastUpdateId"] == first["data"]["lastUpdateId"] + 1

    asyncio.run(check())


def test_bars_are_closed_before_the_next_and_mean_prices_told() -> None:
    async def check() -> None:
        async with running() as at:
            await books(at)
            await crowd(at, 1, 6_000_100, 100)
            timed, now_ms = at.venue.timed, at.venue.now_ms()
            ear = Ear(at, "btcusdt@kline_1s", "btcusdt@avgPrice", "!miniTicker@arr")
            assert "btcusdt@avgPrice" not in timed.due(10) and "btcusdt@avgPrice" in timed.due(SELDOM)
            first: Any = timed.gather(["btcusdt@kline_1s"], now_ms)
            assert [event["k"]["x"] for _, event in first] == [False]
            later: Any = timed.gather(["btcusdt@kline_1s"], now_ms + 3_000)
            bars = [event["k"] for _, event in later]
            assert [bar["x"] for bar in bars] == [True, True, True, False]
            assert bars[0]["t"] == first[0][1]["k"]["t"] and bars[-1]["v"] == "0.00000"
            assert {bar["c"] for bar in bars} == {"60001.00"}
            ((name, mean),) = timed.gather(["btcusdt@avgPrice"], now_ms)
            assert (name, mean["w"]) == ("btcusdt@avgPrice", "60001.00")  # type: ignore[index]
            ((_, every),) = timed.gather(["!miniTicker@arr"], now_ms)
            assert [one["s"] for one in every] == ["BTCUSDT", "ETHUSDT", "ETHBTC"]  # type: ignore[attr-defined]
            # A clock that went back shows no bar rather than a wrong one; who left is forgotten.
            assert timed.gather(["btcusdt@kline_1s"], now_ms - 60_000) == []
            ear.leave()
            assert timed.due(SELDOM) == []
            assert [event["k"]["x"] for _, event in timed.gather(["btcusdt@kline_1s"], now_ms)] == [False]  # type: ignore[index]
            assert turns_of("depth5@100ms") == 1

    asyncio.run(check())


def test_a_full_queue_leaves_them_out() -> None:
    async def check() -> None:
        async with running() as at:
            ear = Ear(at, "btcusdt@ticker")
            told = list[object]()
            for _ in range(QUEUE_MAX):
                at.venue.submit(lambda: None, told.append)
            tell_timed(at.venue, 10)
            refused: DialectError | None = None
            try:
                at.venue.submit(lambda: None, told.append)
            except DialectError as full:
                refused = full
            assert refused is not None and refused.code == -1008
            while len(told) < QUEUE_MAX:
                await asyncio.sleep(0.01)
            assert ear.heard == []

    asyncio.run(check())


def test_slow_depth_has_two_names() -> None:
    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws") as socket:
            names = ["btcusdt@depth@1000ms", "btcusdt@depth"]
            await socket.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
            assert (await hear(socket))["result"] is None
            await crowd(at, 1, 5_999_950, 500)
            first, second = await hear(socket), await hear(socket)
            assert first == second and first["e"] == "depthUpdate"
            listed = await ask(socket, 2, "LIST_SUBSCRIPTIONS", [])
            assert listed["result"] == names

    asyncio.run(check())
