"""Faults over real sockets: the admin endpoint, and what clients notice."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

from sim.exchange.faults.admin import TOKEN_HEADER
from tests.sim.exchange.server_builders import Running, ask, hear, running

TOKEN = "let-me-in"


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an async test."""

    @functools.wraps(test)
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), 30))

    # pytest must not take the wrapped coroutine's signature for its own.
    del run.__wrapped__
    return run


async def admin(
    at: Running, method: str, body: Any = None, number: int | None = None, token: str = TOKEN
) -> tuple[int, Any]:
    """Call the admin endpoint."""
    url = f"{at.url}/admin/faults" + ("" if number is None else f"/{number}")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with at.session.request(method, url, data=data, headers={TOKEN_HEADER: token}) as answer:
        return answer.status, await answer.json()


async def add(at: Running, **spec: Any) -> int:
    """Add a fault."""
    status, told = await admin(at, "POST", spec)
    assert status == 201, told
    return int(told["id"])


async def trade(at: Running, price: str = "50000.00") -> tuple[int, Any]:
    """Place an order over REST."""
    return await at.rest("POST", "/api/v3/order", "A", **at.order("BUY", price, "0.001"))


async def silent(socket: aiohttp.ClientWebSocketResponse, for_s: float = 0.3) -> bool:
    """Tell whether nothing comes."""
    try:
        await socket.receive(timeout=for_s)
    except TimeoutError:
        return True
    return False


@in_loop
async def test_faults_are_added_listed_and_deleted() -> None:
    async with running(admin_token=TOKEN) as at:
        assert await add(at, kind="drop", symbol="BTCUSDT", frac=0.05, for_s=30, seed=7) == 1
        assert await add(at, kind="delay", amount=5, after_s=9) == 2
        status, told = await admin(at, "GET")
        assert status == 200 and [one["id"] for one in told["faults"]] == [1, 2]
        assert [one["active"] for one in told["faults"]] == [True, False]
        assert await admin(at, "DELETE", number=2) == (200, {"deleted": [2]})
        assert await admin(at, "DELETE", number=2) == (404, {"error": "there is no fault 2"})
        assert await admin(at, "DELETE") == (200, {"deleted": [1]})
        assert await admin(at, "GET") == (200, {"faults": []})


@in_loop
async def test_what_is_wrong_is_said_in_one_line_and_changes_nothing() -> None:
    async with running(admin_token=TOKEN) as at:
        for body, told in (
            ({"kind": "drop", "symbol": "DOGEUSDT"}, "symbol: there is no market DOGEUSDT"),
            ({"kind": "drop", "account": "carol"}, "account: there is no account carol"),
            ({"kind": "delisting"}, "delisting needs a symbol"),
            (b"{nonsense", "Invalid JSON"),
        ):
            status, answer = await admin(at, "POST", body)
            assert status == 400 and answer["error"].startswith(told)
        for _ in range(64):
            await add(at, kind="drop", after_s=60)
        assert (await admin(at, "POST", {"kind": "drop"}))[0] == 409


@in_loop
async def test_without_the_token_there_is_no_such_page() -> None:
    async with running(admin_token=TOKEN) as at:
        for token in ("", "let-me-out", "\u00e9"):
            for method in ("POST", "GET", "DELETE"):
                assert (await admin(at, method, {"kind": "drop"}, token=token))[0] == 404
    async with running() as at:
        assert (await admin(at, "GET"))[0] == 404


@in_loop
async def test_requests_are_refused_in_the_words_of_the_venue() -> None:
    async with running(admin_token=TOKEN) as at:
        for spec, status, code in (
            ({"kind": "http_5xx", "amount": 502}, 502, -1001),
            ({"kind": "ban", "amount": 7}, 418, -1003),
            ({"kind": "maintenance"}, 503, 1),
        ):
            async with at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
                number = await add(at, **spec)
                found, body = await at.rest("GET", "/api/v3/depth", symbol="BTCUSDT")
                assert (found, body["code"]) == (status, code)
                if spec["kind"] == "maintenance":
                    assert (await socket.receive(timeout=5)).type in (
                        aiohttp.WSMsgType.CLOSED,
                        aiohttp.WSMsgType.CLOSE,
                        aiohttp.WSMsgType.ERROR,
                    )
                    with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                        await at.session.ws_connect(f"{at.url}/stream?streams=btcusdt@trade")
                else:
                    told = await ask(socket, 1, "ping", {})
                    assert (told["status"], told["error"]["code"]) == (status, code)
                await admin(at, "DELETE", number=number)
            assert (await at.rest("GET", "/api/v3/ping"))[0] == 200


@in_loop
async def test_a_ban_tells_how_long_to_wait() -> None:
    async with running(admin_token=TOKEN) as at:
        await add(at, kind="ban", target="rest", for_s=9)
        async with at.session.get(f"{at.url}/api/v3/ping") as answer:
            assert answer.status == 418 and answer.headers["Retry-After"] in ("8", "9")


@in_loop
async def test_an_accepted_order_may_stay_without_an_answer() -> None:
    async with running(admin_token=TOKEN) as at:
        await add(at, kind="timeout_after_acceptance")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(trade(at), 0.3)
        async with at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            order = at.signed("A", **at.order("BUY", "50001.00", "0.001"))
            await socket.send_str(json.dumps({"id": 1, "method": "order.place", "params": order}))
            assert await silent(socket)
            await admin(at, "DELETE")
            told = await ask(socket, 2, "openOrders.status", at.signed("A"))
            assert [one["price"] for one in told["result"]] == ["50000.00", "50001.00"]


