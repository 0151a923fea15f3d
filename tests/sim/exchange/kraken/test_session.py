"""WebSocket v2: the public side."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Iterable
from typing import Any

import pytest

from domain.order import Side
from sim.exchange.messages import CancelAllPlaced, MarketStatus, SetMarket
from sim.market.config import FlowConfig
from tests.sim.exchange.kraken.kraken_builders import CROWD, Kraken, Socket, with_kraken


class Follower:
    """A client's book, kept as Kraken's guide says, in the strings of the wire."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}

    def take(self, frame: Any) -> None:
        """Take a snapshot or an update, and check its sum."""
        (data,) = frame["data"]
        for name, side in self.sides.items():
            if frame["type"] == "snapshot":
                side.clear()
            for level in data[name]:
                side[level["price"]] = level["qty"]
                if float(level["qty"]) == 0:
                    del side[level["price"]]
            best = sorted(side.items(), key=lambda one: float(one[0]), reverse=name == "bids")
            side.clear()
            side.update(best[: self.depth])
        assert data["checksum"] == self.checksum()

    def checksum(self) -> int:
        """Sum the ten best levels."""
        digits = [_digits(list(self.sides[name].items())[:10]) for name in ("asks", "bids")]
        return zlib.crc32("".join(digits).encode())


def _digits(levels: Iterable[tuple[str, str]]) -> str:
    return "".join(number.replace(".", "").lstrip("0") for level in levels for number in level)


async def subscribed(socket: Socket, channel: str, **more: Any) -> Any:
    """Subscribe to BTC/USDT and give the snapshot."""
    answer = await socket.ask("subscribe", 1, channel=channel, symbol=["BTC/USDT"], **more)
    assert answer["success"] and answer["result"]["symbol"] == "BTC/USDT", answer
    snapshot = await socket.hear()
    assert (snapshot["channel"], snapshot["type"]) == (channel, "snapshot")
    return snapshot


def test_every_depth_of_the_book_stays_the_servers_own_and_sums_up() -> None:
    async def check(at: Kraken) -> None:
        draw = random.Random(5)
        depths = (10, 25)
        async with at.socket() as socket:
            books = {depth: Follower(depth) for depth in depths}
            await at.crowd(Side.BUY, "59000.00", "0.00500")
            async with at.socket() as other:
                sockets = dict(zip(depths, (socket, other), strict=True))
                for depth, one in sockets.items():
                    books[depth].take(await subscribed(one, "book", depth=depth))
                for turn in range(150):
                    side = draw.choice((Side.BUY, Side.SELL))
                    price = 60_000 - int(side) * 6 + draw.randrange(-15, 16)
                    await at.crowd(side, f"{price}.00", f"0.{draw.randrange(10, 500):05d}")
                    if turn == 100:
                        cancel = CancelAllPlaced(at.venue.now_ns(), CROWD, 0)
                        await at.venue.ask(lambda cancel=cancel: at.venue.apply(cancel))  # type: ignore[misc]
                market = at.venue.markets["BTCUSDT"]
                for depth, one in sockets.items():
                    await one.say("ping", 9)
                    while (frame := await one.hear()).get("method") != "pong":
                        books[depth].take(frame)
                    _, bids, asks = at.venue.exchange.depth(0, depth)
                    for name, levels in (("bids", bids), ("asks", asks)):
                        wanted = [(market.tick.text(p), market.lot.text(q)) for p, q in levels]
                        assert list(books[depth].sides[name].items()) == wanted

    with_kraken(check)


def test_every_checksum_is_right_while_a_crowd_trades() -> None:
    async def check(at: Kraken) -> None:
        async with at.socket() as socket:
            books = {symbol: Follower(10) for symbol in ("BTC/USDT", "ETH/USDT", "ETH/BTC")}
            await socket.say("subscribe", channel="book", symbol=list(books))
            updates, clock = 0, asyncio.get_running_loop().time
            until = clock() + 20
            while updates < 300:
                assert clock() < until, f"{updates} updates in 20 s"
                frame = await socket.hear()
                if frame.get("channel") == "book":
                    books[frame["data"][0]["symbol"]].take(frame)
                    updates += frame["type"] == "update"

    with_kraken(check, flow=FlowConfig().faster(20))


