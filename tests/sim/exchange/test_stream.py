"""Market streams and listen-key streams over real sockets."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, web

from sim.exchange.stream_connection import Connection
from sim.market.config import FlowConfig
from tests.sim.exchange.server_builders import ask, hear, running

BUSY = FlowConfig().faster(10)


class Followed:
    """A book kept as a client would keep it: snapshot, then diffs that must join."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.last_id = snapshot["lastUpdateId"]
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        self.joined = False

    def take(self, diff: dict[str, Any]) -> None:
        if diff["u"] <= self.last_id:
            return
        # The first diff may overlap the snapshot; every later one must begin right after the last.
        assert diff["U"] <= self.last_id + 1 if not self.joined else diff["U"] == self.last_id + 1
        self.joined, self.last_id = True, diff["u"]
        for side, levels in self.sides.items():
            for price, size in diff[side]:
                levels[price] = size
                if float(size) == 0:
                    del levels[price]


async def _follow(socket: ClientWebSocketResponse, book: Followed, at: Any) -> None:
    """Go on until the followed book is exactly as new as the server's own."""
    for _ in range(400):
        book.take(await hear(socket))
        update_id, bids, asks = at.venue.exchange.depth(0, 5_000)
        if book.joined and update_id == book.last_id:
            market = at.venue.exchange.instruments[0]
            own = [{market.tick.text(p): market.lot.text(q) for p, q in side} for side in (bids, asks)]
            assert own == [book.sides["b"], book.sides["a"]]
            return
    raise AssertionError("the stream never caught up with the server")


def test_snapshot_and_diffs_give_the_servers_own_book_under_flow() -> None:
    async def check() -> None:
        async with (
            running(flow=BUSY) as at,
            at.session.ws_connect(f"{at.url}/ws/btcusdt@depth@100ms") as socket,
        ):
            first = await hear(socket)
            _, snapshot = await at.rest("GET", "/api/v3/depth", symbol="BTCUSDT", limit=5000)
            assert len(snapshot["bids"]) >= 10 and len(snapshot["asks"]) >= 10
            book = Followed(snapshot)
            book.take(first)
            for _ in range(10):
                book.take(await hear(socket))
            assert book.joined
            await _follow(socket, book, at)

    asyncio.run(check())


def test_ticker_and_trades_come_at_once_and_wrapped_on_the_combined_door() -> None:
    async def check() -> None:
        async with running() as at:
            names = "btcusdt@bookTicker/btcusdt@trade/btcusdt@aggTrade/btcusdt@depth"
            async with at.session.ws_connect(f"{at.url}/stream?streams={names}") as socket:
                await at.rest("POST", "/api/v3/order", "A", **at.order("SELL", "60000", "0.02"))
                await at.rest("POST", "/api/v3/order", "B", **at.order("BUY", "60000", "0.02"))
                heard = [await hear(socket) for _ in range(5)]
                assert [one["stream"].split("@")[1] for one in heard] == [
                    "bookTicker",
                    "trade",
                    "aggTrade",
                    "bookTicker",
                    "depth",
                ]
                assert heard[0]["data"] == {
                    "u": 1,
                    "s": "BTCUSDT",
                    "b": "0.00",
                    "B": "0.00000",
                    "a": "60000.00",
                    "A": "0.02000",
                }
                assert (heard[1]["data"]["p"], heard[1]["data"]["m"]) == ("60000.00", False)
                depth = heard[4]["data"]
                assert (depth["U"], depth["u"], depth["a"]) == (1, 2, [["60000.00", "0.00000"]])

    asyncio.run(check())


def test_streams_are_joined_and_left_on_an_open_connection() -> None:
    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws") as socket:
            streams = ["btcusdt@bookTicker", "ethusdt@bookTicker"]
            assert await ask(socket, 1, "SUBSCRIBE", streams) == {"result": None, "id": 1}
            assert await ask(socket, "l", "LIST_SUBSCRIPTIONS", None) == {"result": streams, "id": "l"}
            await at.rest("POST", "/api/v3/order", "A", **at.order("BUY", "59000", "0.02"))
            assert (await hear(socket))["s"] == "BTCUSDT"
            assert (await ask(socket, 2, "UNSUBSCRIBE", ["btcusdt@bookTicker", "x@trade"]))["result"] is None
            assert (await ask(socket, 3, "LIST_SUBSCRIPTIONS", None))["result"] == ["ethusdt@bookTicker"]
            assert (await ask(socket, 4, "GET_PROPERTY", ["combined"]))["result"] is False
            assert (await ask(socket, 5, "SET_PROPERTY", ["combined", True]))["result"] is None
            assert (await ask(socket, 6, "GET_PROPERTY", ["combined"]))["result"] is True

    asyncio.run(check())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 3),
        ("7", 2),
        ('{"id":{},"method":"SUBSCRIBE"}', 2),
        ('{"id":1,"method":"JUMP"}', 2),
        ('{"id":1,"method":"SUBSCRIBE","params":"btcusdt@trade"}', 2),
        ('{"id":1,"method":"SUBSCRIBE","params":["nope@trade"]}', 2),
        ('{"id":1,"method":"SUBSCRIBE","params":[' + ",".join(['"btcusdt@trade"'] * 1_025) + "]}", 2),
        ('{"id":1,"method":"GET_PROPERTY","params":["colour"]}', 0),
        ('{"id":1,"method":"SET_PROPERTY","params":["combined",1]}', 1),
    ],
)
def test_a_bad_control_message_gets_an_error(text: str, code: int) -> None:
    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws/nope@trade") as socket:
            await socket.send_str(text)
            assert (await hear(socket))["error"]["code"] == code

    asyncio.run(check())


def test_a_listen_key_brings_the_accounts_own_events() -> None:
    async def check() -> None:
        async with running() as at:
            head = {"X-MBX-APIKEY": "alice-key-1"}
            async with at.session.post(f"{at.url}/api/v3/userDataStream", headers=head) as answer:
                key = (await answer.json())["listenKey"]
            async with at.session.ws_connect(f"{at.url}/ws/{key}") as socket:
                await at.rest("POST", "/api/v3/order", "B", **at.order("BUY", "59000", "0.02"))
                await at.rest("POST", "/api/v3/order", "A", **at.order("BUY", "58000", "0.02"))
                report = await hear(socket)
                assert (report["e"], report["p"]) == ("executionReport", "58000.00")
                assert (await hear(socket))["e"] == "outboundAccountPosition"

    asyncio.run(check())


def test_who_reads_too_slowly_is_cut_off() -> None:
    async def check() -> None:
        cut = asyncio.Event()

        class Transport:
            def abort(self) -> None:
                cut.set()

        class Request:
            transport = Transport()
            app = web.Application()

        connection = Connection(cast(web.Request, Request()), combined=False, queue_max=3)
        for _ in range(3):
            connection.send(b"{}")
        assert not cut.is_set() and not connection.closed
        connection.send(b"{}")
        assert cut.is_set() and connection.closed
        connection.send(b"ignored")

    asyncio.run(check())


def test_a_stopping_server_says_goodbye() -> None:
    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws/btcusdt@trade") as socket:
            at.stop.set()
            message = await socket.receive(timeout=10)
            assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)

    asyncio.run(check())
