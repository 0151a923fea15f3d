"""The WebSocket API over a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.sim.exchange.server_builders import ask, hear, running

SUBSCRIBE = "userDataStream.subscribe.signature"


def test_an_account_hears_its_own_orders_on_the_connection_that_places_them() -> None:
    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            begun = await ask(socket, "s", SUBSCRIBE, at.signed("A"))
            assert (begun["id"], begun["status"], begun["result"]) == ("s", 200, {"subscriptionId": 0})
            order = at.order("BUY", "59000", "0.01", newClientOrderId="m0010000100000001")
            placed = await ask(socket, 1, "order.place", at.signed("A", **order))
            assert (placed["id"], placed["status"], placed["result"]["orderId"]) == (1, 200, 1)
            report, balances = (await hear(socket)), (await hear(socket))
            assert report["subscriptionId"] == 0
            event = report["event"]
            assert (event["e"], event["x"], event["X"], event["c"], event["t"]) == (
                "executionReport",
                "NEW",
                "NEW",
                "m0010000100000001",
                -1,
            )
            assert balances["event"]["e"] == "outboundAccountPosition"
            assert {"a": "USDT", "f": "999410.0000000000", "l": "590.0000000000"} in balances["event"]["B"]
            await at.rest("POST", "/api/v3/order", "B", **at.order("SELL", "59000", "0.004"))
            traded = (await hear(socket))["event"]
            assert (traded["x"], traded["X"], traded["l"], traded["z"], traded["m"], traded["t"]) == (
                "TRADE",
                "PARTIALLY_FILLED",
                "0.00400",
                "0.00400",
                True,
                1,
            )
            assert (traded["n"], traded["N"]) == ("0.0000008000", "BTC")
            await hear(socket)
            cancel = {
                "symbol": "BTCUSDT",
                "origClientOrderId": "m0010000100000001",
                "newClientOrderId": "c",
            }
            gone = await ask(socket, 2, "order.cancel", at.signed("A", **cancel))
            assert (gone["result"]["status"], gone["result"]["executedQty"]) == ("CANCELED", "0.00400")
            ended = (await hear(socket))["event"]
            assert (ended["x"], ended["c"], ended["C"]) == ("CANCELED", "c", "m0010000100000001")

    asyncio.run(check())


def test_every_question_is_answered_by_name() -> None:
    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            await ask(socket, 0, "order.place", at.signed("A", **at.order("BUY", "59000", "0.01")))
            public: dict[str, dict[str, object]] = {
                "ping": {},
                "time": {},
                "exchangeInfo": {"symbol": "BTCUSDT"},
                "depth": {"symbol": "BTCUSDT", "limit": 5},
                "trades.recent": {"symbol": "BTCUSDT"},
                "ticker.book": {"symbol": "BTCUSDT"},
            }
            private: dict[str, dict[str, object]] = {
                "order.status": {"symbol": "BTCUSDT", "orderId": 1},
                "openOrders.status": {},
                "allOrders": {"symbol": "BTCUSDT"},
                "myTrades": {"symbol": "BTCUSDT", "limit": 10},
                "account.status": {"omitZeroBalances": False, "recvWindow": 5000},
                "order.test": at.order("BUY", "1", "10"),
                "openOrders.cancelAll": {"symbol": "BTCUSDT"},
            }
            answers: dict[str, Any] = {}
            for method, params in public.items():
                answers[method] = await ask(socket, method, method, params)
            for method, params in private.items():
                texts = {name: _text(value) for name, value in params.items()}
                answers[method] = await ask(socket, method, method, at.signed("A", **texts))
            for method, answer in answers.items():
                assert (answer["id"], answer["status"]) == (method, 200), answer
            assert answers["depth"]["result"]["bids"] == [["59000.00", "0.01000"]]
            assert [one["orderId"] for one in answers["openOrders.status"]["result"]] == [1]
            assert [one["status"] for one in answers["openOrders.cancelAll"]["result"]] == ["CANCELED"]

    asyncio.run(check())


def _text(value: object) -> object:
    return ("true" if value else "false") if isinstance(value, bool) else value


def test_bad_requests_get_an_error_with_their_own_id() -> None:
    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            refused = {
                "no.such.method": -1020,
                "depth": -1102,
                "order.place": -2014,
                "userDataStream.unsubscribe": -1130,
            }
            for method, code in refused.items():
                params = {"subscriptionId": 5} if method.startswith("user") else {}
                answer = await ask(socket, method, method, params)
                assert (answer["id"], answer["error"]["code"]) == (method, code)
                assert answer["status"] == (401 if code == -2014 else 400)
            wrong = {**at.signed("A"), "signature": "00"}
            assert (await ask(socket, 1, "account.status", wrong))["error"]["code"] == -1022
            short = await ask(socket, 2, "order.cancel", at.signed("A", symbol="BTCUSDT", orderId=9))
            assert (short["status"], short["error"]["msg"]) == (400, "Unknown order sent.")
            for text in ("{", "[1]", '{"id":[1],"method":"ping"}', '{"id":1,"method":5}', "[" * 50_000):
                await socket.send_str(text)
                assert (await hear(socket))["error"]["code"] == -1135
            await socket.send_bytes(b'{"id":7,"method":"ping","params":{"x":1.50}}')
            assert (await hear(socket))["id"] == 7

    asyncio.run(check())


def test_a_frame_that_is_too_large_ends_the_connection_only() -> None:
    async def check() -> None:
        async with running() as at:
            async with at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
                await socket.send_str("x" * 200_000)
                message = await socket.receive(timeout=10)
                assert message.data == 1009
            assert (await at.rest("GET", "/api/v3/ping"))[0] == 200

    asyncio.run(check())


def test_a_subscription_can_be_ended_and_each_has_its_number() -> None:
    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            for number in range(2):
                begun = await ask(socket, number, SUBSCRIBE, at.signed("A"))
                assert begun["result"] == {"subscriptionId": number}
            ended = await ask(socket, 3, "userDataStream.unsubscribe", {"subscriptionId": 0})
            assert ended["status"] == 200
            await at.rest("POST", "/api/v3/order", "A", **at.order("BUY", "59000", "0.01"))
            assert [(await hear(socket))["subscriptionId"] for _ in range(2)] == [1, 1]
            for number in range(15):
                await ask(socket, number, SUBSCRIBE, at.signed("A"))
            full = await ask(socket, 99, SUBSCRIBE, at.signed("A"))
            assert full["error"]["code"] == -1034
            assert (await ask(socket, 4, "userDataStream.unsubscribe", {}))["status"] == 200

    asyncio.run(check())