def test_a_book_message_has_the_markets_decimals_and_a_time() -> None:
    async def check(at: Kraken) -> None:
        await at.crowd(Side.BUY, "59999.50", "0.1")
        async with at.socket() as socket:
            snapshot = await subscribed(socket, "book")
            assert snapshot["data"][0]["bids"] == [{"price": "59999.50", "qty": "0.10000"}]
            await at.crowd(Side.SELL, "59999.50", "0.1")
            update = await socket.hear()
            (data,) = update["data"]
            assert (update["type"], data["bids"], data["asks"]) == (
                "update",
                [{"price": "59999.50", "qty": "0.00000"}],
                [],
            )
            assert data["timestamp"].endswith("Z") and data["checksum"] == 0

    with_kraken(check)


def test_trades_tickers_and_bars_tell_what_happened() -> None:
    async def check(at: Kraken) -> None:
        await at.crowd(Side.SELL, "60000", "0.3")
        await at.crowd(Side.BUY, "60000", "0.1")
        async with at.socket() as socket:
            (old,) = (await subscribed(socket, "trade"))["data"]
            assert (old["side"], old["price"], old["qty"], old["trade_id"]) == (
                "buy",
                "60000.00",
                "0.10000",
                1,
            )
            before = (await subscribed(socket, "ticker"))["data"][0]
            assert (before["bid"], before["ask"], before["ask_qty"]) == ("0.00", "60000.00", "0.20000")
            bar = (await subscribed(socket, "ohlc", interval=5))["data"][-1]
            assert (bar["interval"], bar["trades"], bar["volume"]) == (5, 1, "0.10000")
            await at.crowd(Side.BUY, "60000", "0.2")
            trade, ticker, bars = [await socket.hear() for _ in range(3)]
            assert [one["trade_id"] for one in trade["data"]] == [2]
            assert (ticker["type"], ticker["data"][0]["last"], ticker["data"][0]["volume"]) == (
                "update",
                "60000.00",
                "0.30000",
            )
            assert (bars["data"][0]["trades"], bars["data"][0]["volume"]) == (2, "0.30000")

    with_kraken(check)


def test_a_ticker_of_best_prices_moves_without_trades() -> None:
    async def check(at: Kraken) -> None:
        async with at.socket() as socket:
            await subscribed(socket, "ticker", event_trigger="bbo")
            await at.crowd(Side.BUY, "59000", "0.1")
            await at.crowd(Side.BUY, "58000", "0.1")
            await at.crowd(Side.BUY, "59001", "0.1")
            assert [(await socket.hear())["data"][0]["bid"] for _ in range(2)] == ["59000.00", "59001.00"]

    with_kraken(check)


def test_rules_are_told_and_told_again_when_they_change() -> None:
    async def check(at: Kraken) -> None:
        async with at.socket() as socket:
            answer = await socket.ask("subscribe", channel="instrument")
            assert answer["success"] and "req_id" not in answer
            data = (await socket.hear())["data"]
            assert [one["id"] for one in data["assets"]] == ["BTC", "ETH", "USDT"]
            pair = data["pairs"][0]
            assert (pair["symbol"], pair["status"]) == ("BTC/USDT", "online")
            assert (pair["price_precision"], pair["price_increment"]) == (2, "0.01")
            assert (pair["qty_precision"], pair["qty_increment"], pair["qty_min"]) == (
                5,
                "0.00001",
                "0.00001",
            )
            assert pair["cost_min"] == "5.0000000000"
            change = SetMarket(at.venue.now_ns(), 0, int(MarketStatus.HALT), 50)
            await at.venue.ask(lambda: at.venue.apply(change))
            update = await socket.hear()
            assert update["type"] == "update"
            assert [(one["status"], one["price_increment"]) for one in update["data"]["pairs"]] == [
                ("cancel_only", "0.50")
            ]
            assert (await socket.ask("unsubscribe", 2, channel="instrument"))["success"]

    with_kraken(check)


