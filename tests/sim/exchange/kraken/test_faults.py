"""The faults of the exchange server, through Kraken's doors."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from domain.order import Side
from tests.sim.exchange.kraken.kraken_builders import Kraken, limit, with_kraken
from tests.sim.exchange.kraken.test_session import Follower, subscribed


def test_a_wrong_checksum_is_told_and_can_be_noticed() -> None:
    async def check(at: Kraken) -> None:
        async with at.socket() as socket:
            book = Follower(10)
            book.take(await subscribed(socket, "book"))
            await at.crowd(Side.BUY, "59000", "0.1")
            book.take(await socket.hear())
            await at.fault("wrong_checksum", symbol="BTC/USDT")
            await at.crowd(Side.BUY, "59001", "0.1")
            frame = await socket.hear()
            with pytest.raises(AssertionError):
                book.take(frame)
            await at.mend()
            await at.crowd(Side.BUY, "59002", "0.1")
            book.take(await socket.hear())

    with_kraken(check)


def test_a_gap_swallows_book_updates_so_that_the_sum_no_longer_fits() -> None:
    async def check(at: Kraken) -> None:
        async with at.socket() as socket:
            book = Follower(10)
            book.take(await subscribed(socket, "book"))
            await at.fault("gap", symbol="BTC/USDT", amount=1, every_s=3600)
            await at.crowd(Side.BUY, "59001", "0.1")
            await at.crowd(Side.BUY, "59002", "0.1")
            frame = await socket.hear()
            with pytest.raises(AssertionError):
                book.take(frame)

    with_kraken(check)


def test_an_order_can_be_accepted_and_never_answered() -> None:
    async def check(at: Kraken) -> None:
        async with at.trading() as socket:
            await at.fault("timeout_after_acceptance", target="ws_api", account="alice")
            await socket.say("add_order", 1, **limit("buy", 59000.0, 0.01, cl_ord_id="lost"))
            with pytest.raises(asyncio.TimeoutError):
                await socket.raw.receive(timeout=0.2)
            await at.mend()
            assert (await at.done("OpenOrders", cl_ord_id="lost"))["open"] != {}
            assert (await socket.ask("cancel_order", cl_ord_id=["lost"]))["success"]

    with_kraken(check)


def test_refusals_of_a_broken_server_are_in_its_words() -> None:
    async def check(at: Kraken) -> None:
        await at.fault("http_5xx", target="rest", amount=502)
        async with at.session.get(f"{at.url}/0/public/Time") as answer:
            assert (answer.status, await answer.json()) == (502, {"error": ["EGeneral:Internal error"]})
        await at.mend()
        await at.fault("maintenance")
        async with at.session.get(f"{at.url}/0/public/Time") as answer:
            assert (answer.status, await answer.json()) == (503, {"error": ["EService:Unavailable"]})
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await at.session.ws_connect(at.ws_url)
        await at.mend()
        async with at.trading() as socket:
            await at.fault("http_5xx", target="ws_api")
            refused = await socket.ask("add_order", 1, **limit("buy", 59000.0, 0.01))
            assert refused["success"] is False and refused["error"].startswith("EService:")

    with_kraken(check)


def test_a_lost_connection_is_one_connection() -> None:
    async def check(at: Kraken) -> None:
        async with at.socket() as socket:
            await subscribed(socket, "book")
            await at.fault("disconnect", target="stream")
            await at.crowd(Side.BUY, "59000", "0.1")
            assert (await socket.raw.receive(timeout=2)).type in (
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
                aiohttp.WSMsgType.CLOSE,
            )
            await at.mend()
        async with at.socket() as again:
            assert (await subscribed(again, "book"))["data"][0]["bids"] != []

    with_kraken(check)