@in_loop
async def test_a_lost_request_does_nothing_and_a_late_one_is_late() -> None:
    async with running(admin_token=TOKEN) as at:
        number = await add(at, kind="drop", target="rest", symbol="BTCUSDT")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(trade(at), 0.3)
        assert (await at.rest("GET", "/api/v3/openOrders", "A")) == (200, [])
        await admin(at, "DELETE", number=number)
        await add(at, kind="delay", target="rest", account="alice", amount=200)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert (await trade(at))[0] == 200 and loop.time() - began_s >= 0.2
        assert (await at.rest("GET", "/api/v3/ping"))[0] == 200


@in_loop
async def test_a_clock_that_steps_is_told_in_times_and_refuses_who_trusts_his_own() -> None:
    async with running(admin_token=TOKEN) as at:
        before = (await at.rest("GET", "/api/v3/time"))[1]["serverTime"]
        stamp = at.venue.now_ms()
        await add(at, kind="clock_step", amount=60_000)
        after = (await at.rest("GET", "/api/v3/time"))[1]["serverTime"]
        assert 60_000 <= after - before < 70_000
        status, told = await at.rest("GET", "/api/v3/openOrders", "A", timestamp=stamp)
        assert (status, told["code"]) == (400, -1021)


@in_loop
async def test_a_delisted_market_cancels_and_refuses_until_the_fault_is_over() -> None:
    async with running(admin_token=TOKEN) as at:
        assert (await trade(at))[0] == 200
        number = await add(at, kind="delisting", symbol="BTCUSDT")
        assert (await at.rest("GET", "/api/v3/openOrders", "A")) == (200, [])
        assert (await trade(at)) == (400, {"code": -1013, "msg": "Market is closed."})
        info = (await at.rest("GET", "/api/v3/exchangeInfo", symbol="BTCUSDT"))[1]["symbols"][0]
        assert info["status"] == "BREAK"
        await admin(at, "DELETE", number=number)
        assert (await trade(at))[0] == 200


@in_loop
async def test_a_new_tick_size_is_told_and_enforced() -> None:
    async with running(admin_token=TOKEN) as at:
        assert (await trade(at, "50000.01"))[0] == 200
        await add(at, kind="tick_size_change", symbol="BTCUSDT", amount=100, for_s=0.4)
        info = (await at.rest("GET", "/api/v3/exchangeInfo", symbol="BTCUSDT"))[1]["symbols"][0]
        assert info["filters"][0]["tickSize"] == "1.00"
        assert (await trade(at, "50000.01"))[1]["code"] == -1013
        assert len((await at.rest("GET", "/api/v3/openOrders", "A"))[1]) == 1
        await asyncio.sleep(0.5)
        assert (await trade(at, "50000.01"))[0] == 200


@in_loop
async def test_a_half_open_socket_is_silent_both_ways_and_wakes_when_the_fault_is_over() -> None:
    async with (
        running(admin_token=TOKEN) as at,
        at.session.ws_connect(f"{at.url}/ws-api/v3", autoping=False) as socket,
    ):
        number = await add(at, kind="half_open", target="ws_api")
        await socket.send_str('{"id":1,"method":"ping"}')
        await asyncio.sleep(0.1)
        await socket.ping(b"there?")
        await socket.send_str('{"id":2,"method":"ping"}')
        assert await silent(socket)
        await admin(at, "DELETE", number=number)
        assert (await socket.receive(timeout=5)).type == aiohttp.WSMsgType.PONG
        assert (await hear(socket))["id"] == 2


@in_loop
async def test_frames_are_cut_doubled_spoiled_and_late() -> None:
    async with running(admin_token=TOKEN) as at:
        for spec, expected in (
            ({"kind": "duplicate", "amount": 1}, 2),
            ({"kind": "delay", "amount": 100}, 1),
            ({"kind": "reorder", "amount": 100}, 1),
            ({"kind": "drop"}, 0),
        ):
            number = await add(at, target="stream", symbol="BTCUSDT", **spec)
            async with at.session.ws_connect(f"{at.url}/ws/btcusdt@depth@100ms") as socket:
                assert (await trade(at))[0] == 200
                for _ in range(expected):
                    assert (await hear(socket))["b"][0][0] == "50000.00"
                assert await silent(socket)
            await admin(at, "DELETE", number=number)
        await add(at, kind="wrong_checksum")
        async with at.session.ws_connect(f"{at.url}/ws/btcusdt@depth@100ms") as socket:
            await trade(at)
            assert (await hear(socket))["b"][0][0] == "x0000.00"
        await add(at, kind="disconnect")
        async with at.session.ws_connect(f"{at.url}/ws/btcusdt@depth@100ms") as socket:
            await trade(at)
            assert (await socket.receive(timeout=5)).type != aiohttp.WSMsgType.TEXT


@in_loop
async def test_the_older_user_stream_is_a_door_of_its_own() -> None:
    async with running(admin_token=TOKEN) as at:
        key = (await at.rest("POST", "/api/v3/userDataStream", "A"))[1]["listenKey"]
        await add(at, kind="drop", target="user", account="alice")
        async with at.session.ws_connect(f"{at.url}/ws/{key}") as socket:
            await trade(at)
            assert await silent(socket)
            await admin(at, "DELETE")
            await trade(at)
            assert (await hear(socket))["e"] == "executionReport"