def test_unsubscribing_ends_a_channel_and_every_symbol_is_answered() -> None:
    async def check(at: Kraken) -> None:
        async with at.socket() as socket:
            await socket.say(
                "subscribe", 4, channel="book", symbol=["BTC/USDT", "NO/NE", "ETH/USDT"], snapshot=False
            )
            answers = [await socket.hear() for _ in range(3)]
            assert [one["success"] for one in answers] == [True, False, True]
            assert (answers[1]["error"], answers[1]["symbol"]) == (
                "Currency pair not supported NO/NE",
                "NO/NE",
            )
            assert all(one["req_id"] == 4 for one in answers)
            again = await socket.ask("subscribe", channel="book", symbol=["BTC/USDT"])
            assert again["error"] == "Already subscribed"
            left = await socket.ask("unsubscribe", channel="book", symbol=["BTC/USDT"])
            assert left["result"] == {"channel": "book", "symbol": "BTC/USDT"}
            await at.crowd(Side.BUY, "59000", "0.1")
            await at.crowd(Side.BUY, "2900", "0.1", "ETHUSDT")
            assert (await socket.hear())["data"][0]["symbol"] == "ETH/USDT"
            missing = await socket.ask("unsubscribe", channel="book", symbol=["BTC/USDT"])
            assert missing["error"] == "Subscription Not Found"
            unknown = await socket.ask("unsubscribe", channel="book", symbol=["NO/NE"])
            assert unknown["error"] == "Currency pair not supported NO/NE"

    with_kraken(check)


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("subscribe", {"channel": "nope", "symbol": ["BTC/USDT"]}, "Subscription name invalid"),
        ("subscribe", {"channel": "book", "symbol": "BTC/USDT"}, "Pair field must be an array"),
        ("subscribe", {"channel": "book"}, "Pair field must be an array"),
        (
            "subscribe",
            {"channel": "book", "symbol": ["BTC/USDT"], "depth": 11},
            "Subscription depth not supported",
        ),
        (
            "subscribe",
            {"channel": "book", "symbol": ["BTC/USDT"], "snapshot": 1},
            "Malformed request: snapshot",
        ),
        (
            "subscribe",
            {"channel": "ohlc", "symbol": ["BTC/USDT"], "interval": 2},
            "Subscription ohlc interval",
        ),
        (
            "subscribe",
            {"channel": "ticker", "symbol": ["BTC/USDT"], "event_trigger": "x"},
            "Subscription event",
        ),
        ("fly", {}, "Unsupported method: 'fly'"),
        ("add_order", {}, "ESession:Invalid session"),
        ("subscribe", {"channel": "executions", "token": "x"}, "ESession:Invalid session"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_reason(
    method: str, params: dict[str, Any], error: str
) -> None:
    async def check(at: Kraken) -> None:
        async with at.socket() as socket:
            answer = await socket.ask(method, 8, **params)
            assert answer["error"].startswith(error) and answer["success"] is False
            assert (answer["req_id"], answer["method"]) == (8, method)

    with_kraken(check)


def test_what_is_no_request_is_refused_and_the_line_lives_on() -> None:
    async def check(at: Kraken) -> None:
        async with at.socket() as socket:
            for text in ("{", "[]", "7", '{"method":1}', '{"method":"ping","params":[]}', "[" * 9_000):
                await socket.raw.send_str(text)
                assert (await socket.hear())["error"] == "Malformed request"
            await socket.raw.send_str('{"method":"ping","req_id":"x"}')
            assert (await socket.hear())["error"] == "Malformed request: req_id must be an integer"
            await socket.raw.send_bytes(b"\xff")
            assert (await socket.hear())["error"] == "Malformed request"
            pong = await socket.ask("ping", 3)
            assert (pong["method"], pong["req_id"], sorted(pong)[2:]) == ("pong", 3, ["time_in", "time_out"])

    with_kraken(check)


def test_silence_is_broken_by_heartbeats_once_something_is_subscribed() -> None:
    async def check(at: Kraken) -> None:
        async with at.socket() as quiet, at.socket() as socket:
            await subscribed(socket, "trade")
            assert await socket.raw.receive_json(timeout=4) == {"channel": "heartbeat"}
            with pytest.raises(asyncio.TimeoutError):
                await quiet.raw.receive(timeout=0.05)

    with_kraken(check)
